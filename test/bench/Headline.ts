/**
 * From `enqueueEvent` to the event in the log, over Redis, against the same hand-written path: insert, XADD, XREADGROUP,
 * one statement, XACK. It is as durable, over the same clients and settings, with producer and worker in one process.
 */
import { TypeScriptWorkflowRuntime, Worker } from "@refold/runtime"
import { Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { nextTransaction } from "./nextTransaction.ts"
import { Applied, telling } from "./Applied.ts"
import * as ByHand from "./ByHand.ts"
import { onServers, startLedgers, tenant } from "./Database.ts"
import { booking } from "./Ledger.ts"
import {
  type Figure,
  type Turn,
  alternate,
  boundedBy,
  closedLoop,
  figureOf,
  percentile,
  shortTurnCount,
  warmUp,
  warmUpFiberCount
} from "./Measure.ts"
import type { Run } from "./Run.ts"
import { Servers } from "./Servers.ts"

const schema = "refold_bench_headline"

/** Sends one event of the execution with this number through the path; returns when it is in the log. */
type Path = (execution: number) => Effect.Effect<void>

const submission = { event_name: "Booked", payload: booking }

const oursPath = Effect.fnUntraced(function* (applied: Applied, executionCount: number) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const executionIds = yield* startLedgers("ours", executionCount)
  const path: Path = (execution) =>
    runtime.enqueueEvent({ tenant, executionId: executionIds[execution] ?? "", submission }).pipe(
      Effect.flatMap(({ eventId }) => applied.wait(eventId)),
      Effect.orDie
    )
  return path
})

const pathByHand = Effect.fnUntraced(function* (
  executionCount: number,
  apply: "applyByStatement" | "applyByTransaction"
) {
  const redisUrl = yield* (yield* Servers).redisUrl
  const byHand = yield* ByHand.make(schema)
  const applied = new Applied()
  const stream = `${schema} ${crypto.randomUUID()}`
  yield* byHand.createTables
  const executionIds = yield* byHand.start("by hand", executionCount)
  const redis = yield* ByHand.connect(redisUrl)
  yield* ByHand.createGroup(redis, stream)
  yield* Effect.forkScoped(ByHand.work(byHand, { redisUrl, stream, apply, onApplied: (id) => applied.tell(id) }))
  const path: Path = (execution) =>
    Effect.gen(function* () {
      const id = crypto.randomUUID()
      const executionId = executionIds[execution] ?? ""
      yield* byHand.enqueue(id, executionId)
      yield* ByHand.publish(redis, stream, id, executionId)
      yield* applied.wait(id)
    }).pipe(Effect.orDie)
  return path
})

interface Paths {
  readonly ours: Path
  readonly reference: Path
}

/** Both paths over one database and one Redis. */
const withPaths = <A, E>(
  executionCount: number,
  apply: "applyByStatement" | "applyByTransaction",
  use: (paths: Paths) => Effect.Effect<A, E, SqlClient.SqlClient>
) =>
  Effect.suspend(() => {
    const applied = new Applied()
    return Effect.gen(function* () {
      return yield* use({
        ours: yield* oursPath(applied, executionCount),
        reference: yield* pathByHand(executionCount, apply)
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Worker.layer().pipe(
          Layer.provideMerge(TypeScriptWorkflowRuntime.layer),
          Layer.provideMerge(telling(applied)),
          Layer.provideMerge(onServers(schema))
        )
      )
    )
  })

const warmUpPaths = ({ ours, reference }: Paths) => Effect.andThen(warmUp(ours), warmUp(reference))

const throughput = (fiberCount: number, path: Path) =>
  Effect.map(closedLoop(fiberCount, path), ({ perSecond }) => perSecond)

const compareThroughput = Effect.fnUntraced(function* (name: string, target: number, fiberCount: number, paths: Paths) {
  const [ours, reference] = [throughput(fiberCount, paths.ours), throughput(fiberCount, paths.reference)]
  yield* warmUpPaths(paths)
  return figureOf(name, "events/s", target, yield* alternate(ours, reference, shortTurnCount), "more")
})

/** Processor time of this process per event, and the number of writing transactions. */
const costs = Effect.fnUntraced(function* (fiberCount: number, path: Path) {
  const taken: Array<{ readonly micros: number; readonly commits: number }> = []
  for (let turn = 0; turn < 5; turn++) {
    const transaction = yield* nextTransaction
    const before = process.cpuUsage()
    const { stepCount } = yield* closedLoop(fiberCount, path)
    const { system, user } = process.cpuUsage(before)
    taken.push({
      micros: (user + system) / stepCount,
      commits: ((yield* nextTransaction) - transaction) / stepCount
    })
  }
  return taken
})

const headline = (fiberCount: number, target: number): Run => ({
  names: [`headline/${fiberCount}`],
  diskGiB: 1,
  figures: withPaths(Math.max(fiberCount, warmUpFiberCount), "applyByStatement", (paths) =>
    Effect.map(compareThroughput(`headline/${fiberCount}`, target, fiberCount, paths), (figure) => [figure])
  )
})

/** The cost of an event, against a bound: there is no hand-written worker whose cost would be a useful reference. */
const cost: Run = {
  names: ["headline/64/cpu", "headline/64/commits"],
  diskGiB: 1,
  figures: withPaths(64, "applyByStatement", ({ ours }) =>
    Effect.gen(function* () {
      yield* warmUp(ours)
      const taken = yield* costs(64, ours)
      return [
        boundedBy(
          "headline/64/cpu",
          "µs/event",
          150,
          taken.map(({ micros }) => micros)
        ),
        boundedBy(
          "headline/64/commits",
          "per event",
          0.2,
          taken.map(({ commits }) => commits)
        )
      ]
    })
  )
}

/** Executions in rotation, so that no cache has an execution only because it is the only one. */
const idleExecutionCount = warmUpFiberCount

/** Turns of single events through an idle system; percentiles in milliseconds. */
export const idleTurns = Effect.suspend(() =>
  withPaths(idleExecutionCount, "applyByStatement", (paths) => compareLatencies(paths, latencyCount))
)

/** Events per turn: enough for a 99th percentile. */
const latencyCount = 500

/** Milliseconds of events sent one after another. */
const latencies = (path: Path, eventCount: number) =>
  Effect.gen(function* () {
    const millis: Array<number> = []
    for (let event = 0; event < eventCount; event++) {
      const startedAt = performance.now()
      yield* path(event % idleExecutionCount)
      millis.push(performance.now() - startedAt)
    }
    return millis
  })

const compareLatencies = Effect.fnUntraced(function* (paths: Paths, eventCount: number) {
  const [ours, reference] = [latencies(paths.ours, eventCount), latencies(paths.reference, eventCount)]
  yield* warmUpPaths(paths)
  const turns = yield* alternate(ours, reference)
  return (percent: number): ReadonlyArray<Turn> =>
    turns.map((turn) => ({ ours: percentile(turn.ours, percent), reference: percentile(turn.reference, percent) }))
})

const latency: Run = {
  names: ["headline/latency/p50", "headline/latency/p99"],
  diskGiB: 1,
  figures: Effect.map(idleTurns, (turnsAt): ReadonlyArray<Figure> => [
    figureOf("headline/latency/p50", "ms", 0.8, turnsAt(50), "less"),
    figureOf("headline/latency/p99", "ms", 0.8, turnsAt(99), "less")
  ])
}

/** Against a transaction of several statements, as it is commonly written. */
const processLatency: Run = {
  names: ["process/latency"],
  diskGiB: 1,
  figures: withPaths(idleExecutionCount, "applyByTransaction", (paths) =>
    Effect.map(compareLatencies(paths, 100), (turnsAt) => [
      figureOf("process/latency", "ms p50", 1 / 1.5, turnsAt(50), "less")
    ])
  )
}

const processThroughput: Run = {
  names: ["process/throughput"],
  diskGiB: 1,
  figures: withPaths(64, "applyByTransaction", (paths) =>
    Effect.map(compareThroughput("process/throughput", 3, 64, paths), (figure) => [figure])
  )
}

export const headlines: ReadonlyArray<Run> = [
  headline(1, 0.8),
  headline(16, 1.2),
  headline(64, 2),
  headline(256, 3),
  cost,
  latency,
  processLatency,
  processThroughput
]
