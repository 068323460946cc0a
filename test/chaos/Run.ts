/** One run: events are enqueued and processed while a fault is injected every two seconds. */
import { PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { WorkflowEventProcessingModel } from "@refold/core"
import { type SubmitOptions, TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { PgClient } from "@effect/sql-pg"
import { Array, Deferred, Duration, Effect, Fiber, Layer, Random, Redacted, Schedule } from "effect"
import { Redis } from "ioredis"
import { fileURLToPath } from "node:url"
import { startPostgres } from "../servers/Postgres.ts"
import { startRedis } from "../servers/Redis.ts"
import { startTcpProxy } from "../servers/TcpProxy.ts"
import { Counting } from "./Counting.ts"
import { leaseDuration } from "./leaseDuration.ts"
import { supervise } from "./Supervisor.ts"
import { type Verdict, judge } from "./Verdict.ts"

export interface RunOptions {
  /** Events per execution. */
  readonly eventCount: number
  readonly executionCount: number
  readonly tenantCount: number
  readonly workerCount: number
  readonly faultInterval: Duration.Input
  readonly seed: string
}

export interface Outcome extends Verdict {
  readonly events: number
  readonly faults: Readonly<Record<string, number>>
  /** Time from the first enqueue to the last settlement. */
  readonly seconds: number
  /** Time from the last enqueue to the last settlement. */
  readonly drainSeconds: number
  /** Whether every worker drained and exited with 0 at the end. */
  readonly drained: boolean
  readonly seed: string
}

/** Batches enqueued at once, and the number of executions per batch. */
const producerCount = 8

export const run = Effect.fnUntraced(function* (options: RunOptions) {
  const { eventCount, executionCount, tenantCount, workerCount } = options
  const acquire = <A extends { readonly stop: () => Promise<unknown> }>(start: () => Promise<A>) =>
    Effect.acquireRelease(Effect.promise(start), (server) => Effect.promise(() => server.stop()))
  const postgres = yield* acquire(() => startPostgres())
  const redis = yield* acquire(() => startRedis())
  const databaseProxy = yield* acquire(() => startTcpProxy(postgres.url))
  const streamProxy = yield* acquire(() => startTcpProxy(redis.url))

  const client = PostgresStore.layerClient({ url: Redacted.make(postgres.url) })
  const services = TypeScriptWorkflowRuntime.layer.pipe(
    Layer.provideMerge(WorkflowEventSourcing.layer),
    Layer.provideMerge(Workflows.layer(Counting)),
    Layer.provideMerge(PostgresStore.layerMigrated()),
    Layer.provideMerge(client),
    Layer.provideMerge(RedisWakeUpChannel.layer({ url: Redacted.make(redis.url) }))
  )

  return yield* Effect.gen(function* () {
    const runtime = yield* TypeScriptWorkflowRuntime
    const queue = yield* WorkflowEventProcessingModel
    const places = Array.makeBy(executionCount, (place) => ({
      tenant: `tenant-${place % tenantCount}`,
      executionId: `execution-${place}`
    }))
    yield* Effect.forEach(places, (place) => runtime.startWorkflow({ ...place, workflow: Counting }), {
      concurrency: 32,
      discard: true
    })

    const workers = yield* Effect.acquireRelease(
      Effect.sync(() =>
        supervise(fileURLToPath(new URL("workerProcess.ts", import.meta.url)), workerCount, {
          DATABASE_URL: databaseProxy.url,
          REDIS_URL: streamProxy.url
        })
      ),
      (supervisor) => Effect.promise(() => supervisor.stop())
    )
    const startedAt = performance.now()

    const allInjected = yield* Deferred.make<void>()

    /** Every event has an idempotency key, so a batch with a lost answer can be sent again. */
    const produce = Effect.fnUntraced(function* (own: ReadonlyArray<(typeof places)[number]>) {
      for (let n = 1; n <= eventCount; n++) {
        // Every fault happens while there is work, even if the rest is fast.
        if (n > (2 * eventCount) / 3) yield* Deferred.await(allInjected)
        const batch = own.map((place): SubmitOptions => ({
          ...place,
          submission: { event_name: "Counted", payload: { n } },
          idempotencyKey: `number-${n}`
        }))
        if (!Array.isReadonlyArrayNonEmpty(batch)) return
        yield* runtime
          .enqueueEvents(batch)
          .pipe(Effect.retry({ while: (error) => error._tag === "StoreError", schedule: untilItWorks }))
      }
    })
    const producing = yield* Effect.forkChild(
      Effect.forEach(Array.chunksOf(places, Math.ceil(executionCount / producerCount)), produce, {
        concurrency: producerCount,
        discard: true
      })
    )

    const anyWorker = (use: (processId: number) => Effect.Effect<void>) =>
      Effect.suspend(() => {
        const ids = workers.processIds()
        return ids.length === 0 ? Effect.void : Effect.flatMap(Random.choice(ids), use)
      }).pipe(Effect.orDie)
    const faults: Readonly<Record<string, Effect.Effect<void>>> = {
      killWorker: anyWorker((id) => Effect.sync(() => workers.kill(id))),
      freezeWorker: anyWorker((id) =>
        Effect.gen(function* () {
          workers.freeze(id)
          yield* Effect.forkDetach(
            Effect.andThen(
              Effect.sleep(Duration.sum(leaseDuration, Duration.seconds(2))),
              Effect.sync(() => workers.thaw(id))
            )
          )
        })
      ),
      flushRedis: Effect.promise(async () => {
        const admin = new Redis(redis.url)
        await admin.flushall()
        admin.disconnect()
      }),
      restartRedis: Effect.promise(() => redis.restart()),
      terminateConnections: terminateAll.pipe(
        Effect.provide(PgClient.layer({ url: Redacted.make(postgres.url), maxConnections: 1 })),
        Effect.orDie
      ),
      crashPostgres: Effect.promise(async () => {
        await postgres.stopImmediately()
        await postgres.restart()
      }),
      cutNetwork: Effect.acquireUseRelease(
        Effect.sync(() => {
          databaseProxy.cut()
          streamProxy.cut()
        }),
        () => Effect.sleep("1 second"),
        () =>
          Effect.sync(() => {
            databaseProxy.resume()
            streamProxy.resume()
          })
      )
    }
    const injected: Record<string, number> = Object.fromEntries(Object.keys(faults).map((name) => [name, 0]))
    const injecting = yield* Effect.forkChild(
      Effect.forever(
        Effect.gen(function* () {
          // Every fault once per round, in a random order.
          for (const name of yield* Random.shuffle(Object.keys(faults))) {
            yield* Effect.sleep(options.faultInterval)
            yield* faults[name] ?? Effect.void
            injected[name] = (injected[name] ?? 0) + 1
          }
          yield* Deferred.succeed(allInjected, undefined)
        })
      ).pipe(Random.withSeed(options.seed))
    )

    yield* Fiber.join(producing)
    const producedAt = performance.now()
    yield* Effect.map(queue.lag, (lag) => lag.reduce((sum, { pendingCount }) => sum + pendingCount, 0)).pipe(
      Effect.retry({ while: (error) => error.isRetryable, schedule: untilItWorks }),
      Effect.repeat({ until: (waiting) => waiting === 0, schedule: Schedule.spaced("100 millis") }),
      Effect.timeoutOrElse({
        duration: "10 minutes",
        orElse: () => Effect.die(new Error(`The queue does not drain. The workers say:\n${workers.log()}`))
      })
    )
    const endedAt = performance.now()
    yield* Fiber.interrupt(injecting)
    const exitCodes = yield* Effect.promise(() => workers.stop())
    const verdict = yield* judge([...new Set(places.map(({ tenant }) => tenant))], executionCount, eventCount)
    const outcome: Outcome = {
      ...verdict,
      events: executionCount * eventCount,
      faults: injected,
      seconds: Math.round((endedAt - startedAt) / 100) / 10,
      drainSeconds: Math.round((endedAt - producedAt) / 100) / 10,
      drained: exitCodes.every((code) => code === 0),
      seed: options.seed
    }
    return { outcome, log: workers.log() }
  }).pipe(Effect.provide(services))
}, Effect.scoped)

const untilItWorks = Schedule.spaced("200 millis").pipe(Schedule.upTo({ times: 600 }))

const terminateAll = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  yield* sql`
    select pg_terminate_backend(pid) from pg_stat_activity
     where pid <> pg_backend_pid() and backend_type = 'client backend'`
})
