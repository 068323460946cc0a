import { assert, inject, layer } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PostgresStore } from "@refold/adapters/postgres"
import { Partition, WorkflowEventModel, WorkflowExecutionModel } from "@refold/core"
import { Array, Deferred, Effect, Fiber, Layer, Redacted, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { commitOf } from "./commits.ts"
import { ownSchema, uniqueName } from "./ownSchema.ts"
import { inOpenTransaction, isBlocked, session } from "./sessions.ts"

const one = ownSchema("one_partition", { partitionCount: 1, maxConnections: 20 })

layer(one.layer, { excludeTestServices: true })("a partition of many writers", (it) => {
  it.effect("numbers in commit order: who comes second waits, and nobody sees either before its turn", () =>
    Effect.gen(function* () {
      const tenant = uniqueName("order")
      const a = { tenant, executionId: "a" }
      const b = { tenant, executionId: "b" }
      const model = yield* WorkflowEventModel
      const before = (yield* model.readFeed({ partition: 0, after: 0, limit: 10_000 })).length
      const feed = Effect.map(model.readFeed({ partition: 0, after: before, limit: 10 }), (events) =>
        events.map((event) => `${event.execution_id}${event.position} ${event.offset - before}`)
      )
      const second = yield* session(one.schema, "second writer")
      const commitFirst = yield* inOpenTransaction(model.commit([commitOf(a, 0, ["1", "2"])]))
      const secondWriter = yield* Effect.forkChild(
        Effect.flatMap(WorkflowEventModel, (other) => other.commit([commitOf(b, 0, ["1"])])).pipe(
          Effect.provide(second)
        )
      )
      yield* isBlocked("second writer")
      assert.deepStrictEqual(yield* feed, [])
      assert.deepStrictEqual(yield* Stream.runCollect(model.readTenant({ tenant })), [])
      yield* commitFirst
      yield* Fiber.join(secondWriter)
      assert.deepStrictEqual(yield* feed, ["a1 1", "a2 2", "b1 3"])
      const [first, , third] = yield* Stream.runCollect(model.readTenant({ tenant }))
      assert.isTrue((first?.created_at ?? "~") <= (third?.created_at ?? ""))
    })
  )

  it.effect("numbers without a gap where the first writer rolls back", () =>
    Effect.gen(function* () {
      const tenant = uniqueName("rollback")
      const sql = yield* SqlClient.SqlClient
      const model = yield* WorkflowEventModel
      const before = (yield* model.readFeed({ partition: 0, after: 0, limit: 10_000 })).length
      const second = yield* session(one.schema, "after a rollback")
      const [written, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const firstWriter = yield* Effect.forkChild(
        Effect.gen(function* () {
          yield* model.commit([commitOf({ tenant, executionId: "same" }, 0, ["lost", "lost"])])
          yield* Deferred.succeed(written, undefined)
          yield* Deferred.await(release)
          return yield* Effect.fail("rolled back")
        }).pipe(sql.withTransaction, Effect.flip)
      )
      yield* Deferred.await(written)
      const secondWriter = yield* Effect.forkChild(
        Effect.flatMap(WorkflowEventModel, (other) =>
          other.commit([commitOf({ tenant, executionId: "same" }, 0, ["kept"])])
        ).pipe(Effect.provide(second))
      )
      yield* isBlocked("after a rollback")
      yield* Deferred.succeed(release, undefined)
      assert.strictEqual(yield* Fiber.join(firstWriter), "rolled back")
      const [result] = yield* Fiber.join(secondWriter)
      assert.isTrue(Result.isSuccess(result))
      const feed = yield* model.readFeed({ partition: 0, after: before, limit: 10 })
      assert.deepStrictEqual(
        feed.map((event) => [event.to_state, event.offset]),
        [["kept", before + 1]]
      )
    })
  )

  it.effect("is never passed by a follower of its feed", () =>
    Effect.gen(function* () {
      const tenant = uniqueName("follow")
      const model = yield* WorkflowEventModel
      const start = (yield* model.readFeed({ partition: 0, after: 0, limit: 10_000 })).length
      const writers = yield* Effect.forkChild(
        Effect.forEach(
          Array.range(1, 8),
          (writer) =>
            Effect.forEach(Array.range(0, 19), (position) =>
              model.commit([commitOf({ tenant, executionId: String(writer) }, position, ["x"])])
            ),
          { concurrency: "unbounded" }
        )
      )
      const followed: Array<number> = []
      while (followed.length < 160) {
        const after = start + followed.length
        const read = yield* model.readFeed({ partition: 0, after, limit: 7 })
        followed.push(...read.map((event) => event.offset))
        assert.deepStrictEqual(
          read.map((event) => event.offset),
          read.map((_, place) => after + place + 1)
        )
      }
      yield* Fiber.join(writers)
      assert.deepStrictEqual(yield* model.readFeed({ partition: 0, after: start + 160, limit: 7 }), [])
    })
  )
})

const two = ownSchema("two_partitions", { partitionCount: 2, maxConnections: 20 })

/** An execution id in the partition. */
const idIn = (tenant: string, partition: number, label: string): string =>
  Array.findFirst(
    Array.makeBy(100, (n) => `${label}${n}`),
    (id) => Partition.of(tenant, id, 2) === partition
  ).pipe((found) => (found._tag === "Some" ? found.value : assert.fail("no id of the partition")))

layer(two.layer, { excludeTestServices: true })("answers as of an instant", (it) => {
  it.effect("wait for the writer that may still add to them, in its partition alone", () =>
    Effect.gen(function* () {
      const tenant = uniqueName("as_of")
      const model = yield* WorkflowEventModel
      const busy = { tenant, executionId: idIn(tenant, 0, "busy") }
      const idle = { tenant, executionId: idIn(tenant, 1, "idle") }
      yield* model.commit([commitOf(idle, 0, ["1"])])
      const until = "9999-01-01T00:00:00.000Z"
      const [reader, lister] = [yield* session(two.schema, "reader"), yield* session(two.schema, "lister")]
      const commit = yield* inOpenTransaction(model.commit([commitOf(busy, 0, ["1", "2"])]))

      assert.lengthOf(yield* Stream.runCollect(model.read(busy)), 0)
      assert.lengthOf(yield* Stream.runCollect(model.read({ ...idle, until })), 1)
      const read = yield* Effect.forkChild(
        Effect.flatMap(WorkflowEventModel, (other) => Stream.runCollect(other.read({ ...busy, until }))).pipe(
          Effect.provide(reader)
        )
      )
      const listed = yield* Effect.forkChild(
        Effect.flatMap(WorkflowExecutionModel, (other) => Stream.runCollect(other.list({ tenant, asOf: until }))).pipe(
          Effect.provide(lister)
        )
      )
      yield* isBlocked("reader")
      yield* isBlocked("lister")
      yield* commit
      assert.lengthOf(yield* Fiber.join(read), 2)
      assert.lengthOf(yield* Fiber.join(listed), 2)
    })
  )

  it.effect("of now are final: what is committed next is later, also within the same millisecond", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const model = yield* WorkflowEventModel
      const executions = yield* WorkflowExecutionModel
      const at = { tenant: uniqueName("now"), executionId: "one" }
      yield* model.commit([commitOf(at, 0, ["0"])])
      for (const position of Array.range(1, 200)) {
        const clock = yield* sql<{ now: Date }>`
          select date_trunc('milliseconds', clock_timestamp()) + interval '1 millisecond' as now`
        const now = clock[0]?.now.toISOString() ?? ""
        const answer = position % 2 === 0 ? model.read({ ...at, until: now }) : executions.list({ ...at, asOf: now })
        // On one connection, so that the server runs one right after the other.
        const [, [result]] = yield* Effect.all(
          [Stream.runDrain<unknown, unknown, never>(answer), model.commit([commitOf(at, position, ["x"])])],
          { concurrency: "unbounded" }
        )
        const stamps = Result.isSuccess(result) ? result.success.events.map((event) => event.created_at) : []
        assert.isAbove(Math.min(...stamps.map(Date.parse)), Date.parse(now))
      }
    }).pipe(
      Effect.provide(
        PostgresStore.layerWith({ schema: two.schema }).pipe(
          Layer.provideMerge(
            PgClient.layer({ url: Redacted.make(inject("databaseUrl")), maxConnections: 1, multiplex: true })
          )
        )
      )
    )
  )

  it.effect("of all partitions never deadlock with a writer to several", () =>
    Effect.gen(function* () {
      const tenant = uniqueName("deadlock")
      const sql = yield* SqlClient.SqlClient
      const model = yield* WorkflowEventModel
      const [low, high] = [0, 1].map((partition) => ({ tenant, executionId: idIn(tenant, partition, "x") }))
      assert(low !== undefined && high !== undefined)
      // Moves the row of partition 0 behind that of 1, so a reader in physical order begins with 1.
      yield* model.commit([commitOf(low, 0, ["1"])])
      const [writer, lister] = [yield* session(two.schema, "both writer"), yield* session(two.schema, "all lister")]
      const unlock = yield* inOpenTransaction(
        sql`select from ${sql(`${two.schema}.partitions`)} where partition = 0 for update`
      )
      const written = yield* Effect.forkChild(
        Effect.flatMap(WorkflowEventModel, (other) =>
          other.commit([commitOf(high, 0, ["1"]), commitOf(low, 1, ["2"])])
        ).pipe(Effect.provide(writer))
      )
      yield* isBlocked("both writer")
      const listed = yield* Effect.forkChild(
        Effect.flatMap(WorkflowExecutionModel, (other) =>
          Stream.runCollect(other.list({ tenant, asOf: "9999-01-01T00:00:00.000Z" }))
        ).pipe(Effect.provide(lister))
      )
      yield* isBlocked("all lister")
      yield* unlock
      assert.isTrue((yield* Fiber.join(written)).every(Result.isSuccess))
      assert.lengthOf(yield* Fiber.join(listed), 2)
    })
  )
})

layer(two.layer, { excludeTestServices: true })("sixteen writers on few executions", (it) => {
  it.effect("leave no gap and lose nothing, though some conflict, roll back or are killed", () =>
    Effect.gen(function* () {
      const tenant = uniqueName("writers")
      const sql = yield* SqlClient.SqlClient
      const model = yield* WorkflowEventModel
      const executions = yield* WorkflowExecutionModel
      const places = ["1", "2", "3", "4"].map((executionId) => ({ tenant, executionId }))
      const admin = yield* session(two.schema, "admin")
      const kill = (pid: number) =>
        Effect.flatMap(SqlClient.SqlClient, (other) => other`select pg_terminate_backend(${pid}, 5000)`).pipe(
          Effect.provide(admin)
        )
      const tally = { written: 0, conflicts: 0, rolledBack: 0, killed: 0 }

      /** Commits to one to four executions, in the writer's own order. */
      const attempt = Effect.fnUntraced(function* (writer: number, round: number) {
        const turned = places.map((_, place) => places[(place + writer + round) % places.length] ?? places[0])
        const chosen = turned.slice(0, 1 + ((writer + round) % 4)).flatMap((place) => place ?? [])
        const commits = yield* Effect.forEach(chosen, (place) =>
          Effect.map(executions.find(place), (header) =>
            commitOf(place, header._tag === "Some" ? header.value.position : 0, ["x", "y"], `${writer}-${round}`)
          )
        )
        return Array.isReadonlyArrayNonEmpty(commits) ? yield* model.commit(commits) : []
      })

      const turn = Effect.fnUntraced(function* (writer: number, round: number) {
        if (round % 5 === 3) {
          yield* attempt(writer, round).pipe(Effect.andThen(Effect.fail("no")), sql.withTransaction, Effect.flip)
          tally.rolledBack += 1
          return
        }
        if (round % 10 === 6) {
          yield* Effect.gen(function* () {
            yield* attempt(writer, round)
            const [backend] = yield* sql<{ pid: number }>`select pg_backend_pid() as pid`
            yield* kill(backend?.pid ?? 0)
          }).pipe(sql.withTransaction, Effect.flip)
          tally.killed += 1
          return
        }
        const results = yield* attempt(writer, round)
        tally.written += 2 * results.filter(Result.isSuccess).length
        tally.conflicts += results.filter(Result.isFailure).length
      })

      yield* Effect.forEach(
        Array.range(0, 15),
        (writer) => Effect.forEach(Array.range(0, 14), (round) => turn(writer, round)),
        { concurrency: "unbounded" }
      )

      assert.deepInclude(tally, { rolledBack: 48, killed: 16 })
      assert.isAbove(tally.written, 100)
      assert.isAbove(tally.conflicts, 100)
      const events = yield* Stream.runCollect(model.readTenant({ tenant }))
      assert.lengthOf(events, tally.written)
      for (const place of places) {
        const log = events.filter((event) => event.execution_id === place.executionId)
        const header = yield* executions.find(place)
        assert.deepStrictEqual(
          log.map((event) => event.position),
          log.map((_, index) => index + 1)
        )
        assert.deepStrictEqual(
          log.map((event) => event.created_at),
          log.map((event) => event.created_at).toSorted()
        )
        assert.deepInclude(header._tag === "Some" ? header.value : {}, {
          position: log.length,
          updatedAt: log.at(-1)?.created_at
        })
      }
      for (const partition of [0, 1]) {
        const feed = yield* model.readFeed({ partition, after: 0, limit: 100_000 })
        assert.deepStrictEqual(
          feed.map((event) => event.offset),
          feed.map((_, index) => index + 1)
        )
      }
    })
  )
})
