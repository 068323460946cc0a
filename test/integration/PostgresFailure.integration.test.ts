import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PostgresStore } from "@refold/adapters/postgres"
import { type StoreError, WorkflowEventModel, WorkflowExecutionModel, WorkflowSnapshotModel } from "@refold/core"
import { Deferred, Effect, Fiber, Layer, Redacted, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { type Postgres, startPostgres } from "../servers/Postgres.ts"
import { commitOf, snapshotOf } from "./commits.ts"

const factsOf = ({ isRetryable, operation, reason }: StoreError) => ({ operation, reason: reason._tag, isRetryable })

/** These tests run one after the other, each with its own settings of a private server. */
describe("a PostgreSQL that fails", () => {
  let server: Postgres
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  const client = (url = server.url) => PgClient.layer({ url: Redacted.make(url), maxConnections: 3 })
  const store = (url = server.url) => PostgresStore.layerMigrated().pipe(Layer.provideMerge(client(url)))
  const restart = (settings?: Readonly<Record<string, string>>) => Effect.promise(() => server.restart(settings))
  const crash = Effect.promise(() => server.stopImmediately())

  it.live(
    "that goes away under a commit leaves nothing half-written, and the same store goes on after it is back",
    () =>
      Effect.gen(function* () {
        const model = yield* WorkflowEventModel
        const executions = yield* WorkflowExecutionModel
        const snapshots = yield* WorkflowSnapshotModel
        const sql = yield* SqlClient.SqlClient
        const [kept, lost] = [
          { tenant: "crash", executionId: "kept" },
          { tenant: "crash", executionId: "lost" }
        ]
        yield* model.commit([commitOf(kept, 0, ["1", "2"])])
        const [written, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const open = yield* Effect.forkChild(
          Effect.gen(function* () {
            yield* model.commit([commitOf(kept, 2, ["3"]), commitOf(lost, 0, ["1"])])
            yield* Deferred.succeed(written, undefined)
            yield* Deferred.await(release)
          }).pipe(sql.withTransaction, Effect.flip)
        )
        yield* Deferred.await(written)
        yield* crash
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(open)

        const failures = yield* Effect.all([
          Effect.flip(model.commit([commitOf(kept, 2, ["3"])])),
          Effect.flip(Stream.runCollect(model.read(kept))),
          Effect.flip(Stream.runCollect(model.read({ ...kept, until: "2001-01-01T00:00:00.000Z" }))),
          Effect.flip(model.readFeed({ partition: 0, after: 0, limit: 1 })),
          Effect.flip(Stream.runCollect(executions.list({ tenant: "crash" }))),
          Effect.flip(executions.find(kept)),
          Effect.flip(snapshots.save({ snapshot: snapshotOf(kept, 1), prune: [] }))
        ])
        assert.deepStrictEqual(
          failures.map(factsOf),
          [
            "Appending events",
            "Reading events",
            "Reading events",
            "Reading the feed",
            "Listing executions",
            "Finding an execution",
            "Storing a snapshot"
          ].map((operation) => ({ operation, reason: "Unavailable", isRetryable: true }))
        )
        assert.match(failures[0].message, /cannot be reached: check that it runs and that the address is right/)

        yield* restart()
        const logs = yield* Effect.all([Stream.runCollect(model.read(kept)), Stream.runCollect(model.read(lost))])
        assert.deepStrictEqual(
          logs.map((log) => log.map((event) => event.position)),
          [[1, 2], []]
        )
        const results = yield* model.commit([commitOf(kept, 2, ["3"]), commitOf(lost, 0, ["1"])])
        assert.isTrue(results.every(Result.isSuccess))
      }).pipe(Effect.provide(store()))
  )

  it.live("that goes away in the middle of a read fails it, with no event passed over", () =>
    Effect.gen(function* () {
      const model = yield* WorkflowEventModel
      const at = { tenant: "crash", executionId: "read" }
      yield* model.commit([commitOf(at, 0, ["1", "2", "3", "4"])])
      const seen: Array<number> = []
      const failure = yield* model.read({ ...at, batchSize: 2 }).pipe(
        Stream.tap((event) => Effect.sync(() => seen.push(event.position))),
        Stream.runForEach((event) => (event.position === 2 ? crash : Effect.void)),
        Effect.flip
      )
      assert.deepStrictEqual(factsOf(failure), {
        operation: "Reading events",
        reason: "Unavailable",
        isRetryable: true
      })
      assert.deepStrictEqual(seen, [1, 2])
      yield* restart()
    }).pipe(Effect.provide(store()))
  )

  it.live("that is down when the store opens says so, in a sentence", () =>
    Effect.gen(function* () {
      yield* crash
      const failure = yield* Effect.flip(Effect.scoped(Layer.build(store())))
      assert.include(failure.message, "the database cannot be reached")
      assert.include(failure.reason, { _tag: "Unavailable", isRetryable: true })
      yield* restart()
    })
  )

  it.live("that is read-only refuses commits as such, and still answers reads, also those of the past", () =>
    Effect.gen(function* () {
      const at = { tenant: "read-only", executionId: "one" }
      yield* Effect.flatMap(WorkflowEventModel, (model) => model.commit([commitOf(at, 0, ["1"])])).pipe(
        Effect.provide(store())
      )
      yield* restart({ default_transaction_read_only: "on" })
      yield* Effect.gen(function* () {
        const model = yield* WorkflowEventModel
        const executions = yield* WorkflowExecutionModel
        const snapshots = yield* WorkflowSnapshotModel
        const failures = yield* Effect.all([
          Effect.flip(model.commit([commitOf(at, 1, ["2"])])),
          Effect.flip(snapshots.save({ snapshot: snapshotOf(at, 1), prune: [] })),
          Effect.flip(snapshots.clear(at))
        ])
        assert.deepStrictEqual(
          failures.map(factsOf),
          ["Appending events", "Storing a snapshot", "Removing snapshots"].map((operation) => ({
            operation,
            reason: "ReadOnly",
            isRetryable: false
          }))
        )
        const until = "9999-01-01T00:00:00.000Z"
        assert.lengthOf(yield* Stream.runCollect(model.read(at)), 1)
        assert.lengthOf(yield* Stream.runCollect(model.read({ ...at, until })), 1)
        assert.lengthOf(yield* Stream.runCollect(executions.list({ tenant: at.tenant, asOf: until })), 1)
        const migration = yield* Effect.flip(PostgresStore.migrate({ schema: "another" }))
        assert.strictEqual(migration.reason._tag, "ReadOnly")
      }).pipe(Effect.provide(PostgresStore.layer.pipe(Layer.provideMerge(client()))))
      yield* restart()
    })
  )

  it.live("that refuses the password, the user or the database says so, and is not asked again", () =>
    Effect.gen(function* () {
      const changed = (change: (url: URL) => void) => {
        const url = new URL(server.url)
        change(url)
        return url.href
      }
      for (const url of [
        changed((wrong) => (wrong.password = "wrong")),
        changed((wrong) => (wrong.username = "nobody")),
        changed((wrong) => (wrong.pathname = "/missing"))
      ]) {
        const failure = yield* Effect.flip(Effect.scoped(Layer.build(store(url))))
        assert.include(failure.reason, { _tag: "Unavailable", isRetryable: false })
        assert.include(failure.message, "it refused the database name, the user or the password")
      }
    })
  )
})
