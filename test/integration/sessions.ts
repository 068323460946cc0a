/** Sessions that tests hold still: one that waits for a lock, one whose transaction stays open. */
import { assert, inject } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PostgresStore } from "@refold/adapters/postgres"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"

/** Ports over a session of its own, known to the server by a name. */
export const session = (schema: string, applicationName: string) =>
  Layer.build(
    PostgresStore.layerWith({ schema }).pipe(
      Layer.provideMerge(
        PgClient.layer({ url: Redacted.make(inject("databaseUrl")), maxConnections: 1, applicationName })
      )
    )
  )

/** Returns once the session waits for a lock. Asks the server, a bounded number of times, instead of sleeping. */
export const isBlocked = Effect.fnUntraced(function* (applicationName: string) {
  const sql = yield* SqlClient.SqlClient
  for (let asked = 0; asked < 3000; asked++) {
    const waiting = yield* sql`
      select from pg_locks l join pg_stat_activity a using (pid)
       where a.application_name = ${applicationName} and not l.granted`
    if (waiting.length > 0) return
  }
  assert.fail(`${applicationName} never waited for a lock`)
})

/** Runs the effect in a transaction that stays open until the returned effect is run, which answers as the transaction ended. */
export const inOpenTransaction = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const sql = yield* SqlClient.SqlClient
  const [done, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const fiber = yield* Effect.forkChild(
    sql.withTransaction(effect.pipe(Effect.tap(Deferred.succeed(done, undefined)), Effect.tap(Deferred.await(release))))
  )
  yield* Deferred.await(done)
  return Effect.andThen(Deferred.succeed(release, undefined), Fiber.join(fiber))
})
