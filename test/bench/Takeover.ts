/** How soon a worker process takes over from a killed one. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { PostgresStore } from "@refold/adapters/postgres"
import { Partition, type WorkflowEventProcessingModel } from "@refold/core"
import { type SubmitOptions, TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Array, Duration, Effect, Layer, Redacted, Schedule } from "effect"
import type { SqlClient } from "effect/sql"
import { Counting } from "../chaos/Counting.ts"
import { leaseDuration } from "../chaos/leaseDuration.ts"
import { leaseRows } from "../integration/leaseRows.ts"
import { startPostgres } from "../servers/Postgres.ts"
import { startRedis } from "../servers/Redis.ts"
import { boundedBy } from "./Measure.ts"
import type { Run } from "./Run.ts"

const file = fileURLToPath(new URL("../chaos/workerProcess.ts", import.meta.url))

/** Private servers, because worker processes use the default names. */
const withServers = <A, E>(
  use: (
    startWorker: () => Promise<ChildProcess>
  ) => Effect.Effect<A, E, TypeScriptWorkflowRuntime | WorkflowEventProcessingModel | SqlClient.SqlClient>
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
          Layer.provideMerge(RedisWakeUpChannel.layer({ url: Redacted.make(redis.url) }))
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
  Effect.map(
    held,
    (leases) => leases.length === Partition.defaultCount && new Set(leases.map(({ owner }) => owner)).size === count
  )

const held = leaseRows("refold")

const turnCount = 5

/** From the kill of an owner to the event of one of its executions; the reference is its lease and two seconds. */
const takeover = withServers((startWorker) =>
  Effect.gen(function* () {
    const runtime = yield* TypeScriptWorkflowRuntime
    yield* Effect.promise(startWorker)
    yield* until(ownersAre(1))
    const survivors = new Set((yield* held).map(({ owner }) => owner))
    const millis: Array<number> = []
    for (let turn = 0; turn < turnCount; turn++) {
      const victim = yield* Effect.promise(startWorker)
      yield* until(ownersAre(2))
      // The survivor's read in progress, of at most a second, still names the partitions that the victim owns now.
      yield* Effect.sleep("1100 millis")
      const owned = (yield* held).filter(({ owner }) => !survivors.has(owner)).map(({ partition }) => partition)
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
      // Otherwise the next turn would count the rest of this victim's events as its own.
      yield* until(ownersAre(1))
    }
    const bound = Duration.toMillis(Duration.sum(leaseDuration, Duration.seconds(2)))
    return [boundedBy("process/takeover", "ms", bound, millis)]
  })
)

export const takeovers: ReadonlyArray<Run> = [{ names: ["process/takeover"], diskGiB: 1, figures: takeover }]
