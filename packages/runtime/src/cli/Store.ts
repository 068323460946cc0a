/** Which store the command line works on: the server named by `--database` or `DATABASE_URL`, else the embedded one. */
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import { Config, Effect, Layer, Option } from "effect"
import { Flag, GlobalFlag } from "effect/cli"
import { TypeScriptWorkflowRuntime } from "../TypeScriptWorkflowRuntime.ts"
import { WorkflowEventSourcing } from "../WorkflowEventSourcing.ts"
import { Workflows } from "../Workflows.ts"

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
    Flag.withDescription("Directory of the embedded database, used when no --database is given"),
    Flag.withDefault(".refold")
  )
})

/** A client of the store that was asked for. */
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

/** The ports. The embedded database is this command's own, so its schema is kept up to date; a server's is not touched. */
const layerPorts = Layer.unwrap(
  Effect.map(Database, (database) => (Option.isNone(database) ? PostgresStore.layerMigrated() : PostgresStore.layer))
).pipe(Layer.provide(layerClient))

/** The services that commands work with. Every workflow name is known, as an open workflow. */
export const layer = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provideMerge(Workflows.layerOpen()),
  Layer.provideMerge(layerPorts)
)
