/** The store, the wake-up channel and the services of the shop, on the servers from the environment. */
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresWakeUpChannel, PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { TypeScriptWorkflowRuntime, type Worker, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Config, Effect, Layer, Option, type Redacted, Schedule } from "effect"
import { Order } from "./Order.ts"

/** Separates this example from other data on the servers. */
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

/** The services that queue events and process them. */
export const layer = ({ database, redis }: Servers) =>
  TypeScriptWorkflowRuntime.layer.pipe(
    Layer.provideMerge(WorkflowEventSourcing.layer),
    Layer.provide(Workflows.layer(Order)),
    Layer.provideMerge(Option.isNone(database) ? embedded : onServers(database.value, redis))
  )

/** A killed worker cannot release its partitions. Other workers take them when this lease expires. */
export const leaseDuration = "2 seconds"

export const describe = ({ database, redis }: Servers): string => {
  if (Option.isNone(database)) {
    return "DATABASE_URL is not set: PostgreSQL and wake-up channel are embedded, the workers are fibers of this process."
  }
  const channel = Option.isSome(redis) ? "the Redis in REDIS_URL" : "NOTIFY, because REDIS_URL is not set"
  return `The store is the PostgreSQL in DATABASE_URL, wake-ups go over ${channel}, and each worker is a process.`
}

/** Waits until the worker owns partitions. */
export const untilOwner = (partitions: Worker["Service"]["partitions"]) =>
  partitions.pipe(Effect.repeat({ until: (owned) => owned.length > 0, schedule: Schedule.spaced("20 millis") }))
