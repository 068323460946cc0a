/** A worker and a producer at a steady rate, and the effect of autovacuum on their tables. */
import { type SubmitOptions, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Array, Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { runtimeOnServers, startLedgers, tenant } from "./Database.ts"
import { type Point, draw } from "./Draw.ts"
import { booking } from "./Ledger.ts"
import { go, startProcess } from "./WorkerProcesses.ts"

export const diskGiB = 4

const schema = "refold_bench_soak"

const executionCount = 10_000
const eventsPerSecond = 500
const enqueuesPerSecond = 10
const sampleInterval = "5 seconds"

const tables = ["queue", "queue_lengths", "executions"]

interface Sample {
  readonly table: string
  readonly minute: number
  readonly deadCount: number
  readonly liveCount: number
  readonly mebibytes: number
  readonly vacuumCount: number
}

const take = (startedAt: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<Omit<Sample, "minute">>`
      select relname as table, n_dead_tup::int as "deadCount", n_live_tup::int as "liveCount",
        (pg_total_relation_size(relid) / 1048576.0)::float8 as mebibytes, autovacuum_count::int as "vacuumCount"
        from pg_stat_user_tables where schemaname = ${schema} and relname in ${sql.in(tables)}`
    const minute = (performance.now() - startedAt) / 60_000
    return rows.map((row): Sample => ({ ...row, minute }))
  })

/** Enqueues a fixed number of events every tenth of a second, execution by execution. After a slow call the next one starts at once. */
const produce = Effect.fnUntraced(function* (executionIds: ReadonlyArray<string>) {
  const runtime = yield* TypeScriptWorkflowRuntime
  let next = 0
  const batch = Effect.suspend(() => {
    const events: ReadonlyArray<SubmitOptions> = Array.makeBy(eventsPerSecond / enqueuesPerSecond, () => ({
      tenant,
      executionId: executionIds[next++ % executionIds.length] ?? "",
      submission: { event_name: "Booked", payload: booking }
    }))
    return Array.isReadonlyArrayNonEmpty(events) ? runtime.enqueueEvents(events) : Effect.void
  })
  return yield* Effect.repeat(batch, Schedule.fixed(1000 / enqueuesPerSecond))
})

/**
 * The most dead rows of the queue: those that autovacuum allows before it starts, and those that die until it is done.
 *
 * **Details**
 *
 * Autovacuum checks a table once a minute, and starts when 50 rows plus a fifth of the live rows are dead (its defaults).
 * An event leaves two dead rows: one from its enqueue and one from its claim. So the bound is the fifth plus two minutes
 * of such rows: one minute until autovacuum checks, and one that it may take.
 */
const boundOf = (liveCount: number) => 50 + liveCount / 5 + 2 * eventsPerSecond * 120

const write = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n`))

/** Prints the result and draws `docs/performance/soak.svg`. Exit code 1 if the dead rows exceeded their bound. */
export const run = (minutes: number) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const executionIds = yield* startLedgers("soak", executionCount)
    const worker = yield* startProcess(schema, "ours")
    yield* go([worker])
    const startedAt = performance.now()
    yield* Effect.forkScoped(produce(executionIds))
    const samples: Array<Sample> = []
    yield* Effect.repeat(
      Effect.map(take(startedAt), (taken) => samples.push(...taken)),
      { while: () => performance.now() - startedAt < minutes * 60_000, schedule: Schedule.spaced(sampleInterval) }
    )
    const [waiting] = yield* sql<{ count: number }>`
      select count(*)::int as count from ${sql(`${schema}.queue`)} where status = 'Pending'`

    const ofQueue = samples.filter(({ table }) => table === "queue")
    const isBounded = ofQueue.every(({ deadCount, liveCount }) => deadCount <= boundOf(liveCount))
    const last = ofQueue.at(-1)
    const most = Math.max(...ofQueue.map(({ deadCount }) => deadCount))
    const summary = [
      `${minutes} minutes, ${eventsPerSecond} events/s: ${last?.liveCount.toLocaleString("en")} rows in the queue`,
      `${most.toLocaleString("en")} of them dead at most, ${last?.deadCount.toLocaleString("en")} at the end`,
      `autovacuum came ${last?.vacuumCount} times, and ${waiting?.count} events wait`,
      isBounded
        ? "the dead stayed within a fifth of the living and what dies in two minutes"
        : "the dead passed a fifth of the living and what dies in two minutes"
    ]
    yield* write(summary.join("; "))
    if (!isBounded) process.exitCode = 1

    const pointsOf = (value: (sample: Sample) => number) =>
      samples.map((sample): Point => ({ series: sample.table, x: sample.minute, y: value(sample) }))
    const bound = ofQueue.map(({ liveCount, minute }): Point => ({
      series: "bound of the queue",
      x: minute,
      y: boundOf(liveCount)
    }))
    const x = { title: "minutes" }
    yield* draw("soak", [
      { title: "Dead rows", x, y: { title: "rows" }, points: [...pointsOf(({ deadCount }) => deadCount), ...bound] },
      { title: "Size with indexes", x, y: { title: "MiB" }, points: pointsOf(({ mebibytes }) => mebibytes) }
    ])
  }).pipe(Effect.provide(runtimeOnServers(schema)))
