import { assert, layer } from "@effect/vitest"
import { PostgresStore } from "@refold/adapters/postgres"
import { type Lease, PartitionLeases, type StoreError } from "@refold/core"
import { Clock, Context, Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { leaseRows } from "./leaseRows.ts"
import { ownSchema } from "./ownSchema.ts"
import { isBlocked, nameOf, session } from "./sessions.ts"

/** A clock that runs like the live one, ahead of it by this much. */
const shifted = (ahead: Duration.Duration) =>
  Effect.map(Clock.Clock, (clock): Clock.Clock => {
    const millis = Duration.toMillis(ahead)
    const nanos = BigInt(millis) * 1_000_000n
    return {
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + millis,
      currentTimeMillis: Effect.map(clock.currentTimeMillis, (now) => now + millis),
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + nanos,
      currentTimeNanos: Effect.map(clock.currentTimeNanos, (now) => now + nanos),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + nanos,
      monotonicTimeNanos: Effect.map(clock.monotonicTimeNanos, (now) => now + nanos),
      sleep: (duration) => clock.sleep(duration)
    }
  })

const partitionCount = 9
const duration = Duration.seconds(90)
const { layer: store, schema } = ownSchema("leases", { partitionCount })

/** A process: a worker id, a session with that application name, and a clock. */
const workerOf = Effect.fnUntraced(function* (workerId: string, ahead: Duration.Duration = Duration.zero) {
  const clock = yield* shifted(ahead)
  const services = yield* session(schema, workerId).pipe(Effect.provideService(Clock.Clock, clock))
  const leases = Context.get(services, PartitionLeases)
  yield* Effect.addFinalizer(() => Effect.orDie(leases.release(workerId)))
  return {
    workerId,
    sql: Context.get(services, SqlClient.SqlClient),
    renew: leases.renew({ workerId, duration }).pipe(Effect.provideService(Clock.Clock, clock)),
    rows: Effect.provideContext(leaseRows(schema), services)
  }
})

const partitionsOf = (leases: ReadonlyArray<Lease.Lease>) => leases.map(({ partition }) => partition)

/** As if the worker had not renewed for its whole lease. */
const freeze = Effect.fnUntraced(function* (workerId: string) {
  const sql = yield* SqlClient.SqlClient
  const past = sql`clock_timestamp() - interval '1 millisecond'`
  yield* sql`update ${sql(`${schema}.leases`)} set expires_at = ${past} where owner = ${workerId}`
  yield* sql`update ${sql(`${schema}.workers`)} set expires_at = ${past} where worker_id = ${workerId}`
})

/** Returns when the session is gone. Polls the server a bounded number of times instead of sleeping. */
const isGone = Effect.fnUntraced(function* (name: string) {
  const sql = yield* SqlClient.SqlClient
  for (let asked = 0; asked < 3000; asked++) {
    const sessions = yield* sql`select from pg_stat_activity where application_name = ${nameOf(name)}`
    if (sessions.length === 0) return
  }
  assert.fail(`the session ${name} never went`)
})

/** A renewal whose transaction stays open. The returned effect ends it and returns the renewal's result. */
const renewedInOpenTransaction = Effect.fnUntraced(function* (worker: Effect.Success<ReturnType<typeof workerOf>>) {
  const [renewed, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const renewing = yield* worker.renew.pipe(
    Effect.tap(Deferred.succeed(renewed, undefined)),
    Effect.tap(Deferred.await(release)),
    worker.sql.withTransaction,
    Effect.forkChild
  )
  yield* Deferred.await(renewed)
  return Effect.andThen(Deferred.succeed(release, undefined), Fiber.join(renewing))
})

layer(store, { excludeTestServices: true })("leases on a server", (it) => {
  it.effect("are shared fairly by workers whose clocks are ten minutes apart: the server's alone counts", () =>
    Effect.gen(function* () {
      const early = yield* workerOf("early", Duration.minutes(-5))
      const late = yield* workerOf("late", Duration.minutes(5))
      yield* early.renew
      assert.deepStrictEqual(yield* late.renew, [])
      for (let round = 0; round < 3; round++) {
        const [ofEarly, ofLate] = [yield* early.renew, yield* late.renew]
        assert.deepStrictEqual(partitionsOf(ofEarly), [0, 1, 2, 3, 4])
        assert.deepStrictEqual(partitionsOf(ofLate), [5, 6, 7, 8])
        assert.deepStrictEqual([...ofEarly, ...ofLate], yield* early.rows)
      }
      // Both renew one after the other, for the same duration; their clocks are ten minutes apart.
      const expiries = (yield* early.rows).map(({ expiresAt }) => Date.parse(expiresAt))
      assert.isBelow(Math.max(...expiries) - Math.min(...expiries), 300_000)
    }).pipe(Effect.scoped)
  )

  it.effect("are lost by a worker that freezes, which takes nothing back of what others own by then", () =>
    Effect.gen(function* () {
      const frozen = yield* workerOf("frozen")
      const other = yield* workerOf("other")
      yield* frozen.renew
      yield* other.renew
      yield* frozen.renew
      yield* other.renew
      yield* freeze("frozen")

      assert.deepStrictEqual(partitionsOf(yield* other.rows), [5, 6, 7, 8])
      const taken = yield* other.renew
      assert.deepStrictEqual(partitionsOf(taken), [0, 1, 2, 3, 4, 5, 6, 7, 8])

      assert.deepStrictEqual(yield* frozen.renew, [])
      assert.deepStrictEqual(yield* other.rows, taken)
      // The other worker keeps the odd partition and releases the rest by itself.
      assert.deepStrictEqual(partitionsOf(yield* other.renew), [0, 1, 2, 3, 4])
      assert.deepStrictEqual(partitionsOf(yield* frozen.renew), [5, 6, 7, 8])
    }).pipe(Effect.scoped)
  )

  for (const isolation of ["read committed", "repeatable read", "serializable"]) {
    it.effect(
      `are renewed one after another, ${isolation}: who comes second waits, then sees what the first took`,
      () =>
        Effect.gen(function* () {
          const first = yield* workerOf("first")
          const second = yield* workerOf("second")
          yield* second.sql`select set_config('default_transaction_isolation', ${isolation}, false)`
          const commit = yield* renewedInOpenTransaction(first)
          const waiting = yield* Effect.forkChild(second.renew)
          yield* isBlocked("second")
          assert.strictEqual((yield* commit).length, partitionCount)
          assert.deepStrictEqual(yield* Fiber.join(waiting), [])
        }).pipe(Effect.scoped)
    )
  }

  it.effect("stay as they were where the connection is lost in the middle of a renewal, which may be tried again", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const first = yield* workerOf("first")
      const second = yield* workerOf("second")
      const commit = yield* renewedInOpenTransaction(first)
      const waiting = yield* Effect.forkChild(Effect.exit(Effect.flip(second.renew)))
      yield* isBlocked("second")
      yield* sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${nameOf("second")}`
      const failure = yield* Fiber.join(waiting)
      // Ends the transaction before any assertion: the first worker could not be released with an open transaction.
      const renewed = yield* commit
      const { isRetryable, operation, reason } = yield* failure
      assert.deepStrictEqual([operation, reason._tag, isRetryable], ["Renewing the leases", "Unavailable", true])
      assert.deepStrictEqual(yield* first.rows, renewed)
      assert.deepStrictEqual(yield* second.renew, [])
    }).pipe(Effect.scoped)
  )

  it.effect("can be read while a renewal is under way, as they were before it", () =>
    Effect.gen(function* () {
      const first = yield* workerOf("first")
      const reader = yield* workerOf("reader")
      yield* Effect.andThen(
        first.renew,
        Effect.map(reader.rows, (listed) => assert.deepStrictEqual(listed, []))
      ).pipe(first.sql.withTransaction)
      assert.strictEqual((yield* reader.rows).length, partitionCount)
    }).pipe(Effect.scoped)
  )

  it.effect("are not held up by a worker that freezes in the middle of a renewal: the server cuts it off soon", () =>
    Effect.gen(function* () {
      const frozen = yield* workerOf("frozen")
      const other = yield* workerOf("other")
      const { sql } = frozen
      const timeout = sql<{ value: string }>`
        select current_setting('idle_in_transaction_session_timeout') as value`
      const seen = yield* Deferred.make<readonly [timeout: string | undefined, failure: StoreError]>()
      yield* Effect.gen(function* () {
        yield* frozen.renew
        const [during] = yield* timeout
        // Does not wait, so the session may end before the answer is read.
        yield* Effect.exit(sql`set local idle_in_transaction_session_timeout = '1ms'`)
        yield* isGone("frozen")
        yield* Deferred.succeed(seen, [during?.value, yield* Effect.flip(frozen.renew)])
      }).pipe(sql.withTransaction, Effect.exit)
      const [during, failure] = yield* Deferred.await(seen)
      assert.deepStrictEqual([during, yield* timeout], ["2s", [{ value: "0" }]])
      assert.deepStrictEqual([failure.reason._tag, failure.isRetryable], ["Unavailable", true])
      assert.strictEqual((yield* other.renew).length, partitionCount)
    }).pipe(Effect.scoped)
  )

  it.effect("leave no trace of workers that are gone, but for one row of each partition", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { release, renew } = yield* PartitionLeases
      for (let life = 0; life < 20; life++) {
        yield* renew({ workerId: `life ${life}`, duration })
        yield* freeze(`life ${life}`)
      }
      const workers = sql`select worker_id from ${sql(`${schema}.workers`)}`
      assert.deepStrictEqual(yield* workers, [{ worker_id: "life 19" }])
      yield* release("life 19")
      assert.deepStrictEqual(yield* workers, [])
      const [row] = yield* sql<{ count: number }>`select count(*)::int as count from ${sql(`${schema}.leases`)}`
      assert.strictEqual(row?.count, partitionCount)
    })
  )

  it.effect("fail with what to do when the schema is missing", () =>
    Effect.gen(function* () {
      const failure = yield* PostgresStore.layerWith({ schema: "nowhere" }).pipe(
        Layer.build,
        Effect.scoped,
        Effect.flip
      )
      assert.strictEqual(failure.reason._tag, "SchemaMissing")
    })
  )
})
