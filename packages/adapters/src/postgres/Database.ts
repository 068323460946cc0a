/** The record that the store's statements are built from. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { type SchemaOptions, type Tables, checkSchema, tables } from "./PostgresSchema.ts"

export interface Database {
  readonly sql: SqlClient.SqlClient
  readonly tables: Tables
  readonly partitionCount: number
}

/** Opens a schema, which must have been migrated to exactly this version. */
export const open = Effect.fnUntraced(function* (options: SchemaOptions) {
  const sql = yield* SqlClient.SqlClient
  const partitionCount = yield* checkSchema(options)
  const database: Database = { sql, tables: tables(sql, options), partitionCount }
  return database
})
