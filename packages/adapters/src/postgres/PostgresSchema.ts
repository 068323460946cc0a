/** The schema of a store: migrations, forward only, and the check that they were applied. */
import { Partition, StoreError } from "@refold/core"
import { Effect } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { sqlState, toStoreError } from "./PostgresFailure.ts"
import { initial } from "./schema/Initial.ts"
import { processing } from "./schema/Processing.ts"
import { type Tables, tablesOf } from "./schema/Tables.ts"

export interface SchemaOptions {
  /** Schema that holds the tables; one namespace each. 1 to 63 bytes without a full stop, `refold` by default. */
  readonly schema?: string
}

export const defaultSchema = "refold"

/** PostgreSQL truncates a longer name, which may make it the name of another store; a full stop separates two names. */
export const isSchemaName = (name: string): boolean =>
  name !== "" && Buffer.byteLength(name) <= 63 && !name.includes(".")

const checkName = (schema: string, operation: string): Effect.Effect<void, StoreError> =>
  isSchemaName(schema) ? Effect.void : Effect.fail(failure(schema, operation, "SchemaName"))

const failure = (
  schema: string,
  operation: string,
  _tag: "SchemaName" | "SchemaMissing" | "SchemaOlder" | "SchemaNewer"
): StoreError => new StoreError({ operation, reason: { _tag, detail: `schema "${schema}"` } })

/** The names of the tables in the schema. */
export const tables = (sql: SqlClient.SqlClient, { schema = defaultSchema }: SchemaOptions): Tables =>
  tablesOf(sql, schema)

/**
 * Creates the schema, or brings an older one up to date. Safe to run again, and from several processes at once.
 *
 * **Details**
 *
 * `partitionCount` is for a new namespace only: an existing one keeps its count. Returns the names of the migrations
 * that were applied.
 */
export const migrate = Effect.fn("PostgresStore.migrate")(function* (
  options: SchemaOptions & { readonly partitionCount?: number } = {}
) {
  const sql = yield* SqlClient.SqlClient
  const schema = options.schema ?? defaultSchema
  const operation = "Migrating the schema"
  yield* checkName(schema, operation)
  const migrations = Migrator.fromRecord({
    [migrationNames[0]]: inOrder(initial(sql, schema, options.partitionCount ?? Partition.defaultCount)),
    [migrationNames[1]]: inOrder(processing(sql, schema))
  })
  const applied = yield* sql`create schema if not exists ${sql(schema)}`.pipe(
    // One of two concurrent first migrations may lose the race to the catalogue; then the schema exists.
    Effect.retry({
      times: 3,
      while: (error) => error.reason._tag === "UniqueViolation" || sqlState(error) === duplicateSchema
    }),
    Effect.andThen(Migrator.make({})({ table: `${schema}.migrations`, loader: migrations })),
    Effect.catchTags({
      SqlError: (error) => Effect.fail(toStoreError(operation)(error)),
      MigrationError: (error) =>
        Effect.fail(
          new StoreError({
            operation,
            reason: { _tag: "Refused", isRetryable: false, detail: error.message, cause: error }
          })
        )
    })
  )
  return applied.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`)
})

const inOrder = (statements: ReadonlyArray<Effect.Effect<unknown, SqlError>>) =>
  Effect.forEach(statements, (statement) => statement, { discard: true })

/** SQLSTATE of a schema that exists. */
const duplicateSchema = "42P06"

/** The migrations, in order; a released one never changes. */
const migrationNames = ["0001_initial", "0002_processing"] as const

/** Fails unless the schema is of exactly this version. Returns the number of partitions of the namespace. */
export const checkSchema = Effect.fnUntraced(function* (options: SchemaOptions) {
  const sql = yield* SqlClient.SqlClient
  const schema = options.schema ?? defaultSchema
  const operation = "Opening the store"
  const wrong = (tag: Parameters<typeof failure>[2]) => failure(schema, operation, tag)
  yield* checkName(schema, operation)
  const version = yield* sql<{ version: number | null }>`
    select max(migration_id) as version from ${sql(`${schema}.migrations`)}
  `.pipe(
    Effect.mapError(toStoreError(operation)),
    Effect.catchReason("StoreError", "SchemaMissing", () => Effect.fail(wrong("SchemaMissing")))
  )
  const applied = version[0]?.version ?? 0
  if (applied < migrationNames.length) return yield* wrong(applied === 0 ? "SchemaMissing" : "SchemaOlder")
  if (applied > migrationNames.length) return yield* wrong("SchemaNewer")
  const counted = yield* sql<{ count: number }>`
    select count(*)::int as count from ${tables(sql, options).partitions}
  `.pipe(Effect.mapError(toStoreError(operation)))
  return counted[0]?.count ?? 0
})
