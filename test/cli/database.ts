/** A separate database for a test file, on the server of the run. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"

/** Runs statements as the server's superuser. */
export const onServer = (statement: string, url: string = inject("databaseUrl")) =>
  Effect.runPromise(
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(statement)).pipe(
      Effect.provide(PgClient.layer({ url: Redacted.make(url) }))
    )
  )

/** Its URL. */
export const createDatabase = async (name: string): Promise<string> => {
  await onServer(`create database ${name}`)
  const own = new URL(inject("databaseUrl"))
  own.pathname = `/${name}`
  return own.href
}

export const dropDatabase = (name: string) => onServer(`drop database ${name} with (force)`)
