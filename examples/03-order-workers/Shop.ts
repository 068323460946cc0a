/** The store, the stream and the services of the shop, on the servers that the environment names. */
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresWakeUpChannel, PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { TypeScriptWorkflowRuntime, type Worker, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Config, Effect, Layer, Option, type Redacted, Schedule } from "effect"
import { Order } from "./Order.ts"

/** Keeps this example apart from what else is on the servers. */
const name = "refold_example_03"

export const Servers = Config.all({
  database: Config.option(Config.Redacted("DATABASE_URL")),
  redis: Config.option(Config.Redacted("REDIS_URL"))
})
type Servers = Effect.Success<typeof Servers>

const embedded = Layer.merge(PgliteStore.layer(), MemoryWakeUpChannel.layer)

const onServers = (database: Redacted.Redacted, redis: Option.Option<Redacted.Redacted>) =>
  Layer.merge(
    PostgresStore.layerMigrated({ schema: name }),
    Option.match(redis, {
      onNone: () => PostgresWakeUpChannel.layerWith({ schema: name }),
      onSome: (url) => RedisWakeUpChannel.layer({ url, namespace: name })
    })
  ).pipe(Layer.provide(PostgresStore.layerClient({ url: database })))

/** What processes queued events, and what queues them. */
export const layer = ({ database, redis }: Servers) =>
  TypeScriptWorkflowRuntime.layer.pipe(
    Layer.provideMerge(WorkflowEventSourcing.layer),
    Layer.provide(Workflows.layer(Order)),
    Layer.provideMerge(Option.isNone(database) ? embedded : onServers(database.value, redis))
  )

/** A worker that is killed cannot give its partitions back: others take them once its lease is over. */
export const leaseDuration = "2 seconds"

export const describe = ({ database, redis }: Servers): string => {
  if (Option.isNone(database)) {
    return "No DATABASE_URL: PostgreSQL and the stream are embedded, the workers are fibers of this process."
  }
  const stream = Option.isSome(redis) ? "the Redis of REDIS_URL" : "its own notifications, as there is no REDIS_URL"
  return `The PostgreSQL of DATABASE_URL and ${stream}; each worker is a process.`
}

/** Waits until a worker has partitions. */
export const untilOwner = (partitions: Worker["Service"]["partitions"]) =>
  partitions.pipe(Effect.repeat({ until: (owned) => owned.length > 0, schedule: Schedule.spaced("20 millis") }))
