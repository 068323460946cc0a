/** Sessions that tests hold still: one that waits for a lock, one whose transaction stays open. */
import { assert, inject } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PostgresStore } from "@refold/adapters/postgres"
import { Deferred, Effect, Fiber, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"

/** What the server knows a session by: test files that run at the same time may give their sessions one name. */
export const nameOf = (name: string): string => `${name} of ${process.pid}`

/** Ports over a session of its own, known by a name. */
export const session = (schema: string, name: string) =>
  Layer.build(
    PostgresStore.layerWith({ schema }).pipe(
      Layer.provideMerge(
        PgClient.layer({ url: Redacted.make(inject("databaseUrl")), maxConnections: 1, applicationName: nameOf(name) })
      )
    )
  )

/** Returns once the session waits for a lock. Asks the server, a bounded number of times, instead of sleeping. */
export const isBlocked = Effect.fnUntraced(function* (name: string) {
  const sql = yield* SqlClient.SqlClient
  for (let asked = 0; asked < 3000; asked++) {
    const waiting = yield* sql`
      select from pg_locks l join pg_stat_activity a using (pid)
       where a.application_name = ${nameOf(name)} and not l.granted`
    if (waiting.length > 0) return
  }
  assert.fail(`${name} never waited for a lock`)
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
