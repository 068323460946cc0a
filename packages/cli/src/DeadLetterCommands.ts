/** Commands about events that failed at every attempt: dead-letters list, redrive, discard. */
import { QueuedEventNotFound, WakeUps } from "@refold/runtime"
import { Identifier, type QueuedEvent, WorkflowEventProcessingModel } from "@refold/core"
import { Effect, Option, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Store from "./Store.ts"

/** The queued event exists, but is neither dead nor skipped. */
export class NotADeadLetter extends Schema.TaggedError<NotADeadLetter>()("NotADeadLetter", {
  processingId: Schema.String,
  status: Schema.String
}) {
  override get message(): string {
    return `The queued event "${this.processingId}" is not a dead letter: it is ${this.status.toLowerCase()}`
  }
}

const listDeadLetters = Command.make(
  "list",
  { tenant: Flags.onlyTenant, jsonl: Flags.jsonLines },
  Effect.fnUntraced(function* ({ jsonl, tenant }) {
    const queue = yield* WorkflowEventProcessingModel
    yield* Effect.fromResult(Identifier.check({ tenant: Option.getOrUndefined(tenant) }))
    const entries = queue.list({ ...Flags.present("tenant", tenant), statuses: ["Dead", "Skipped"] })
    if (jsonl) return yield* Output.printJsonLines(entries)
    yield* Output.printTable(entries, {
      head: ["processing id", "tenant", "execution", "event", "status", "attempts", "cause"],
      cells: ({ attemptCount, executionId, processingId, status, submission, tenant }) => [
        processingId,
        tenant,
        executionId,
        submission.event_name,
        status._tag === "Dead" ? "Dead (blocks)" : status._tag,
        String(attemptCount),
        status._tag === "Dead" || status._tag === "Skipped" ? status.cause : ""
      ],
      noun: ["dead letter", "dead letters"]
    })
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription(
    "List the events that failed at every attempt: a dead event blocks its execution, a skipped one does not"
  ),
  Command.withExamples([
    { command: "refold dead-letters list --tenant acme", description: "The dead letters of one tenant" },
    { command: "refold dead-letters list --jsonl", description: "Whole records, one JSON value per line" }
  ])
)

const entryFlags = {
  processingId: Argument.String("processing-id").pipe(
    Argument.withDescription("Processing id, as `refold dead-letters list` shows it")
  ),
  tenant: Flags.tenant,
  execution: Flags.execution,
  redis: Flags.redis,
  namespace: Flags.namespace,
  json: Flags.json
}

/** Changes a dead letter, and wakes the worker of its execution, which may continue now. */
const change = (
  by: (
    queue: WorkflowEventProcessingModel["Service"]
  ) => WorkflowEventProcessingModel["Service"]["redrive" | "discard"],
  done: string
) =>
  Effect.fnUntraced(function* (options: {
    readonly tenant: string
    readonly execution: string
    readonly processingId: string
    readonly json: boolean
  }) {
    const { execution: executionId, json, processingId, tenant } = options
    const queue = yield* WorkflowEventProcessingModel
    const wakeUps = yield* WakeUps
    yield* Effect.fromResult(Identifier.check({ tenant, execution: executionId, "processing id": processingId }))
    const key = { tenant, executionId, processingId }
    const changed = yield* by(queue)(key)
    if (Option.isNone(changed)) {
      const found = yield* queue.find(key)
      return yield* Option.match(found, {
        onNone: () => Effect.fail(new QueuedEventNotFound({ executionId, processingId })),
        onSome: ({ status }) => Effect.fail(new NotADeadLetter({ processingId, status: status._tag }))
      })
    }
    yield* wakeUps.offer([{ tenant, executionId }])
    const entry: QueuedEvent.QueueEntry = changed.value
    yield* json
      ? Output.printJson(entry)
      : Output.printLines(
          `${done}: ${Output.printable(entry.submission.event_name)} of ${Output.printable(executionId)}`
        )
  })

const redrive = Command.make("redrive", entryFlags, (options) =>
  Effect.provide(change((queue) => queue.redrive, "Requeued")(options), Store.layerWaking(options))
).pipe(
  Command.withDescription("Requeue a dead letter: at its old position, or, if it was skipped, at the end of the queue"),
  Command.withExamples([
    {
      command: "refold dead-letters redrive 0199a7c2-5b1e-7c3a-9f00-2b8d1c4e6a10 --tenant acme --execution INV-1",
      description: "Once the cause is fixed"
    }
  ])
)

const discard = Command.make("discard", entryFlags, (options) =>
  Effect.provide(change((queue) => queue.discard, "Discarded")(options), Store.layerWaking(options))
).pipe(
  Command.withDescription("Discard a dead letter: its execution continues without it, and the queue keeps its record"),
  Command.withExamples([
    {
      command: "refold dead-letters discard 0199a7c2-5b1e-7c3a-9f00-2b8d1c4e6a10 --tenant acme --execution INV-1",
      description: "For an event that must never be applied"
    }
  ])
)

export const deadLetters = Command.make("dead-letters").pipe(
  Command.withDescription("List, redrive or discard the events that failed at every attempt"),
  Command.withExamples([
    { command: "refold dead-letters list --tenant acme", description: "The events that need a decision" }
  ]),
  Command.withSubcommands([listDeadLetters, redrive, discard])
)
