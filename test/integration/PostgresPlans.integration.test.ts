import { assert, layer } from "@effect/vitest"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PostgresStore } from "@refold/adapters/postgres"
import {
  Partition,
  PartitionLeases,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel,
  type Settlement
} from "@refold/core"
import { EventProcessor, TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Array, Duration, Effect, Layer, Redacted, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { type At, commitOf, snapshotOf } from "./commits.ts"
import { Explaining, type Hint, faultsOf, withoutHint } from "./plans.ts"

/** One connection, which keeps its plans. */
const client = Layer.unwrap(
  Effect.map(Explaining, ({ url }) => PostgresStore.layerClient({ url: Redacted.make(url), maxConnections: 1 }))
).pipe(Layer.provideMerge(Explaining.layer))

const services = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layerWith({ policy: { _tag: "Never" } })),
  Layer.provideMerge(Workflows.layerOpen()),
  Layer.provideMerge(PostgresStore.layerMigrated()),
  Layer.provideMerge(MemoryWakeUpChannel.layer),
  Layer.provideMerge(client)
)

const table = (sql: SqlClient.SqlClient, name: string) => sql`${sql(`refold.${name}`)}`
const growing = ["events", "executions", "snapshots", "queue", "queue_lengths"]

const rejected: Settlement = { _tag: "Rejected", error: "No", reason: "no", currentState: "open" }
const [settledCount, pendingCount] = [10, 4]

interface Rows {
  /** Each execution has four events and three snapshots. The first one is longer, and so is its queue. */
  readonly executions: ReadonlyArray<At>
  /** How many executions have a queue. */
  readonly queueCount: number
  readonly longest: number
  /** Half of the executions are in one state, if there are several. */
  readonly stateCount: number
}

/** Writes the rows with SQL, as the store would. The queue of one execution in fifty is unclaimed; one in fifty begins with a dead event. */
const fill = Effect.fnUntraced(function* ({ executions, longest, queueCount, stateCount }: Rows) {
  const sql = yield* SqlClient.SqlClient
  const named = (name: string) => table(sql, name)
  const rows = executions.map((at, place) => ({
    tenant: at.tenant,
    id: at.executionId,
    place,
    partition: Partition.of(at.tenant, at.executionId, Partition.defaultCount)
  }))
  yield* sql`create temporary table filled (tenant text, id text, place int, partition int, length int, next_offset bigint)`
  yield* sql`insert into filled
    select r.tenant, r.id, r.place, r.partition, r.length,
           p.last_offset + sum(r.length) over (partition by r.partition order by r.place) - r.length
      from (
        select *, case when place = 0 then ${longest}::int else 4 end as length
          from json_to_recordset(${JSON.stringify(rows)}::json) as r (tenant text, id text, place int, partition int)
      ) r join ${named("partitions")} p using (partition)`
  yield* sql`insert into ${named("executions")}
    select tenant, id, partition, 'sample', 0,
           case when ${stateCount}::int = 1 or place % 4 < 2 then 'open' else 'state ' || place % ${stateCount}::int end,
           length, false, '2020-01-01', '2020-01-01',
           case when place < ${queueCount} then ${settledCount}::int else 0 end from filled`
  yield* sql`insert into ${named("events")}
    select tenant, id, n, id || '#' || n, 'moved', 'workflow', 'open', 'open', 'somebody', '{"a": 1}', 1,
           '2020-01-01', '2020-01-01', '{}', 'key ' || n, partition, next_offset + n
      from filled cross join lateral generate_series(1, length) as n`
  yield* sql`insert into ${named("snapshots")}
    select tenant, id, n, 'open', '{"a": 1}', 'another', 'hash', '2020-01-01', '2020-01-01', '2020-01-01'
      from filled cross join generate_series(2, 4) as n`
  yield* sql`update ${named("partitions")} p set last_offset = p.last_offset + f.length
      from (select partition, sum(length) as length from filled group by partition) f where f.partition = p.partition`
  yield* sql`delete from filled where place >= ${queueCount}`
  yield* sql`update filled
    set length = ${settledCount}::int + case when place = 0 then ${longest}::int else ${pendingCount}::int end`
  yield* sql`insert into ${named("queue_lengths")}
    select tenant, id, length from filled`
  yield* sql`insert into ${named("queue")} (tenant, execution_id, queue_position, partition, processing_id, event_id,
      submission, idempotency_key, request_hash, queued_at, is_unclaimed, status, outcome, settled_at)
    select tenant, id, n, partition, id || ' processing ' || n, id || ' event ' || n, '{"event_name": "moved"}',
           'queue key ' || n, 'hash', '2020-01-01', n = ${settledCount + 1} and place % 50 = 48,
           case when n <= ${settledCount} then 'Rejected'
                when n = ${settledCount + 1} and place % 50 = 49 then 'Dead' else 'Pending' end,
           case when n <= ${settledCount} then ${JSON.stringify(rejected)}::json
                when n = ${settledCount + 1} and place % 50 = 49 then '{"cause": "x"}' end,
           case when n <= ${settledCount} then '2020-01-01'::timestamptz end
      from filled cross join lateral generate_series(1, length) as n`
  yield* sql`drop table filled`
})

/** Half of the executions belong to one tenant, the rest to many. */
const executionsOf = (label: string, count: number, tenantCount: number): ReadonlyArray<At> =>
  Array.makeBy(count, (n) => ({
    tenant: n % 2 === 0 ? "large" : `tenant ${n % tenantCount}`,
    executionId: `${label} ${String(n).padStart(6, "0")}`
  }))

type Ports =
  | TypeScriptWorkflowRuntime
  | WorkflowEventSourcing
  | EventProcessor
  | WorkflowEventModel
  | WorkflowEventProcessingModel
  | WorkflowExecutionModel
  | WorkflowSnapshotModel
  | PartitionLeases

interface Operation {
  readonly name: string
  readonly work: Effect.Effect<unknown, unknown, Ports>
}

/** The executions for one operation. Each round uses new ones, because operations change them. */
interface Own {
  readonly name: string
  /** The longest execution. */
  readonly long: At
  /** {@link queuedPerRound} executions whose next event is pending. */
  readonly queued: ReadonlyArray<At>
  /** {@link freePerRound} executions without a queue. */
  readonly free: ReadonlyArray<At>
}

const [queuedPerRound, freePerRound] = [150, 120]
const submission = { event_name: "moved", to_state: "open", payload: { b: 2 } }

/** The operations of workers and callers, and those of an operator. */
const operationsOf = Effect.fnUntraced(function* ({ free, long, name: round, queued }: Own) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const sourcing = yield* WorkflowEventSourcing
  const processor = yield* EventProcessor
  const events = yield* WorkflowEventModel
  const queue = yield* WorkflowEventProcessingModel
  const executions = yield* WorkflowExecutionModel
  const snapshots = yield* WorkflowSnapshotModel
  const leases = yield* PartitionLeases
  // If there are fewer executions, some are used again.
  const some = (from: ReadonlyArray<At>, start: number, count: number) =>
    Array.makeBy(count, (place) => from[(start + place) % from.length] ?? assert.fail("no execution"))
  const one = (from: ReadonlyArray<At>, place: number) => Array.headNonEmpty(some(from, place, 1))
  const key = `round ${round}`
  const claimed = (at: At) =>
    Effect.map(queue.claim({ executions: [at], limit: 10 }), ([claim]) => claim?.events[0] ?? assert.fail("no work"))
  const failing = (at: At, next: "Retry" | "Block" | "Skip") =>
    Effect.gen(function* () {
      const event = yield* claimed(at)
      yield* queue.fail({
        event,
        cause: "x",
        next: next === "Retry" ? { _tag: next, after: Duration.zero } : { _tag: next }
      })
      return event
    })
  const settle = (ats: Array.NonEmptyReadonlyArray<At>, states: number) =>
    Effect.gen(function* () {
      const claims = yield* queue.claim({ executions: ats, limit: 10 })
      assert.lengthOf(claims, ats.length)
      const written = yield* events.commit(
        Array.map(ats, (at) => ({
          ...commitOf(at, 4, ["open"], `${round} settled`),
          ...(states === 0 ? { events: [] } : {}),
          settles: { after: settledCount, settlements: [rejected, rejected] as const }
        }))
      )
      assert.isTrue(written.every(Result.isSuccess))
    })
  const until = "2020-06-01T00:00:00.000Z"
  const operations: Record<string, Operation["work"]> = {
    start: runtime.startWorkflow({
      tenant: "large",
      executionId: `new ${round}`,
      workflow: { name: "sample" },
      idempotencyKey: key
    }),
    submit: runtime.submitEvent({ ...one(free, 0), submission }),
    "submit with a key": runtime.submitEvent({ ...one(free, 1), submission, idempotencyKey: key }),
    "submit with a key that is known": runtime.submitEvent({ ...one(free, 1), submission, idempotencyKey: key }),
    "submit to a long execution": runtime.submitEvent({ ...long, submission }),
    "submit in parallel": Effect.forEach(some(free, 2, 8), (at) => runtime.submitEvent({ ...at, submission }), {
      concurrency: "unbounded"
    }),
    "commit many": events.commit(Array.map(some(free, 10, 50), (at) => commitOf(at, 4, ["open", "open"], round))),
    "commit that conflicts": events.commit([commitOf(one(free, 60), 3, ["open"], round)]),
    "commit one that settles": settle(some(queued, 0, 1), 1),
    "commit many that settle": settle(some(queued, 1, 20), 1),
    "commit many that only settle": settle(some(queued, 21, 20), 0),
    enqueue: runtime.enqueueEvent({ ...one(free, 61), submission }),
    "enqueue with a key": runtime.enqueueEvent({ ...one(free, 62), submission, idempotencyKey: key }),
    "enqueue with a key that is known": runtime.enqueueEvent({ ...one(free, 62), submission, idempotencyKey: key }),
    "enqueue behind a long log": runtime.enqueueEvent({ ...long, submission, idempotencyKey: key }),
    "enqueue in parallel": Effect.forEach(some(free, 63, 8), (at) => runtime.enqueueEvent({ ...at, submission }), {
      concurrency: "unbounded"
    }),
    "enqueue many": runtime.enqueueEvents(
      Array.map(some(free, 71, 49), (at, place) => ({
        ...at,
        submission,
        ...(place % 2 === 0 ? { idempotencyKey: key } : {})
      }))
    ),
    "claim one": queue.claim({ executions: some(queued, 41, 1), limit: 10 }),
    "claim many": queue.claim({ executions: some(queued, 42, 20), limit: 10 }),
    "process one": Effect.gen(function* () {
      const at = one(queued, 62)
      const enqueued = yield* runtime.enqueueEvent({ ...at, submission })
      const { success } = yield* runtime.processQueuedEvent({ ...at, ...enqueued, workerId: "worker" })
      assert.isTrue(success)
    }),
    "process many": processor.process({ executions: some(queued, 63, 40), limit: 100 }),
    "process the first of a long queue": processor.process({ executions: [long], limit: 1 }),
    "find work": queue.findReady({ of: [0, 1, 2, 3], limitPerTenant: 10, except: [] }),
    "find unclaimed work": queue.findReady({ of: "unclaimed", limitPerTenant: 10, except: [] }),
    "fail, to be retried": failing(one(queued, 103), "Retry"),
    "fail, blocking": failing(one(queued, 104), "Block"),
    "fail, skipping": failing(one(queued, 105), "Skip"),
    "redrive a dead event": Effect.flatMap(failing(one(queued, 106), "Block"), queue.redrive),
    "redrive a skipped event": Effect.flatMap(failing(one(queued, 107), "Skip"), queue.redrive),
    discard: Effect.flatMap(failing(one(queued, 108), "Block"), queue.discard),
    "mark as unclaimed": Effect.flatMap(claimed(one(queued, 109)), queue.markUnclaimed),
    "claim from a long queue": queue.claim({ executions: [long], limit: 10 }),
    "find a queued event": Effect.gen(function* () {
      yield* queue.find({ ...long, processingId: `${long.executionId} processing 700` })
      yield* queue.find({ ...long, idempotencyKey: "queue key 700" })
    }),
    "list the queue of an execution": Stream.runCollect(
      queue.list({ ...one(queued, 111), statuses: ["Pending", "Dead", "Rejected"] })
    ),
    "list the dead": Stream.runCollect(queue.list({ statuses: ["Dead", "Skipped"] })),
    "renew, release leases": Effect.gen(function* () {
      yield* leases.renew({ workerId: "worker", duration: Duration.seconds(10) })
      yield* leases.renew({ workerId: "worker", duration: Duration.seconds(10) })
      yield* leases.release("worker")
    }),
    replay: sourcing.replayEvents(long.executionId, long.tenant, { useSnapshots: false }),
    "replay to a position": sourcing.replayEvents(long.executionId, long.tenant, { replayTo: 1000 }),
    "replay until an instant": sourcing.replayEvents(one(queued, 112).executionId, one(queued, 112).tenant, {
      replayUntil: until
    }),
    "read the feed": events.readFeed({ partition: 5, after: 900, limit: 1000 }),
    "find an event by its key": events.findByIdempotencyKey({ ...long, idempotencyKey: "key 700" }),
    "take a snapshot": sourcing.createSnapshot(one(queued, 113).executionId, one(queued, 113).tenant),
    "save, find, list snapshots": Effect.gen(function* () {
      const at = one(queued, 114)
      yield* snapshots.save({ snapshot: snapshotOf(at, 4), prune: [2] })
      yield* snapshots.find({ ...at, fingerprint: "fingerprint", to: 4 })
      yield* snapshots.positions(at)
    }),
    "find executions": Effect.gen(function* () {
      yield* executions.find(one(queued, 115))
      yield* executions.findMany({
        tenant: "large",
        executionIds: queued.flatMap((at) => (at.tenant === "large" ? at.executionId : []))
      })
    }),
    "list executions": Effect.gen(function* () {
      for (const options of [{}, { state: "open" }, { asOf: until }]) {
        yield* Stream.runDrain(Stream.take(executions.list({ tenant: "large", batchSize: 1000, ...options }), 10))
      }
    })
  }
  return Object.entries(operations).map(([name, work]): Operation => ({ name, work }))
})

/** A page of a thousand rows and a few more: more than any operation needs, less than any tenant, partition or state has. */
const bounds = { mostRows: 1100, mostRemoved: 20 }

/** A client with custom plans may read the whole longest execution for a page. */
const boundsOfOthers = { mostRows: 3000, mostRemoved: 20 }

const many = executionsOf("many", 50_000, 1000)
const queueCount = 5000
const own = (from: ReadonlyArray<At>, firstFree: number, round: number): Own => ({
  name: `${from.length} ${round}`,
  long: from[0] ?? assert.fail("no execution"),
  queued: from
    .slice(1)
    .filter((_, n) => n % 50 < 45)
    .slice(round * queuedPerRound, (round + 1) * queuedPerRound),
  free: from.slice(firstFree + round * freePerRound, firstFree + (round + 1) * freePerRound)
})
/** Runs every operation and explains it, with the statistics that the server had when it planned. */
const round = Effect.fnUntraced(function* (when: string, executions: Own) {
  const { explain } = yield* Explaining
  for (const { name, work } of yield* operationsOf(executions)) yield* explain(`${name}, ${when}`, work)
})

/** Hints of the adapter, each with an operation that reads too much without it. */
const hints: ReadonlyArray<{ readonly hint: Hint; readonly operation: string }> = [
  { hint: "isPending", operation: "fail, skipping" },
  { hint: "isEntry", operation: "find a queued event" },
  { hint: "isWithin", operation: "process the first of a long queue" },
  { hint: "nextPosition", operation: "claim from a long queue" },
  { hint: "isInState", operation: "list executions" }
]

const withoutIts = (hint: Hint, operation: string) => `${operation}, without the hint ${hint}`

/** Runs the operations of the hints without them, and explains them. */
const roundWithoutHints = Effect.fnUntraced(function* (from: typeof hints, executions: Own) {
  const { explain } = yield* Explaining
  const operations = yield* operationsOf(executions)
  for (const { hint, operation } of from) {
    const { work } = operations.find(({ name }) => name === operation) ?? assert.fail("no such operation")
    yield* explain(withoutIts(hint, operation), withoutHint(hint, work))
  }
})

/** Fails unless the operation reads too much without its hint. */
const readsTooMuch = Effect.fnUntraced(function* (hint: Hint, operation: string) {
  const { explained } = yield* Explaining
  const found = (yield* explained).flatMap((each) => faultsOf(each, bounds))
  assert.isTrue(found.some((fault) => fault.startsWith(`${withoutIts(hint, operation)}: `)))
})

layer(services, { excludeTestServices: true })("on a store with much in it", (it) => {
  const small = executionsOf("small", 400, 10)
  it.effect(
    "no operation reads more of it than it needs, with the plans of a small table, without statistics, with them, or planned anew",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        yield* fill({ executions: small, queueCount: 200, longest: 1200, stateCount: 1 })
        yield* round("when there is little", own(small, 200, 0))
        yield* roundWithoutHints(hints, own(small, 200, 1))
        yield* fill({ executions: many, queueCount, longest: 2500, stateCount: 5000 })
        yield* round("with the plans of a small table", own(many, queueCount, 0))
        yield* roundWithoutHints(hints, own(many, queueCount, 5))
        yield* sql`discard plans`
        yield* round("without statistics", own(many, queueCount, 1))
        for (const name of growing) yield* sql`analyze ${table(sql, name)}`
        yield* round("with statistics", own(many, queueCount, 2))
        // As clients without the store's session parameters do.
        yield* sql`set plan_cache_mode = auto`
        yield* round("planned anew", own(many, queueCount, 3))
        const { explained } = yield* Explaining
        yield* sql`set plan_cache_mode = force_generic_plan`
        const found = (yield* explained)
          .filter(({ operation }) => !/when there is little$|without the hint/.test(operation))
          .flatMap((each) => faultsOf(each, each.operation.endsWith("planned anew") ? boundsOfOthers : bounds))
        assert.deepStrictEqual(found, [])
      })
  )

  for (const { hint, operation } of hints) {
    it.effect(`without the hint ${hint} an operation reads too much: ${operation}`, () => readsTooMuch(hint, operation))
  }

  for (const { index, operation } of [
    { index: "events_by_offset", operation: "read the feed" },
    { index: "events_by_idempotency_key", operation: "find an event by its key" },
    { index: "queue_pending", operation: "find work" },
    { index: "queue_unclaimed", operation: "find unclaimed work" },
    { index: "queue_by_processing_id", operation: "find a queued event" }
  ]) {
    it.effect(`without ${index} it names the operation and the statement: ${operation}`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { explain, explained } = yield* Explaining
        const operations = yield* operationsOf(own(many, queueCount, 4))
        const { work } = operations.find(({ name }) => name === operation) ?? assert.fail("no such operation")
        yield* sql`drop index ${table(sql, index)}`.pipe(
          Effect.andThen(explain(`${operation}, without ${index}`, work)),
          Effect.andThen(Effect.fail("rolled back")),
          sql.withTransaction,
          Effect.flip
        )
        const found = (yield* explained).flatMap((each) => faultsOf(each, bounds))
        assert.isTrue(found.some((fault) => fault.startsWith(`${operation}, without ${index}: `)))
      })
    )
  }
})

const hintsOfYoung: typeof hints = [{ hint: "expectFewRows", operation: "save, find, list snapshots" }]

for (const count of [2, 16]) {
  layer(services, { excludeTestServices: true })(`on a store that held ${count} when its plans were made`, (it) => {
    it.effect("no operation reads all of it for having been told of the few rows there were", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const young = Array.makeBy(count, (n): At => ({ tenant: "large", executionId: `young ${n}` }))
        const first = young[0] ?? assert.fail("no execution")
        yield* fill({ executions: young, queueCount: count, longest: 4, stateCount: 1 })
        for (const name of growing) yield* sql`analyze ${table(sql, name)}`
        // These operations have no rows to work on and fail, but the server plans their statements.
        const early = yield* operationsOf({ name: "young", long: first, queued: [first], free: young })
        for (const { work } of early) yield* Effect.exit(work)
        yield* roundWithoutHints(hintsOfYoung, { name: "young", long: first, queued: [first], free: young })
        const later = executionsOf("later", 1000, 100)
        yield* fill({ executions: later, queueCount: 500, longest: 2500, stateCount: 500 })
        yield* round("with the plans of a handful", own(later, 500, 0))
        yield* roundWithoutHints(hintsOfYoung, own(later, 500, 1))
        const { explained } = yield* Explaining
        const found = (yield* explained)
          .filter(({ operation }) => !operation.includes("without the hint"))
          .flatMap((each) => faultsOf(each, bounds))
        assert.deepStrictEqual(found, [])
      })
    )

    for (const { hint, operation } of hintsOfYoung) {
      it.effect(`without the hint ${hint} an operation reads too much: ${operation}`, () =>
        readsTooMuch(hint, operation)
      )
    }
  })
}
