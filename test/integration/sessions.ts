/** Database sessions that tests keep in a state: waiting for a lock, or with an open transaction. */
import { assert, inject } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PostgresStore } from "@refold/adapters/postgres"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"

/** The application name of a session. It includes the test file, because concurrent test files may use equal names. */
export const nameOf = (name: string): string => `${name} of ${process.pid}`

/** Ports over a separate session with this application name. */
export const layerSession = (
  schema: string,
  applicationName: string,
  startupParameters: Readonly<Record<string, string>> = {}
) =>
  PostgresStore.layerWith({ schema }).pipe(
    Layer.provideMerge(
      PgClient.layer({
        url: Redacted.make(inject("databaseUrl")),
        maxConnections: 1,
        applicationName,
        startupParameters
      })
    )
  )

/** The built ports of a session with a name. */
export const session = (schema: string, name: string) => Layer.build(layerSession(schema, nameOf(name)))

/** The application names of the sessions that wait for a lock now. */
export const blockedSessions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const waiting = yield* sql<{ name: string }>`
    select a.application_name as name from pg_locks l join pg_stat_activity a using (pid) where not l.granted`
  return new Set(waiting.map(({ name }) => name))
})

/** Returns when the session waits for a lock. Polls the server a bounded number of times instead of sleeping. */
export const isBlocked = Effect.fnUntraced(function* (name: string) {
  for (let asked = 0; asked < 3000; asked++) {
    if ((yield* blockedSessions).has(nameOf(name))) return
  }
  assert.fail(`${name} never waited for a lock`)
})

/** Runs the effect in a transaction that stays open. The returned effect ends the transaction and returns its result. */
export const inOpenTransaction = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const sql = yield* SqlClient.SqlClient
  const [done, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const fiber = yield* Effect.forkChild(
    sql.withTransaction(effect.pipe(Effect.tap(Deferred.succeed(done, undefined)), Effect.tap(Deferred.await(release))))
  )
  yield* Deferred.await(done)
  return Effect.andThen(Deferred.succeed(release, undefined), Fiber.join(fiber))
})
