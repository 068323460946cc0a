/** What worker processes do together: two against one, and how soon one takes over from another that was killed. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { RedisEventStream } from "@refold/adapters/redis"
import { PostgresStore } from "@refold/adapters/postgres"
import { Partition, PartitionLeases, WorkflowEventProcessingModel } from "@refold/core"
import { type SubmitOptions, TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Array, Duration, Effect, Layer, Redacted, Schedule } from "effect"
import { Counting } from "../chaos/Counting.ts"
import { leaseDuration } from "../chaos/leaseDuration.ts"
import { startPostgres } from "../servers/Postgres.ts"
import { startRedis } from "../servers/Redis.ts"
import { type Figure, median, ratioOf } from "./Measure.ts"

const file = fileURLToPath(new URL("../chaos/workerProcess.ts", import.meta.url))

const executionCount = 640
const eventCount = 20

/** Servers of their own, since worker processes use the default names. */
const withServers = <A, E>(
  use: (
    startWorker: () => Promise<ChildProcess>
  ) => Effect.Effect<A, E, TypeScriptWorkflowRuntime | WorkflowEventProcessingModel | PartitionLeases>
) =>
  Effect.gen(function* () {
    const acquire = <S extends { readonly url: string; readonly stop: () => Promise<unknown> }>(
      start: () => Promise<S>
    ) => Effect.acquireRelease(Effect.promise(start), (server) => Effect.promise(() => server.stop()))
    const postgres = yield* acquire(() => startPostgres())
    const redis = yield* acquire(() => startRedis())
    const started = new Set<ChildProcess>()
    yield* Effect.addFinalizer(() => Effect.sync(() => started.forEach((child) => child.kill("SIGKILL"))))
    const startWorker = async () => {
      const child = spawn(process.execPath, ["--conditions=@refold/source", file], {
        env: { ...process.env, DATABASE_URL: postgres.url, REDIS_URL: redis.url },
        stdio: ["ignore", "ignore", "ignore", "ipc"]
      })
      started.add(child)
      await once(child, "message")
      return child
    }
    return yield* use(startWorker).pipe(
      Effect.provide(
        TypeScriptWorkflowRuntime.layer.pipe(
          Layer.provideMerge(WorkflowEventSourcing.layer),
          Layer.provideMerge(Workflows.layer(Counting)),
          Layer.provideMerge(PostgresStore.layerMigrated()),
          Layer.provideMerge(PostgresStore.layerClient({ url: Redacted.make(postgres.url) })),
          Layer.provideMerge(RedisEventStream.layer({ url: Redacted.make(redis.url) }))
        )
      )
    )
  }).pipe(Effect.scoped)

const startExecutions = Effect.fnUntraced(function* (prefix: string, count: number) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const places = Array.makeBy(count, (place) => ({ tenant: `tenant-${place % 8}`, executionId: `${prefix}-${place}` }))
  yield* Effect.forEach(places, (place) => runtime.startWorkflow({ ...place, workflow: Counting }), { concurrency: 16 })
  return places
})

const counted = (place: { readonly tenant: string; readonly executionId: string }, n: number): SubmitOptions => ({
  ...place,
  submission: { event_name: "Counted", payload: { n } }
})

const until = <E, R>(isDone: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(isDone, { until: (done) => done, schedule: Schedule.spaced("20 millis") })

const ownersAre = (count: number) =>
  Effect.flatMap(PartitionLeases, (leases) =>
    Effect.map(
      leases.list,
      (held) => held.length === Partition.defaultCount && new Set(held.map(({ owner }) => owner)).size === count
    )
  )

/** Events a second, from the first enqueued to the last settled. */
const drain = Effect.fnUntraced(function* (prefix: string) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const queue = yield* WorkflowEventProcessingModel
  const places = yield* startExecutions(prefix, executionCount)
  const startedAt = performance.now()
  for (let n = 1; n <= eventCount; n++) {
    const batch = places.map((place) => counted(place, n))
    if (Array.isReadonlyArrayNonEmpty(batch)) yield* runtime.enqueueEvents(batch)
  }
  yield* until(Effect.map(queue.lag, (lag) => lag.every(({ waitingCount }) => waitingCount === 0)))
  return (executionCount * eventCount * 1000) / (performance.now() - startedAt)
})

const turnCount = 3

/** Two worker processes against one, on the same queue. */
const two = withServers((startWorker) =>
  Effect.gen(function* () {
    yield* Effect.promise(startWorker)
    yield* until(ownersAre(1))
    yield* drain("warm")
    const turns: Array<{ readonly ours: number; readonly reference: number }> = []
    for (let turn = 0; turn < turnCount; turn++) {
      const reference = yield* drain(`one-${turn}`)
      const second = yield* Effect.promise(startWorker)
      yield* until(ownersAre(2))
      turns.push({ ours: yield* drain(`two-${turn}`), reference })
      yield* Effect.promise(async () => {
        const exited = once(second, "exit")
        second.kill("SIGTERM")
        await exited
      })
      yield* until(ownersAre(1))
    }
    const figure: Figure = {
      name: "process/two",
      unit: "events/s",
      ours: median(turns.map(({ ours }) => ours)),
      reference: median(turns.map(({ reference }) => reference)),
      ...ratioOf(turns.map(({ ours, reference }) => ours / reference)),
      target: 1
    }
    return figure
  })
)

/** From the kill of an owner to the event of one of its executions; the reference is its lease and two seconds. */
const takeover = withServers((startWorker) =>
  Effect.gen(function* () {
    const runtime = yield* TypeScriptWorkflowRuntime
    const leases = yield* PartitionLeases
    yield* Effect.promise(startWorker)
    yield* until(ownersAre(1))
    const survivors = new Set((yield* leases.list).map(({ owner }) => owner))
    const millis: Array<number> = []
    for (let turn = 0; turn < turnCount; turn++) {
      const victim = yield* Effect.promise(startWorker)
      yield* until(ownersAre(2))
      const owned = (yield* leases.list).filter(({ owner }) => !survivors.has(owner)).map(({ partition }) => partition)
      const places = yield* startExecutions(`turn-${turn}`, 64)
      const place = places.find(({ executionId, tenant }) =>
        owned.includes(Partition.of(tenant, executionId, Partition.defaultCount))
      )
      if (place === undefined) return yield* Effect.die(new Error("No execution is the victim's"))
      const startedAt = performance.now()
      victim.kill("SIGKILL")
      yield* runtime.enqueueEvent(counted(place, 1))
      yield* until(Effect.map(runtime.getExecutionState(place), ({ position }) => position === 2))
      millis.push(performance.now() - startedAt)
    }
    const reference = Duration.toMillis(Duration.sum(leaseDuration, Duration.seconds(2)))
    const figure: Figure = {
      name: "process/takeover",
      unit: "ms",
      ours: median(millis),
      reference,
      ...ratioOf(millis.map((each) => reference / each)),
      target: 1
    }
    return figure
  })
)

export const workers = { "process/two": two, "process/takeover": takeover }
