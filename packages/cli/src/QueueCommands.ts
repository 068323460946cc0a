/** Commands about queued events: enqueue, worker, dead-letters, lag. */
import { type EnqueueError, QueuedEventNotFound, TypeScriptWorkflowRuntime, WakeUps, Worker } from "@refold/runtime"
import { Instant, type PartitionLag, type QueuedEvent, WorkflowEventProcessingModel, Identifier } from "@refold/core"
import { Array, Clock, Effect, FileSystem, Layer, Option, Schedule, Schema, Stdio, Stream } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import * as EventLines from "./EventLines.ts"
import { present } from "./ExecutionCommands.ts"
import * as Flags from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import { Signals } from "./Signals.ts"
import * as Store from "./Store.ts"

// --- enqueue ----------------------------------------------------------------------------------------------------------

/** Events in one statement: more would be no faster, only larger. */
const batchSize = 500

/** Queueing many stopped at this line. */
export class EnqueueStopped extends Schema.TaggedError<EnqueueStopped>()("EnqueueStopped", {
  source: Schema.String,
  line: Schema.optionalKey(Schema.Int),
  problem: Schema.String,
  queuedCount: Schema.Int,
  /** Whether some of the lines from here on may be queued as well. */
  isUncertain: Schema.Boolean
}) {
  override get message(): string {
    const place = this.line === undefined ? this.source : `${this.source}, line ${this.line}`
    const queued =
      this.queuedCount === 0
        ? "nothing is queued"
        : this.queuedCount === 1
          ? "1 event before it is queued"
          : `${this.queuedCount} events before it are queued`
    const perhaps = this.isUncertain ? ", perhaps some from here on as well" : ""
    return `${place}: ${this.problem}; ${queued}${perhaps}`
  }
}

export const enqueue = Command.make(
  "enqueue",
  {
    jsonl: Flag.String("jsonl").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription(
        `Queue many: a JSON object per line, with ${Object.keys(EventLines.EventLine.fields).join(", ")}; - for standard input`
      ),
      Flag.optional
    ),
    tenant: Flags.optionalTenant,
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
    const ofOne = { tenant, execution, event, to, payload, user, "idempotency-key": idempotencyKey }
    if (Option.isSome(jsonl)) {
      const [extra] = Object.entries(ofOne).filter(([, value]: readonly [string, Option.Option<unknown>]) =>
        Option.isSome(value)
      )
      if (extra !== undefined) return yield* wrongUsage(`--jsonl takes all from the lines: leave out --${extra[0]}`)
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
          ...present("to_state", to),
          ...present("payload", payload),
          ...present("user_id", user)
        },
        ...present("idempotencyKey", idempotencyKey)
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
  Command.withDescription(
    "Queue an event for a worker to process, or many. Without --database no worker can run meanwhile: the next one finds them"
  ),
  Command.withExamples([
    {
      command: `refold enqueue --tenant acme --execution INV-1 --event Approved --to approved --payload '{"by": "ann"}'`,
      description: "Queue one event"
    },
    { command: "refold enqueue --jsonl events.jsonl", description: "Queue a file of events, one JSON object per line" },
    {
      command: `echo '{"tenant":"acme","execution_id":"INV-1","event_name":"Paid"}' | refold enqueue --jsonl -`,
      description: "Queue what another program writes"
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
        : // All or none, and none it was: those before the one that is refused are queued, and it is named.
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
    // One piece at a time, so that what a slow producer writes is queued as it comes.
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

// --- worker -----------------------------------------------------------------------------------------------------------

/** How long draining may take, and all of the closing: an orchestrator that waits 30 seconds need not kill. */
const drainTimeout = "20 seconds"
const closingTimeout = "25 seconds"

/** Of the embedded database: meanwhile nobody can add to it, nor ask it with another command. */
const tellWhenEmpty = Effect.gen(function* () {
  const queue = yield* WorkflowEventProcessingModel
  const isEmpty = Effect.map(queue.lag, (lags) => lags.every(({ pendingCount }) => pendingCount === 0))
  yield* Effect.repeat(isEmpty, { until: (empty) => empty, schedule: Schedule.spaced("200 millis") })
  yield* Effect.logInfo("No event waits any more")
}).pipe(Effect.catchTag("StoreError", (error) => Effect.logWarning(error.message)))

export const worker = Command.make(
  "worker",
  {
    id: Flag.String("id").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription("Name of this worker, unlike that of any other alive; made up when absent"),
      Flag.optional
    ),
    redis: Flags.redis,
    namespace: Flags.namespace
  },
  Effect.fnUntraced(function* ({ id, namespace, redis }) {
    yield* Effect.fromResult(Identifier.check({ id: Option.getOrUndefined(id) }))
    const signals = yield* Signals
    const stream = yield* Store.streamKind(redis)
    const work = Effect.gen(function* () {
      const { workerId } = yield* Worker
      yield* Effect.annotateLogs(Effect.logInfo("The worker has started"), { workerId, stream })
      if (stream === "in process") yield* Effect.forkScoped(tellWhenEmpty)
      const signal = yield* signals.received
      yield* Effect.annotateLogs(Effect.logInfo("The worker drains: it reads no more and finishes what is under way"), {
        workerId,
        signal
      })
      yield* Effect.forkDetach(
        Effect.sleep(closingTimeout).pipe(
          Effect.andThen(Effect.logWarning("The worker did not end in time; others will do what it has not finished")),
          Effect.andThen(signals.exit(1))
        )
      )
      return workerId
    })
    const workerId = yield* Effect.provide(
      Effect.scoped(work),
      Worker.layer({ drainTimeout, ...present("workerId", id) }).pipe(
        Layer.provideMerge(Store.layerWaking({ redis, namespace }))
      )
    )
    yield* Effect.annotateLogs(Effect.logInfo("The worker has drained"), { workerId })
  })
).pipe(
  Command.withDescription(
    "Process queued events until SIGTERM or SIGINT, which drains; a second signal ends it at once, losing nothing. Start as many as you like on one --database. The embedded database has one process at a time: there, this worker serves what was queued before, and says when it is done"
  ),
  Command.withExamples([
    {
      command: "refold worker --database postgres://localhost/app",
      description: "Woken by PostgreSQL's own notifications"
    },
    {
      command: "refold worker --database postgres://localhost/app --redis redis://localhost --id worker-1",
      description: "Woken by Redis Streams"
    },
    {
      command:
        "refold worker --database postgres://localhost/app --schema orders --redis redis://localhost --namespace orders",
      description: "One of several stores that share both servers"
    }
  ])
)

// --- dead-letters -----------------------------------------------------------------------------------------------------

/** The queued event is there, and was not given up. */
export class NotADeadLetter extends Schema.TaggedError<NotADeadLetter>()("NotADeadLetter", {
  processingId: Schema.String,
  status: Schema.String
}) {
  override get message(): string {
    return `The queued event "${this.processingId}" is no dead letter: it is ${this.status.toLowerCase()}`
  }
}

const listDeadLetters = Command.make(
  "list",
  { tenant: Flags.optionalTenant, jsonl: Flags.jsonLines },
  Effect.fnUntraced(function* ({ jsonl, tenant }) {
    const queue = yield* WorkflowEventProcessingModel
    yield* Effect.fromResult(Identifier.check({ tenant: Option.getOrUndefined(tenant) }))
    const entries = queue.list({ ...present("tenant", tenant), statuses: ["Dead", "Skipped"] })
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
    "List events that failed at every attempt: dead ones block their execution, skipped ones do not"
  ),
  Command.withExamples([
    { command: "refold dead-letters list --tenant acme", description: "Those of one tenant" },
    { command: "refold dead-letters list --jsonl", description: "Whole records, one JSON value per line" }
  ])
)

const ofEntry = {
  processingId: Argument.String("processing-id").pipe(
    Argument.withDescription("The processing id that the list shows")
  ),
  tenant: Flags.tenant,
  execution: Flags.execution,
  redis: Flags.redis,
  namespace: Flags.namespace,
  json: Flags.json
}

/** Changes a dead letter, and wakes the worker of its execution: it may go on now. */
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

const redrive = Command.make("redrive", ofEntry, (options) =>
  Effect.provide(change((queue) => queue.redrive, "Waits again")(options), Store.layerWaking(options))
).pipe(
  Command.withDescription("Let a dead letter be tried again: in its place, or, if it was skipped, behind all others"),
  Command.withExamples([
    {
      command: "refold dead-letters redrive 0199a7c2-5b1e-7c3a-9f00-2b8d1c4e6a10 --tenant acme --execution INV-1",
      description: "After the cause is mended"
    }
  ])
)

const discard = Command.make("discard", ofEntry, (options) =>
  Effect.provide(change((queue) => queue.discard, "Discarded")(options), Store.layerWaking(options))
).pipe(
  Command.withDescription("Give a dead letter up: its execution goes on without it, and the queue keeps its record"),
  Command.withExamples([
    {
      command: "refold dead-letters discard 0199a7c2-5b1e-7c3a-9f00-2b8d1c4e6a10 --tenant acme --execution INV-1",
      description: "When it must never be applied"
    }
  ])
)

export const deadLetters = Command.make("dead-letters").pipe(
  Command.withDescription("List, redrive or discard the events that failed at every attempt"),
  Command.withExamples([
    { command: "refold dead-letters list --tenant acme", description: "What waits for a decision" }
  ]),
  Command.withSubcommands([listDeadLetters, redrive, discard])
)

// --- lag --------------------------------------------------------------------------------------------------------------

export const lag = Command.make(
  "lag",
  { json: Flags.json },
  Effect.fnUntraced(function* ({ json }) {
    const queue = yield* WorkflowEventProcessingModel
    const lags = yield* queue.lag
    const now = yield* Clock.currentTimeMillis
    const partitions = lags.map((each) => ({ ...each, ...ageOf(each, now) }))
    const sum = (count: (lag: PartitionLag) => number) => lags.reduce((total, each) => total + count(each), 0)
    const [oldest] = partitions
      .filter(({ oldestQueuedAt }) => oldestQueuedAt !== undefined)
      .toSorted((left, right) => (right.oldestAgeSeconds ?? 0) - (left.oldestAgeSeconds ?? 0))
    const total = {
      pendingCount: sum(({ pendingCount }) => pendingCount),
      ...(oldest?.oldestQueuedAt === undefined
        ? {}
        : { oldestQueuedAt: oldest.oldestQueuedAt, oldestAgeSeconds: oldest.oldestAgeSeconds }),
      deadCount: sum(({ deadCount }) => deadCount),
      unclaimedCount: sum(({ unclaimedCount }) => unclaimedCount)
    }
    if (json) return yield* Output.printJson({ ...total, partitions })
    yield* Output.printLines(
      ...Output.pairs([
        ["waiting", String(total.pendingCount)],
        ["oldest", describeOldest(total)],
        ["dead or skipped", String(total.deadCount)],
        ["left to others", String(total.unclaimedCount)]
      ])
    )
    if (partitions.length === 0) return
    yield* Output.printTable(Stream.fromIterable(partitions), {
      head: ["partition", "waiting", "oldest", "dead or skipped", "left to others"],
      cells: (each) => [
        String(each.partition),
        String(each.pendingCount),
        describeOldest(each),
        String(each.deadCount),
        String(each.unclaimedCount)
      ],
      noun: ["partition", "partitions"]
    })
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Show what waits in the queue: how much, since when, and what no worker can process"),
  Command.withExamples([
    { command: "refold lag", description: "As a table, by partition" },
    { command: "refold lag --json", description: "For a monitor" }
  ])
)

/** Whole seconds; the clocks of this machine and of the database may differ, but nothing waits since the future. */
const ageOf = ({ oldestQueuedAt }: PartitionLag, now: number) =>
  oldestQueuedAt === undefined
    ? {}
    : { oldestAgeSeconds: Math.max(0, Math.round((now - Instant.toEpochMillis(oldestQueuedAt)) / 1000)) }

const describeOldest = (of: { readonly oldestQueuedAt?: string; readonly oldestAgeSeconds?: number }): string =>
  of.oldestQueuedAt === undefined ? "-" : `${of.oldestQueuedAt} (${of.oldestAgeSeconds ?? 0} s ago)`
