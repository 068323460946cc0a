/** An invoice that needs two approvals, on the embedded database: submit, refuse, replay, and look into the past. */
import { NodeRuntime } from "@effect/platform-node"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { ExecutionState, type Instant, Workflow, type WorkflowEvent, WorkflowEventModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Console, Effect, Layer, Stream } from "effect"
import { heading, table } from "../Print.ts"
import { Invoice } from "./Invoice.ts"

const execution = { tenant: "acme", executionId: "invoice-2025-001" }

/** Submits an event to the invoice. A wrong event name or payload does not compile. */
const submit = Effect.fn("submit")(function* (
  submission: Workflow.SubmissionOf<typeof Invoice>,
  idempotencyKey?: string
) {
  const runtime = yield* TypeScriptWorkflowRuntime
  // Gives each event its own instant, for the queries about past instants below.
  yield* Effect.sleep("5 millis")
  return yield* runtime.submitEvent({
    ...execution,
    submission: Workflow.submission(Invoice, submission),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey })
  })
})

const tour = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  const sourcing = yield* WorkflowEventSourcing
  const log = yield* WorkflowEventModel

  yield* heading("Start, and add lines")
  const started = yield* runtime.startWorkflow({ workflow: Invoice, ...execution, data: { customer: "Globex" } })
  const first = yield* submit({ event_name: "LineAdded", payload: { text: "Turbine", cents: 1_200_000 } })
  const second = yield* submit({ event_name: "LineAdded", payload: { text: "Delivery", cents: 45_000 } })
  yield* table([started, first, second].map(summary))

  yield* heading("The state refuses an event that it does not accept")
  yield* submit({ event_name: "Paid", payload: { reference: "early" } }).pipe(
    Effect.catchTag("TransitionRejected", ({ message }) => table([[message]]))
  )

  yield* heading("An invoice of EUR 10,000 or more needs two different approvers")
  const submitted = yield* submit({ event_name: "Submitted", user_id: "sue" })
  const once = yield* submit({ event_name: "Approved", user_id: "ann" })
  yield* table([submitted, once].map(summary))
  yield* submit({ event_name: "Approved", user_id: "ann" }).pipe(
    Effect.catchTag("TransitionRejected", ({ message }) => table([[message]]))
  )
  const twice = yield* submit({ event_name: "Approved", user_id: "bob" }, "approval-bob")
  yield* table([summary(twice)])

  yield* heading("A repeated event with its idempotency key returns the first result")
  const again = yield* submit({ event_name: "Approved", user_id: "bob" }, "approval-bob")
  yield* table([summary(again)])

  yield* heading("A snapshot shortens a replay and changes nothing else")
  yield* sourcing.createSnapshot(execution.executionId, execution.tenant)
  yield* submit({ event_name: "Paid", user_id: "pat", payload: { reference: "2025-117" } })
  for (const useSnapshots of [true, false]) {
    const { debug, executionState } = yield* sourcing.replayEvents(execution.executionId, execution.tenant, {
      useSnapshots,
      debug: true
    })
    const start =
      debug?.fromSnapshot === true ? `the snapshot at position ${debug.snapshotPosition}` : "the first event"
    yield* table([[...summary(executionState), `from ${start}, ${debug?.eventsProcessed} folded`]])
  }

  const history = yield* Stream.runCollect(log.read(execution))

  yield* heading("The state at past instants")
  for (const { created_at } of history.filter(({ position }) => [3, 5].includes(position))) {
    const { executionState } = yield* sourcing.replayEvents(execution.executionId, execution.tenant, {
      replayUntil: created_at
    })
    yield* table([[clock(created_at), ...summary(executionState)]])
  }
  yield* sourcing
    .replayEvents(execution.executionId, execution.tenant, { replayUntil: "2020-01-01" })
    .pipe(Effect.catchTag("ExecutionNotStarted", ({ message }) => table([[message]])))

  yield* heading("The timeline")
  yield* table([["#", "time (UTC)", "event", "by", "from", "to", "payload"], ...history.map(line)])

  yield* heading("What happened")
  yield* Console.log(`  The definition (Invoice.ts) says which events an invoice accepts, and how each event changes its data.
  Accepted events were appended to a PostgreSQL log inside this process. They never change.
  Refused events left no trace in the log: the positions above count 1 to ${history.length} without a gap.
  Every state above is a fold of that log: now, from a snapshot, and as of past instants.
  Next: npm run example -- 02, then README.md.`)
})

const summary = (state: ExecutionState.ExecutionState) => [
  `position ${state.position}`,
  state.currentState.padEnd("ApprovedOnce".length),
  ExecutionState.is(Invoice, state) ? euros(state.data.cents).padStart("EUR 12,450.00".length) : ""
]

const line = (event: WorkflowEvent) => [
  String(event.position),
  clock(event.created_at),
  event.event_name,
  event.user_id ?? "",
  event.from_state,
  event.to_state,
  event.payload === undefined ? "" : JSON.stringify(event.payload)
]

const clock = (instant: Instant.Instant): string => instant.slice(11, 23)

const euros = (cents: number): string =>
  `EUR ${(cents / 100).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layer(Invoice)),
  Layer.provideMerge(PgliteStore.layer()),
  Layer.provide(MemoryWakeUpChannel.layer)
)

NodeRuntime.runMain(tour.pipe(Effect.provide(Live)))
