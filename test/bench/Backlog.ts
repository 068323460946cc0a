/**
 * Worker processes on a backlog of queued events: against a hand-written worker, and two of Refold's against one.
 *
 * **Details**
 *
 * Each turn has a new backlog and new processes. So each starts cold, as a worker does that is started because of a
 * backlog. The time starts with the go signal, which processes get when their modules are loaded and their connections
 * are open.
 */
import { WakeUpChannel, Partition, WorkflowEventModel } from "@refold/core"
import { type SubmitOptions, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Array, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { leaseRows } from "../integration/leaseRows.ts"
import * as ByHand from "./ByHand.ts"
import { runtimeOnServers, startLedgers, tenant } from "./Database.ts"
import { booking } from "./Ledger.ts"
import { alternate, figureOf, median } from "./Measure.ts"
import type { Run } from "./Run.ts"
import { Servers } from "./Servers.ts"
import { go, startProcess, until } from "./WorkerProcesses.ts"

const schema = "refold_bench_backlog"

const eventsPerExecution = 50
const executionCount = 2000

/** Executions of the reference, which takes many times as long per event: a 20th of the backlog, with the same depth. */
const executionCountByHand = 100

/** The number of events in all feeds: one query of 64 rows, which does not disturb the workers. */
const countEvents = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ count: number }>`
    select sum(last_offset)::int as count from ${sql(`${schema}.partitions`)}`
  return row?.count ?? 0
})

/** Queues the backlog of new executions: the first event of each through the runtime, the others as copies of it. */
const queueBacklog = Effect.fnUntraced(function* (prefix: string) {
  const sql = yield* SqlClient.SqlClient
  const runtime = yield* TypeScriptWorkflowRuntime
  const executionIds = yield* startLedgers(prefix, executionCount)
  const firsts: ReadonlyArray<SubmitOptions> = executionIds.map((executionId) => ({
    tenant,
    executionId,
    submission: { event_name: "Booked", payload: booking }
  }))
  if (Array.isReadonlyArrayNonEmpty(firsts)) yield* runtime.enqueueEvents(firsts)
  const [queue, queueLengths] = [sql(`${schema}.queue`), sql(`${schema}.queue_lengths`)]
  const isOfBacklog = sql`tenant = ${tenant} and execution_id >= ${`${prefix} `} and execution_id < ${`${prefix}!`}`
  yield* sql`
    insert into ${queue} (tenant, execution_id, queue_position, partition, processing_id, event_id, submission, queued_at)
    select tenant, execution_id, n, partition, gen_random_uuid()::text, gen_random_uuid()::text, submission, queued_at
      from ${queue}, generate_series(2, ${eventsPerExecution}::int) n
     where ${isOfBacklog}
     order by n, execution_id`
  yield* sql`update ${queueLengths} set length = ${eventsPerExecution} where ${isOfBacklog}`
  yield* sql`analyze ${queue}`
  return executionIds
})

const millisSince = (startedAt: number) => performance.now() - startedAt

const prefixOf = (what: string) => `${what} ${crypto.randomUUID()}`

/** Events per second of one worker that starts after everything is queued. */
const drainOurs = Effect.gen(function* () {
  const eventCount = executionCount * eventsPerExecution
  yield* queueBacklog(prefixOf("ours"))
  const worker = yield* startProcess(schema, "ours")
  const before = yield* countEvents
  const startedAt = performance.now()
  yield* go([worker])
  yield* until(Effect.map(countEvents, (count) => count >= before + eventCount))
  return (eventCount * 1000) / millisSince(startedAt)
}).pipe(Effect.scoped)

const drainByHand = Effect.gen(function* () {
  const redisUrl = yield* (yield* Servers).redisUrl
  const byHand = yield* ByHand.make(schema)
  const redis = yield* ByHand.connect(redisUrl)
  const prefix = prefixOf("by hand")
  const key = `${schema} ${prefix}`
  const eventCount = executionCountByHand * eventsPerExecution
  yield* byHand.createTables
  yield* byHand.start(prefix, executionCountByHand)
  const entries = yield* byHand.enqueueMany(prefix, executionCountByHand, eventsPerExecution)
  yield* ByHand.createGroup(redis, key)
  yield* Effect.forEach(entries, ({ execution_id, id }) => ByHand.publish(redis, key, id, execution_id), {
    concurrency: 100
  })
  const worker = yield* startProcess(schema, "by hand", key)
  const startedAt = performance.now()
  yield* go([worker])
  yield* until(Effect.map(byHand.countApplied(prefix), (count) => count === eventCount))
  return (eventCount * 1000) / millisSince(startedAt)
}).pipe(Effect.scoped)

const backlog: Run = {
  names: ["backlog"],
  diskGiB: 2,
  figures: Effect.gen(function* () {
    return [figureOf("backlog", "events/s", 6, yield* alternate(drainOurs, drainByHand), "more")]
  }).pipe(Effect.provide(runtimeOnServers(schema)))
}

const areSettled = (ownerCount: number) =>
  Effect.gen(function* () {
    const held = yield* leaseRows(schema)
    const counts = Object.values(Array.groupBy(held, ({ owner }) => owner)).map((owned) => owned.length)
    return counts.length === ownerCount && counts.every((count) => count === Partition.defaultCount / ownerCount)
  })

/**
 * Events per second of this many workers after their leases are assigned. The backlog is queued in one transaction; until
 * it commits, the workers have nothing to do.
 */
const drainWith = (workerCount: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const stream = yield* WakeUpChannel
    const { partitionCount } = yield* WorkflowEventModel
    const eventCount = executionCount * eventsPerExecution
    const workers = yield* Effect.forEach(Array.range(1, workerCount), () => startProcess(schema, "ours"), {
      concurrency: workerCount
    })
    yield* go(workers)
    yield* until(areSettled(workerCount))
    const executionIds = yield* sql.withTransaction(queueBacklog(prefixOf("workers")))
    const before = yield* countEvents
    const wakeUps = executionIds.map((executionId) => ({
      tenant,
      executionId,
      partition: Partition.of(tenant, executionId, partitionCount)
    }))
    const startedAt = performance.now()
    if (Array.isReadonlyArrayNonEmpty(wakeUps)) yield* stream.publish(wakeUps)
    yield* until(Effect.map(countEvents, (count) => count >= before + eventCount))
    return (eventCount * 1000) / millisSince(startedAt)
  }).pipe(Effect.scoped)

/** Seconds that this many workers take for the backlog; medians of several turns. */
export const drainSeconds = Effect.fnUntraced(
  function* (workerCounts: ReadonlyArray<number>, turnCount: number) {
    const rates = new Map<number, Array<number>>()
    for (let turn = 0; turn < turnCount; turn++) {
      for (const count of workerCounts) rates.set(count, [...(rates.get(count) ?? []), yield* drainWith(count)])
    }
    return [...rates].map(([workerCount, perSecond]) => ({
      workerCount,
      seconds: (executionCount * eventsPerExecution) / median(perSecond)
    }))
  },
  Effect.provide(runtimeOnServers(schema))
)

const workers: Run = {
  names: ["workers"],
  diskGiB: 2,
  figures: Effect.gen(function* () {
    return [figureOf("workers", "events/s", 1.2, yield* alternate(drainWith(2), drainWith(1)), "more")]
  }).pipe(Effect.provide(runtimeOnServers(schema)))
}

export const backlogs: ReadonlyArray<Run> = [backlog, workers]
