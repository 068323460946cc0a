/** The store and the wake-up channel of a command: on the servers that its flags name, else embedded. */
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing } from "@refold/runtime"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresWakeUpChannel, PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import type { WakeUpChannel } from "@refold/core"
import { Config, Effect, Layer, Option, type Redacted } from "effect"
import { Flag, GlobalFlag } from "effect/cli"

export const Database = GlobalFlag.Setting("database")({
  flag: Flag.Redacted("database").pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription("PostgreSQL to use, as postgres://user:password@host/name (or DATABASE_URL)"),
    Flag.withFallbackConfig(Config.Redacted("DATABASE_URL")),
    Flag.optional
  )
})

export const DataDirectory = GlobalFlag.Setting("data-dir")({
  flag: Flag.String("data-dir").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("Directory of the embedded database, which is used without --database"),
    Flag.withDefault(".refold")
  )
})

export const SchemaName = GlobalFlag.Setting("schema")({
  flag: Flag.String("schema").pipe(
    Flag.withMetavar("NAME"),
    Flag.withDescription("Schema of the store in its database, refold by default (or REFOLD_SCHEMA)"),
    Flag.withFallbackConfig(Config.String("REFOLD_SCHEMA")),
    Flag.withDefault("refold"),
    Flag.filter(
      PostgresStore.isSchemaName,
      () => "a name of 1 to 63 bytes without a full stop, here or in REFOLD_SCHEMA"
    )
  )
})

/** A client of the database that the flags name. */
export const layerClient = Layer.unwrap(
  Effect.gen(function* () {
    const database = yield* Database
    const dataDir = yield* DataDirectory
    return Option.match(database, {
      onNone: () => PgliteStore.layerClient({ dataDir }),
      onSome: (url) => PostgresStore.layerClient({ url })
    })
  })
)

/** The ports. Migrates the embedded database, which only this process uses; never migrates a server. */
const layerPorts = Layer.unwrap(
  Effect.gen(function* () {
    const database = yield* Database
    const schema = yield* SchemaName
    return Option.isNone(database) ? PostgresStore.layerMigrated({ schema }) : PostgresStore.layerWith({ schema })
  })
)

/** The services that commands use, with the definitions of the program. */
const servicesOver = <E, R>(layerChannel: Layer.Layer<WakeUpChannel, E, R>) =>
  TypeScriptWorkflowRuntime.layer.pipe(
    Layer.provideMerge(WorkflowEventSourcing.layer),
    Layer.provideMerge(Layer.merge(layerPorts, layerChannel)),
    Layer.provide(layerClient)
  )

/** For commands that queue nothing and wake no worker: they do not connect to Redis. */
export const layer = servicesOver(MemoryWakeUpChannel.layer)

/** The technology of the wake-up channel. */
export type ChannelKind = "Redis" | "PostgreSQL notifications" | "in process"

export const channelKind = (
  redis: Option.Option<unknown>
): Effect.Effect<ChannelKind, never, typeof Database.Identifier> =>
  Effect.map(Database, (database) => {
    if (Option.isSome(redis)) return "Redis"
    return Option.isSome(database) ? "PostgreSQL notifications" : "in process"
  })

/** For workers, and for commands that queue events: with the channel that wakes workers. */
export const layerWaking = ({
  namespace,
  redis
}: {
  readonly redis: Option.Option<Redacted.Redacted>
  readonly namespace: string
}) =>
  servicesOver(
    Layer.unwrap(
      Effect.gen(function* () {
        const database = yield* Database
        const schema = yield* SchemaName
        if (Option.isSome(redis)) return RedisWakeUpChannel.layer({ url: redis.value, namespace })
        return Option.isSome(database) ? PostgresWakeUpChannel.layerWith({ schema }) : MemoryWakeUpChannel.layer
      })
    )
  )
