/** A store in a private schema, on the server that all integration tests share. The scope drops the schema. */
import { randomBytes } from "node:crypto"
import { inject } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PostgresStore } from "@refold/adapters/postgres"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"

export const uniqueName = (name: string): string => `test_${name}_${randomBytes(6).toString("hex")}`

export const layerClient = (maxConnections = 10, url: string = inject("databaseUrl"), applicationName?: string) =>
  PgClient.layer({ url: Redacted.make(url), maxConnections, applicationName })

/** Drops the schema when the scope closes, whoever created it. */
export const dropped = (schema: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Effect.addFinalizer(() => Effect.orDie(sql`drop schema if exists ${sql(schema)} cascade`))
  })

/** Ports and client over a new schema. */
export const ownSchema = (
  name: string,
  options: {
    readonly maxConnections?: number
    readonly partitionCount?: number
    readonly applicationName?: string
  } = {}
) => {
  const { applicationName, maxConnections, ...migration } = options
  const schema = uniqueName(name)
  const layer = PostgresStore.layerMigrated({ schema, ...migration }).pipe(
    Layer.provideMerge(Layer.effectDiscard(dropped(schema))),
    Layer.provideMerge(layerClient(maxConnections, inject("databaseUrl"), applicationName))
  )
  return { schema, layer }
}
