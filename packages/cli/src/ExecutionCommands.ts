/** Commands about executions: start, submit, replay, history, executions, snapshot. */
import { ExecutionNotFound, type ReplayDebug, TypeScriptWorkflowRuntime, WorkflowEventSourcing } from "@refold/runtime"
import { type ExecutionState, WorkflowEventModel, WorkflowExecutionModel, Instant, Identifier } from "@refold/core"
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Store from "./Store.ts"

export const start = Command.make(
  "start",
  {
    tenant: Flags.tenant,
    workflow: Flags.workflow,
    execution: Flags.execution,
    data: Flags.jsonObject("data", "Initial data of the execution, as a JSON object"),
    user: Flags.user,
    idempotencyKey: Flags.idempotencyKey,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ data, execution, idempotencyKey, json, tenant, user, workflow }) {
    const runtime = yield* TypeScriptWorkflowRuntime
    const state = yield* runtime.startWorkflow({
      workflow: { name: workflow },
      tenant,
      executionId: execution,
      ...Flags.present("data", data),
      ...Flags.present("userId", user),
      ...Flags.present("idempotencyKey", idempotencyKey)
    })
    yield* json ? Output.printJson(state) : Output.printLines(...describe(state))
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Start an execution"),
  Command.withExamples([
    {
      command: `refold start --tenant acme --workflow invoice --execution INV-1 --data '{"amount": 120}'`,
      description: "Start an execution with initial data"
    }
  ])
)

export const submit = Command.make(
  "submit",
  {
    tenant: Flags.tenant,
    execution: Flags.execution,
    event: Flags.event,
    to: Flags.toState,
    payload: Flags.payload,
    user: Flags.user,
    idempotencyKey: Flags.idempotencyKey,
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ event, execution, idempotencyKey, json, payload, tenant, to, user }) {
    const runtime = yield* TypeScriptWorkflowRuntime
    const state = yield* runtime.submitEvent({
      tenant,
      executionId: execution,
      submission: {
        event_name: event,
        ...Flags.present("to_state", to),
        ...Flags.present("payload", payload),
        ...Flags.present("user_id", user)
      },
      ...Flags.present("idempotencyKey", idempotencyKey)
    })
    yield* json ? Output.printJson(state) : Output.printLines(...describe(state))
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Submit an event to an execution and show the new state"),
  Command.withExamples([
    {
      command: `refold submit --tenant acme --execution INV-1 --event Approved --to approved --payload '{"by": "ann"}'`,
      description: "Append an event"
    },
    {
      command: "refold submit --tenant acme --execution INV-1 --event Reminded --idempotency-key reminder-7",
      description: "Append an event once, even if the command runs again"
    }
  ])
)

export const replay = Command.make(
  "replay",
  {
    execution: Flags.executionArgument,
    tenant: Flags.tenant,
    until: Flag.String("until").pipe(
      Flag.withMetavar("ISO"),
      Flag.withDescription("Show the state at this instant, including events at exactly this instant"),
      Flag.optional
    ),
    to: Flag.Int("to").pipe(
      Flag.withMetavar("POSITION"),
      Flag.withDescription("Show the state after the event at this position"),
      Flag.optional
    ),
    noSnapshots: Flag.Boolean("no-snapshots").pipe(
      Flag.withDescription("Fold all events from the first one"),
      Flag.withDefault(false)
    ),
    debug: Flag.Boolean("debug").pipe(
      Flag.withDescription("Also print how many events were folded, and from which snapshot"),
      Flag.withDefault(false)
    ),
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ debug, execution, json, noSnapshots, tenant, to, until }) {
    const sourcing = yield* WorkflowEventSourcing
    const replayed = yield* sourcing.replayEvents(execution, tenant, {
      useSnapshots: !noSnapshots,
      debug,
      ...Flags.present("replayUntil", until),
      ...Flags.present("replayTo", to)
    })
    if (json) return yield* Output.printJson(replayed)
    yield* Output.printLines(
      ...describe(replayed.executionState),
      ...(replayed.debug === undefined ? [] : ["", describeReplay(replayed.debug)])
    )
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Show the state of an execution: now, at an instant, or at a position"),
  Command.withExamples([
    { command: "refold replay INV-1 --tenant acme", description: "The state now" },
    {
      command: "refold replay INV-1 --tenant acme --until 2026-03-01T12:00:00Z --debug",
      description: "The state at an instant, and how the replay went"
    },
    { command: "refold replay INV-1 --tenant acme --to 3 --json", description: "After the third event, as JSON" }
  ])
)

export const history = Command.make(
  "history",
  { execution: Flags.executionArgument, tenant: Flags.tenant, jsonl: Flags.jsonLines },
  Effect.fnUntraced(function* ({ execution, jsonl, tenant }) {
    const events = yield* WorkflowEventModel
    const executions = yield* WorkflowExecutionModel
    yield* Effect.fromResult(Identifier.check({ tenant, execution }))
    const header = yield* executions.find({ tenant, executionId: execution })
    if (Option.isNone(header)) return yield* new ExecutionNotFound({ executionId: execution })
    const log = events.read({ tenant, executionId: execution })
    if (jsonl) return yield* Output.printJsonLines(log)
    yield* Output.printTable(log, {
      head: ["#", "when", "event", "type", "from", "to", "by"],
      cells: (event) => [
        String(event.position),
        event.created_at,
        event.event_name,
        event.event_type,
        event.from_state,
        event.to_state,
        event.user_id ?? ""
      ],
      noun: ["event", "events"]
    })
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Show every event of an execution, in order"),
  Command.withExamples([
    { command: "refold history INV-1 --tenant acme", description: "As a table" },
    { command: "refold history INV-1 --tenant acme --jsonl", description: "Whole records, one JSON value per line" }
  ])
)

export const executions = Command.make(
  "executions",
  {
    tenant: Flags.tenant,
    state: Flag.String("state").pipe(
      Flag.withMetavar("S"),
      Flag.withDescription("Only executions in this state"),
      Flag.optional
    ),
    asOf: Flag.String("as-of").pipe(
      Flag.withMetavar("ISO"),
      Flag.withDescription("Show the executions as they were at this instant"),
      Flag.optional
    ),
    jsonl: Flags.jsonLines
  },
  Effect.fnUntraced(function* ({ asOf, jsonl, state, tenant }) {
    const model = yield* WorkflowExecutionModel
    yield* Effect.fromResult(Identifier.check({ tenant, state: Option.getOrUndefined(state) }))
    const instant = yield* Effect.transposeOption(Option.map(asOf, (text) => Effect.fromResult(Instant.parse(text))))
    const headers = model.list({ tenant, ...Flags.present("state", state), ...Flags.present("asOf", instant) })
    if (jsonl) return yield* Output.printJsonLines(headers)
    yield* Output.printTable(headers, {
      head: ["execution", "workflow", "state", "events", "started", "last event"],
      cells: (header) => [
        header.executionId,
        header.workflow.name,
        header.currentState + (header.isComplete ? " (complete)" : ""),
        String(header.position),
        header.startedAt,
        header.updatedAt
      ],
      noun: ["execution", "executions"]
    })
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("List a tenant's executions: now, or as they were at an instant"),
  Command.withExamples([
    { command: "refold executions --tenant acme --state pending", description: "The executions in one state" },
    {
      command: "refold executions --tenant acme --as-of 2026-03-01T12:00:00Z",
      description: "The executions as they were at an instant"
    }
  ])
)

export const snapshot = Command.make(
  "snapshot",
  { execution: Flags.executionArgument, tenant: Flags.tenant, json: Flags.json },
  Effect.fnUntraced(function* ({ execution, json, tenant }) {
    const sourcing = yield* WorkflowEventSourcing
    const taken = yield* sourcing.createSnapshot(execution, tenant)
    yield* json
      ? Output.printJson(taken)
      : Output.printLines(
          ...Output.pairs([
            ["snapshot of", taken.execution_id],
            ["position", String(taken.position)],
            ["state", taken.current_state],
            ["state hash", taken.state_hash]
          ])
        )
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Store a snapshot of an execution, so that later replays start from it"),
  Command.withExamples([
    { command: "refold snapshot INV-1 --tenant acme", description: "A snapshot of the current state" }
  ])
)

const describe = (state: ExecutionState.ExecutionState): ReadonlyArray<string> => [
  ...Output.pairs([
    ["execution", state.executionId],
    ["workflow", state.workflow.name],
    ["state", state.currentState + (state.isComplete ? " (complete)" : "")],
    ["position", String(state.position)],
    ["started", state.startedAt],
    ["last event", state.updatedAt]
  ]),
  Output.styled("dim", "data"),
  Output.printable(JSON.stringify(state.data, null, 2)).replaceAll("\\n", "\n")
]

const describeReplay = ({
  eventsProcessed,
  fingerprintMismatch,
  replayDurationMs,
  snapshotPosition
}: ReplayDebug): string => {
  const from = snapshotPosition === undefined ? "the beginning" : `the snapshot at position ${snapshotPosition}`
  const ignored = fingerprintMismatch === true ? "; a snapshot with another fingerprint was ignored" : ""
  return `${eventsProcessed} events folded in ${replayDurationMs} ms, from ${from}${ignored}`
}
