/** The record that the store's statements are built from. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { type SchemaOptions, checkSchema, tables } from "./PostgresSchema.ts"
import type { Tables } from "./schema/Tables.ts"

/** The client, and the names of the tables in their schema. */
export interface Named {
  readonly sql: SqlClient.SqlClient
  readonly tables: Tables
}

export interface Database extends Named {
  readonly partitionCount: number
}

/** Names the tables of a schema, which another port's layer opens. */
export const name = (options: SchemaOptions) =>
  Effect.map(SqlClient.SqlClient, (sql): Named => ({ sql, tables: tables(sql, options) }))

/** Opens a schema, which must have been migrated to exactly this version. */
export const open = Effect.fnUntraced(function* (options: SchemaOptions) {
  const partitionCount = yield* checkSchema(options)
  const database: Database = { ...(yield* name(options)), partitionCount }
  return database
})
