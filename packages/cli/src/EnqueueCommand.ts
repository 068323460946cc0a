/** The command enqueue: one event from its flags, or many from JSON Lines. */
import { type EnqueueError, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Array, Effect, FileSystem, Option, Schema, Stdio, Stream } from "effect"
import { CliError, Command, Flag } from "effect/cli"
import * as EventLines from "./EventLines.ts"
import * as Flags from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Store from "./Store.ts"

/** Events in one statement. More of them make the statement larger, but not faster. */
const batchSize = 500

/** Queueing a file of events stopped at this line. */
export class EnqueueStopped extends Schema.TaggedError<EnqueueStopped>()("EnqueueStopped", {
  source: Schema.String,
  line: Schema.optionalKey(Schema.Int),
  problem: Schema.String,
  queuedCount: Schema.Int,
  /** Whether events from this line on may be queued too: the store did not confirm the last batch. */
  isUncertain: Schema.Boolean
}) {
  override get message(): string {
    const where = this.line === undefined ? this.source : `${this.source}, line ${this.line}`
    const queued =
      this.queuedCount === 0
        ? this.isUncertain
          ? "no event before it is queued"
          : "nothing is queued"
        : this.queuedCount === 1
          ? "1 event before it is queued"
          : `${this.queuedCount} events before it are queued`
    const perhaps = this.isUncertain ? "; events from this line on may be queued too" : ""
    return `${where}: ${this.problem}; ${queued}${perhaps}`
  }
}

export const enqueue = Command.make(
  "enqueue",
  {
    jsonl: Flag.String("jsonl").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        `Queue many events: one JSON object per line, with the fields ${Object.keys(EventLines.EventLine.fields).join(", ")}; - reads standard input`
      ),
      Flag.optional
    ),
    tenant: Flags.tenant.pipe(Flag.optional),
    execution: Flags.execution.pipe(Flag.optional),
    event: Flags.event.pipe(Flag.optional),
    to: Flags.toState,
    payload: Flags.payload,
    user: Flags.user,
    idempotencyKey: Flags.idempotencyKey,
    redis: Flags.redis,
    namespace: Flags.namespace,
    json: Flags.json
  },
  Effect.fnUntraced(function* (options) {
    const { event, execution, idempotencyKey, json, jsonl, payload, tenant, to, user } = options
    const single = { tenant, execution, event, to, payload, user, "idempotency-key": idempotencyKey }
    if (Option.isSome(jsonl)) {
      const [extra] = Object.entries(single).filter(([, value]: readonly [string, Option.Option<unknown>]) =>
        Option.isSome(value)
      )
      if (extra !== undefined)
        return yield* wrongUsage(`--jsonl takes everything from the lines: leave out --${extra[0]}`)
      return yield* Effect.provide(enqueueLines(jsonl.value, json), Store.layerWaking(options))
    }
    if (Option.isNone(tenant) || Option.isNone(execution) || Option.isNone(event)) {
      return yield* wrongUsage("Give --tenant, --execution and --event, or --jsonl with a file of events")
    }
    const enqueueOne = Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      return yield* runtime.enqueueEvent({
        tenant: tenant.value,
        executionId: execution.value,
        submission: {
          event_name: event.value,
          ...Flags.present("to_state", to),
          ...Flags.present("payload", payload),
          ...Flags.present("user_id", user)
        },
        ...Flags.present("idempotencyKey", idempotencyKey)
      })
    })
    const enqueued = yield* Effect.provide(enqueueOne, Store.layerWaking(options))
    yield* json
      ? Output.printJson(enqueued)
      : Output.printLines(
          ...Output.pairs([
            ["queued as event", enqueued.eventId],
            ["processing id", enqueued.processingId]
          ])
        )
  })
).pipe(
  Command.withShortDescription("Queue one event or many for a worker to process"),
  Command.withDescription(
    "Queue one event or many for a worker to process. Without --database no worker can run at the same time: the next worker processes them"
  ),
  Command.withExamples([
    {
      command: `refold enqueue --tenant acme --execution INV-1 --event Approved --to approved --payload '{"by": "ann"}'`,
      description: "Queue one event"
    },
    { command: "refold enqueue --jsonl events.jsonl", description: "Queue a file of events, one JSON object per line" },
    {
      command: `echo '{"tenant":"acme","execution_id":"INV-1","event_name":"Paid"}' | refold enqueue --jsonl -`,
      description: "Queue the output of another program"
    }
  ])
)

const wrongUsage = (message: string) =>
  new CliError.ShowHelp({ commandPath: ["refold", "enqueue"], errors: [new CliError.ValidationError({ message })] })

const enqueueLines = Effect.fnUntraced(function* (path: string, json: boolean) {
  const queuedCount = yield* Progress.during((show) =>
    enqueueAll(path, (count) => show({ label: "events queued", count }))
  )
  yield* json
    ? Output.printJson({ queuedCount })
    : Output.printLines(...Output.pairs([["events queued", String(queuedCount)]]))
})

const enqueueAll = Effect.fnUntraced(function* (path: string, onProgress: (count: number) => Effect.Effect<void>) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const fileSystem = yield* FileSystem.FileSystem
  const stdio = yield* Stdio.Stdio
  const source = path === "-" ? "standard input" : path
  let queuedCount = 0

  const stop = ({ line, problem }: { readonly line?: number; readonly problem: string }, isUncertain = false) =>
    new EnqueueStopped({ source, problem, queuedCount, isUncertain, ...(line === undefined ? {} : { line }) })

  const stopAt = (line: number) => (error: EnqueueError) =>
    stop({ line, problem: error.message }, error._tag === "StoreError" && error.isRetryable)

  const enqueueEvents = (batch: Array.NonEmptyReadonlyArray<EventLines.Numbered>) =>
    Effect.tap(runtime.enqueueEvents(Array.map(batch, ({ event }) => event)), () => {
      queuedCount += batch.length
      return onProgress(queuedCount)
    })

  const enqueueBatch = (batch: Array.NonEmptyReadonlyArray<EventLines.Numbered>) => {
    const [first] = batch
    return Effect.catch(enqueueEvents(batch), (error) =>
      error._tag === "StoreError"
        ? Effect.fail(stopAt(first.line)(error))
        : // The store wrote nothing of this batch. One by one, the events before the refused one are queued, and its line is known.
          Effect.forEach(batch, (each) => Effect.mapError(enqueueEvents([each]), stopAt(each.line)), { discard: true })
    )
  }

  const reader = EventLines.open()
  const bytes = path === "-" ? stdio.stdin : fileSystem.stream(path)
  yield* bytes.pipe(
    Stream.mapError((error) =>
      stop({ problem: `the file cannot be read (${error.reason._tag}): check its name and permissions` })
    ),
    Stream.map(reader.write),
    Stream.concat(Stream.suspend(() => Stream.succeed(reader.end()))),
    // One piece at a time, so that the lines of a slow producer are queued as they arrive.
    Stream.runForEach(
      Effect.fnUntraced(function* ({ events, problem }) {
        yield* Effect.forEach(Array.chunksOf(events, batchSize), (batch) =>
          Array.isReadonlyArrayNonEmpty(batch) ? enqueueBatch(batch) : Effect.void
        )
        if (problem !== undefined) return yield* stop(problem)
      })
    )
  )
  return queuedCount
})
