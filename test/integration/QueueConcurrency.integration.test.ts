import { assert, it as test, layer } from "@effect/vitest"
import { PostgresStore } from "@refold/adapters/postgres"
import {
  type Commit,
  type QueuedEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  type Settlement
} from "@refold/core"
import { Array, Deferred, Effect, Fiber, Layer, Option, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { type At, commitOf } from "./commits.ts"
import { dropped, layerClient, ownSchema, uniqueName } from "./ownSchema.ts"
import { inOpenTransaction, isBlocked, session } from "./sessions.ts"

const { layer: store, schema } = ownSchema("queue", { partitionCount: 4, maxConnections: 20 })

/** An execution with one event and an empty queue. */
const started = Effect.fnUntraced(function* (tenant: string, executionId: string) {
  const model = yield* WorkflowEventModel
  const at = { tenant, executionId }
  yield* model.commit([commitOf(at, 0, ["open"])])
  return at
})

/** Two executions of one tenant, in the order in which their rows are locked. */
const startedBoth = Effect.fnUntraced(function* () {
  const tenant = uniqueName("tenant")
  return [yield* started(tenant, "a"), yield* started(tenant, "b")] as const
})

const asking = ({ executionId, tenant }: At, name: string): QueuedEvent.NewQueuedEvent => ({
  tenant,
  executionId,
  processingId: `${executionId} processing ${name}`,
  eventId: `${executionId} event ${name}`,
  submission: { event_name: name }
})

const enqueue = Effect.fnUntraced(function* (...events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) {
  const model = yield* WorkflowEventProcessingModel
  return yield* model.enqueue(events)
})

const claim = Effect.fnUntraced(function* (...executions: Array.NonEmptyReadonlyArray<At>) {
  const model = yield* WorkflowEventProcessingModel
  return yield* model.claim({ executions, limit: 100 })
})

/** A claim has one statement for one execution and another for many. These are claims of `a` by each of them. */
const forms: ReadonlyArray<{
  readonly form: string
  readonly claimed: (a: At, b: At) => Array.NonEmptyReadonlyArray<At>
  /** Whether the statement locks the first event of a queue before it reads its status. */
  readonly waitsForTheDead: boolean
}> = [
  { form: "alone", claimed: (a) => [a], waitsForTheDead: false },
  { form: "among others", claimed: (a, b) => [a, b], waitsForTheDead: true }
]

const rejected: Settlement = { _tag: "Rejected", error: "No", reason: "no", currentState: "open" }

/** A commit without events that rejects the next `count` events of the queue. */
const rejecting = (at: At, position: number, after: number, count: number): Commit.Commit => ({
  ...commitOf(at, position, ["none"]),
  events: [],
  settles: { after, settlements: Array.makeBy(count, () => rejected) }
})

const commit = Effect.fnUntraced(function* (...commits: Array.NonEmptyReadonlyArray<Commit.Commit>) {
  const model = yield* WorkflowEventModel
  return (yield* model.commit(commits)).map(Result.isSuccess)
})

const fail = Effect.fnUntraced(function* (
  event: QueuedEvent.QueuedEvent,
  next: "Block" | "Skip",
  attemptCount: number
) {
  const model = yield* WorkflowEventProcessingModel
  const { executionId, queuePosition, tenant } = event
  yield* model.fail({
    event: { tenant, executionId, queuePosition, attemptCount },
    cause: "it failed",
    next: { _tag: next }
  })
})

/** Two executions. The first has queued events with these names; the first of them is a dead letter. */
const givenUp = Effect.fnUntraced(function* (next: "Block" | "Skip", first: string, ...others: ReadonlyArray<string>) {
  const [a, b] = yield* startedBoth()
  const [entry] = yield* enqueue(asking(a, first), ...others.map((name) => asking(a, name)))
  yield* claim(a)
  yield* fail(entry, next, 1)
  return { a, b, entry }
})

const queueOf = Effect.fnUntraced(function* (at: At) {
  const model = yield* WorkflowEventProcessingModel
  const { executionId, tenant } = at
  return yield* Stream.runCollect(
    model.list({
      tenant,
      executionId,
      statuses: ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"],
      batchSize: 50
    })
  )
})

const placesOf = (entries: ReadonlyArray<QueuedEvent.QueuedEvent>) =>
  entries.map((entry) => `${entry.executionId}${entry.queuePosition}`).join(" ")

/** Runs the effect in a separate session; returns when it waits for a lock. */
const blocked = Effect.fnUntraced(function* <A, E>(
  name: string,
  effect: Effect.Effect<A, E, WorkflowEventModel | WorkflowEventProcessingModel | SqlClient.SqlClient>
) {
  const context = yield* session(schema, name)
  const fiber = yield* Effect.forkChild(Effect.provide(effect, context))
  yield* isBlocked(name)
  return fiber
})

/** Runs the effect, which must not wait for a lock. The time limit makes a waiting effect fail; it measures nothing. */
const unhindered = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.andThen(sql`set local lock_timeout = '10s'`, effect))
  )

layer(store, { excludeTestServices: true })("sixteen producers", (it) => {
  it.effect("take dense places, which a reader sees in their order and a worker settles one after the other", () =>
    Effect.gen(function* () {
      const [at, beside] = yield* startedBoth()
      const [writerCount, roundCount] = [16, 20]
      const total = writerCount * roundCount
      const producers = yield* Effect.forkChild(
        Effect.forEach(
          Array.range(1, writerCount),
          (writer) =>
            Effect.forEach(Array.range(1, roundCount), (round) =>
              enqueue(asking(at, `${writer} ${round}`), asking(beside, `${writer} ${round}`))
            ),
          { concurrency: "unbounded" }
        )
      )
      const reader = yield* Effect.forkChild(
        Effect.gen(function* () {
          let seen: ReadonlyArray<string> = []
          while (seen.length < total) {
            const entries = yield* queueOf(at)
            const ids = entries.map((entry) => entry.processingId)
            assert.deepStrictEqual(
              entries.map((entry) => entry.queuePosition),
              entries.map((_, place) => place + 1)
            )
            assert.deepStrictEqual(ids.slice(0, seen.length), seen)
            seen = ids
          }
          return seen
        })
      )
      const worked: Array<string> = []
      while (worked.length < total) {
        for (const { events, settledCount } of yield* claim(at)) {
          assert.strictEqual(settledCount, worked.length)
          assert.deepStrictEqual(
            events.map((event) => event.queuePosition),
            events.map((_, place) => settledCount + place + 1)
          )
          worked.push(...events.map((event) => event.processingId))
          assert.deepStrictEqual(yield* commit(rejecting(at, 1, settledCount, events.length)), [true])
        }
      }
      yield* Fiber.join(producers)
      assert.deepStrictEqual(yield* Fiber.join(reader), worked)
      for (const writer of Array.range(1, writerCount)) {
        assert.deepStrictEqual(
          worked.filter((id) => id.startsWith(`a processing ${writer} `)),
          Array.range(1, roundCount).map((round) => `a processing ${writer} ${round}`)
        )
      }
      assert.lengthOf(yield* queueOf(beside), total)
    })
  )
})

layer(store, { excludeTestServices: true })("an open transaction that enqueues", (it) => {
  it.effect("holds up writers to the same queue, and nothing and nobody else", () =>
    Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      yield* enqueue(asking(a, "1"), asking(a, "2"))
      const end = yield* inOpenTransaction(enqueue(asking(a, "3")))
      const second = yield* blocked("second producer", enqueue(asking(a, "4")))

      assert.strictEqual(placesOf(yield* unhindered(enqueue(asking(b, "1")))), "b1")
      assert.strictEqual(placesOf(yield* queueOf(a)), "a1 a2")
      const claims = yield* unhindered(claim(a, b))
      assert.deepStrictEqual(
        claims.map((each) => placesOf(each.events)),
        ["a1 a2", "b1"]
      )
      assert.deepStrictEqual(yield* unhindered(commit(rejecting(a, 1, 0, 2), rejecting(b, 1, 0, 1))), [true, true])
      assert.deepStrictEqual(yield* unhindered(commit(commitOf(a, 1, ["paid"]))), [true])

      assert.strictEqual(placesOf(yield* end), "a3")
      assert.strictEqual(placesOf(yield* Fiber.join(second)), "a4")
      assert.strictEqual(placesOf((yield* claim(a)).flatMap((each) => each.events)), "a3 a4")
    })
  )

  it.effect("leaves no gap when it is rolled back", () =>
    Effect.gen(function* () {
      const [a] = yield* startedBoth()
      const sql = yield* SqlClient.SqlClient
      const [done, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const first = yield* Effect.forkChild(
        enqueue(asking(a, "lost"), asking(a, "lost too")).pipe(
          Effect.tap(Deferred.succeed(done, undefined)),
          Effect.tap(Deferred.await(release)),
          Effect.andThen(Effect.fail("rolled back")),
          sql.withTransaction,
          Effect.flip
        )
      )
      yield* Deferred.await(done)
      const second = yield* blocked("after a rollback", enqueue(asking(a, "kept")))
      yield* Deferred.succeed(release, undefined)
      assert.strictEqual(yield* Fiber.join(first), "rolled back")
      yield* Fiber.join(second)
      assert.deepStrictEqual(
        (yield* queueOf(a)).map((entry) => [entry.queuePosition, entry.submission.event_name]),
        [[1, "kept"]]
      )
    })
  )
})

layer(store, { excludeTestServices: true })("enqueueing in the caller's transaction", (it) => {
  const orders = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const table = sql`${sql(`${schema}.orders`)}`
    yield* sql`create table if not exists ${table} (tenant text, id text, primary key (tenant, id))`
    return {
      place: ({ tenant }: At, id: string) => sql`insert into ${table} values (${tenant}, ${id})`,
      of: ({ tenant }: At) =>
        Effect.map(sql<{ id: string }>`select id from ${table} where tenant = ${tenant} order by id`, (rows) =>
          rows.map((row) => row.id)
        )
    }
  })

  it.effect("commits with its rows, or neither stays", () =>
    Effect.gen(function* () {
      const [a] = yield* startedBoth()
      const sql = yield* SqlClient.SqlClient
      const { of, place } = yield* orders
      yield* sql.withTransaction(Effect.andThen(place(a, "1"), enqueue(asking(a, "1"))))
      assert.deepStrictEqual([yield* of(a), placesOf(yield* queueOf(a))], [["1"], "a1"])

      const late = enqueue(asking(a, "2")).pipe(Effect.andThen(place(a, "1")), sql.withTransaction)
      assert.isTrue(Result.isFailure(yield* Effect.result(late)))
      assert.deepStrictEqual([yield* of(a), placesOf(yield* queueOf(a))], [["1"], "a1"])

      const [first] = yield* enqueue({ ...asking(a, "3"), idempotencyKey: "key" })
      const refused = place(a, "2").pipe(
        Effect.andThen(enqueue({ ...asking(a, "4"), idempotencyKey: "key" })),
        sql.withTransaction
      )
      const failure = yield* Effect.flip(refused)
      assert.strictEqual(failure._tag, "IdempotencyConflict")
      assert.deepStrictEqual([yield* of(a), placesOf(yield* queueOf(a))], [["1"], "a1 a2"])
      assert.strictEqual(first.queuePosition, 2)
    })
  )

  it.effect("survives a race for an idempotency key, whether lost to the same request or to another", () =>
    Effect.gen(function* () {
      const { of, place } = yield* orders
      for (const isSame of [true, false]) {
        const [a] = yield* startedBoth()
        const event = { ...asking(a, "first"), idempotencyKey: "key" }
        const again = isSame
          ? { ...event, processingId: "again", eventId: "again" }
          : { ...asking(a, "other"), idempotencyKey: "key" }
        const end = yield* inOpenTransaction(enqueue(event))
        const second = yield* blocked(
          `late with a key, same: ${isSame}`,
          Effect.gen(function* () {
            const sql = yield* SqlClient.SqlClient
            return yield* place(a, "1").pipe(
              Effect.andThen(Effect.result(enqueue(again, asking(a, "2")))),
              Effect.tap(place(a, "2")),
              sql.withTransaction
            )
          })
        )
        const first = yield* end
        const answer = yield* Fiber.join(second)
        assert.deepStrictEqual(yield* of(a), ["1", "2"])
        if (isSame) {
          assert.deepStrictEqual(Result.getOrThrow(answer)[0], first[0])
          assert.strictEqual(placesOf(yield* queueOf(a)), "a1 a2")
        } else {
          assert.strictEqual(Result.isFailure(answer) ? answer.failure._tag : "success", "IdempotencyConflict")
          assert.strictEqual(placesOf(yield* queueOf(a)), "a1")
        }
      }
    })
  )
})

layer(store, { excludeTestServices: true })("claiming in the caller's transaction", (it) => {
  it.effect.each(forms)("leaves its commit to wait for the disk, claimed $form", ({ claimed }) =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [a, b] = yield* startedBoth()
      yield* enqueue(asking(a, "1"))
      const [setting] = yield* Effect.andThen(
        claim(...claimed(a, b)),
        sql<{ isAwaited: boolean }>`select current_setting('synchronous_commit') = 'on' as "isAwaited"`
      ).pipe(sql.withTransaction)
      assert.deepStrictEqual(setting, { isAwaited: true })
    })
  )
})

layer(store, { excludeTestServices: true })("calls about the same executions", (it) => {
  it.effect("that enqueue lock them in one order, whatever theirs: none has what another waits for", () =>
    Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const end = yield* inOpenTransaction(enqueue(asking(a, "1")))
      const batch = yield* blocked("b before a", enqueue(asking(b, "2"), asking(a, "2")))
      assert.strictEqual(placesOf(yield* unhindered(enqueue(asking(b, "1")))), "b1")
      yield* end
      assert.strictEqual(placesOf(yield* Fiber.join(batch)), "b2 a2")
      const rounds = Array.range(3, 12)
      yield* Effect.forEach(
        [1, 2, 3, 4, 5, 6],
        (writer) =>
          Effect.forEach(rounds, (round) => {
            const name = `${writer} ${round}`
            return writer % 2 === 0
              ? enqueue(asking(a, name), asking(b, name))
              : enqueue(asking(b, name), asking(a, name))
          }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([(yield* queueOf(a)).length, (yield* queueOf(b)).length], [62, 62])
    })
  )

  it.effect("that claim or settle them lock their events in one order too", () =>
    Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const sql = yield* SqlClient.SqlClient
      yield* enqueue(asking(a, "1"), asking(b, "1"))
      const lockFirst = sql`select from ${sql(`${schema}.queue`)}
        where tenant = ${a.tenant} and execution_id = 'a' and queue_position = 1 for update`
      for (const [name, work] of [
        ["claims b before a", Effect.asVoid(claim(b, a))],
        ["settles b before a", Effect.asVoid(commit(rejecting(b, 1, 0, 1), rejecting(a, 1, 0, 1)))]
      ] as const) {
        const end = yield* inOpenTransaction(lockFirst)
        const fiber = yield* blocked(name, work)
        assert.strictEqual(placesOf((yield* unhindered(claim(b))).flatMap((each) => each.events)), "b1")
        yield* end
        yield* Fiber.join(fiber)
      }
      assert.deepStrictEqual(
        [...(yield* queueOf(a)), ...(yield* queueOf(b))].map((entry) => [entry.status._tag, entry.attemptCount]),
        [
          ["Rejected", 1],
          ["Rejected", 3]
        ]
      )
    })
  )
})

layer(store, { excludeTestServices: true })("at once", (it) => {
  it.effect("eight writers with one idempotency key lead to one entry, which all are given", () =>
    Effect.gen(function* () {
      const [a] = yield* startedBoth()
      for (const round of Array.range(1, 20)) {
        const answers = yield* Effect.forEach(
          Array.range(1, 8),
          (writer) =>
            enqueue({
              ...asking(a, `round ${round}`),
              processingId: `${round} of ${writer}`,
              eventId: `${round} of ${writer}`,
              idempotencyKey: `key ${round}`
            }),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(new Set(answers.map(([entry]) => entry.processingId)), 1)
        assert.deepStrictEqual(
          answers.map(([entry]) => entry.queuePosition),
          answers.map(() => round)
        )
      }
      assert.lengthOf(yield* queueOf(a), 20)
    })
  )

  it.effect.each(forms)(
    "four claimers of one execution, $form, each count an attempt, and one settles",
    ({ claimed }) =>
      Effect.gen(function* () {
        const [a, b] = yield* startedBoth()
        for (const round of Array.range(0, 19)) {
          yield* enqueue(asking(a, `${round}`))
          const claims = yield* Effect.forEach([1, 2, 3, 4], () => claim(...claimed(a, b)), {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(
            claims
              .flat()
              .map((each) => each.events[0].attemptCount)
              .toSorted((left, right) => left - right),
            [1, 2, 3, 4]
          )
          const settled = yield* Effect.forEach(
            claims.flat(),
            (each) => commit(rejecting(a, each.header.position, each.settledCount, each.events.length)),
            { concurrency: "unbounded" }
          )
          assert.lengthOf(
            settled.filter(([isSettled]) => isSettled === true),
            1
          )
        }
      })
  )

  it.effect.each(forms)(
    "a claim, $form, and the late end of the attempt before it: the event is neither lost nor passed over",
    ({ claimed, form }) =>
      Effect.gen(function* () {
        const [a, b] = yield* startedBoth()
        const [entry] = yield* enqueue(asking(a, "1"), asking(a, "2"))
        yield* claim(a)
        const end = yield* inOpenTransaction(claim(...claimed(a, b)))
        const late = yield* blocked(`late end ${form}`, fail(entry, "Skip", 1))
        yield* end
        yield* Fiber.join(late)
        const [again] = yield* claim(a)
        assert.deepInclude(again, { settledCount: 0 })
        assert.strictEqual(again?.events[0].attemptCount, 3)
        assert.deepStrictEqual(
          (yield* queueOf(a)).map((each) => each.status._tag),
          ["Pending", "Pending"]
        )
      })
  )

  it.effect.each(forms)(
    "a claim, $form, while a dead event is redriven: it is taken up first or not yet, never the one behind it",
    ({ claimed, form, waitsForTheDead }) =>
      Effect.gen(function* () {
        const { a, b, entry } = yield* givenUp("Block", "1", "2")
        const end = yield* inOpenTransaction(
          Effect.flatMap(WorkflowEventProcessingModel, (model) => model.redrive(entry))
        )
        const work = claim(...claimed(a, b))
        const answer = waitsForTheDead
          ? Fiber.join(yield* blocked(`claim ${form}`, work))
          : Effect.succeed(yield* unhindered(work))
        yield* end
        assert.deepStrictEqual(yield* answer, [])
        const [next] = yield* claim(...claimed(a, b))
        assert.strictEqual(placesOf(next?.events ?? []), "a1 a2")
        assert.strictEqual(next?.events[0].attemptCount, 1)
      })
  )

  it.effect("two that redrive a skipped event: it takes one place, and no gap stays behind it", () =>
    Effect.gen(function* () {
      const model = yield* WorkflowEventProcessingModel
      const { a, entry } = yield* givenUp("Skip", "1")
      const redrive = Effect.flatMap(WorkflowEventProcessingModel, (other) => other.redrive(entry))
      const end = yield* inOpenTransaction(enqueue(asking(a, "2")))
      const fibers = [yield* blocked("first redrive", redrive), yield* blocked("second redrive", redrive)]
      yield* end
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(
        answers.flatMap(Option.toArray).map((each) => each.queuePosition),
        [3]
      )
      yield* enqueue(asking(a, "4"))
      assert.strictEqual(placesOf(yield* queueOf(a)), "a2 a3 a4")
      assert.deepStrictEqual(yield* commit(rejecting(a, 1, 1, 3)), [true])
      assert.isTrue(Option.isNone(yield* model.redrive(entry)))
    })
  )

  it.effect("one that discards a dead event and one that redrives it: what comes first holds", () =>
    Effect.gen(function* () {
      for (const isRedrivenFirst of [true, false]) {
        const { a, entry } = yield* givenUp("Block", "1", "2")
        const redrive = Effect.flatMap(WorkflowEventProcessingModel, (other) => other.redrive(entry))
        const discard = Effect.flatMap(WorkflowEventProcessingModel, (other) => other.discard(entry))
        const end = yield* inOpenTransaction(isRedrivenFirst ? redrive : discard)
        const second = yield* blocked(`redriven first: ${isRedrivenFirst}`, isRedrivenFirst ? discard : redrive)
        assert.isTrue(Option.isSome(yield* end))
        assert.isTrue(Option.isNone(yield* Fiber.join(second)))
        const [next] = yield* claim(a)
        assert.strictEqual(placesOf(next?.events ?? []), isRedrivenFirst ? "a1 a2" : "a2")
      }
    })
  )

  it.effect.each([
    { while: "it is redriven and dies again", behindCount: 0, isInOneTransaction: true },
    { while: "it is redriven and dies again, call by call", behindCount: 0, isInOneTransaction: false },
    { while: "it is redriven and dies again behind another", behindCount: 1, isInOneTransaction: true }
  ])(
    "one that waits to discard a skipped event, while $while: it is discarded where it is now, and passed",
    ({ behindCount, isInOneTransaction }) =>
      Effect.gen(function* () {
        const model = yield* WorkflowEventProcessingModel
        const { a, entry } = yield* givenUp("Skip", "1")
        if (behindCount > 0) yield* enqueue(asking(a, "2"))
        const diesAgain = Effect.gen(function* () {
          yield* model.redrive(entry)
          if (behindCount > 0) yield* commit(rejecting(a, 1, 1, behindCount))
          const [again] = yield* claim(a)
          assert(again !== undefined)
          yield* fail(again.events[0], "Block", 1)
        })
        const end = yield* inOpenTransaction(isInOneTransaction ? diesAgain : commit(commitOf(a, 1, ["more"])))
        const discard = Effect.flatMap(WorkflowEventProcessingModel, (other) => other.discard(entry))
        const waiting = yield* blocked(`discard ${behindCount} ${isInOneTransaction}`, discard)
        if (!isInOneTransaction) yield* diesAgain
        yield* end
        const discarded = Option.toArray(yield* Fiber.join(waiting))
        assert.strictEqual(placesOf(discarded), `a${2 + behindCount}`)
        assert.deepStrictEqual(
          (yield* queueOf(a)).filter((each) => each.processingId === entry.processingId),
          discarded
        )
        yield* enqueue(asking(a, "next"))
        const [next] = yield* claim(a)
        assert.strictEqual(placesOf(next?.events ?? []), `a${3 + behindCount}`)
      })
  )
})

test.live(
  "a store from before the queue keeps its data when it is migrated, and its executions have empty queues",
  () =>
    Effect.gen(function* () {
      const older = uniqueName("older")
      yield* dropped(older)
      const sql = yield* SqlClient.SqlClient
      const named = (table: string) => sql(`${older}.${table}`)
      const opened = PostgresStore.layerWith({ schema: older })
      yield* PostgresStore.migrate({ schema: older, partitionCount: 4 })
      for (const table of ["queue", "queue_lengths", "leases", "workers"]) yield* sql`drop table ${named(table)}`
      yield* sql`alter table ${named("executions")} drop column settled_count`
      yield* sql`delete from ${named("migrations")} where migration_id > 1`
      yield* sql`insert into ${named("executions")} values
      ('tenant', 'a', 0, 'sample', 1, 'open', 1, false, '2001-01-01', '2001-01-01')`
      yield* sql`insert into ${named("events")} values
      ('tenant', 'a', 1, 'event', 'start', 'workflow', 'none', 'open', null, 'null', 1, '2001-01-01', '2001-01-01', '{}',
       null, 0, 1)`
      const before = yield* sql`select * from ${named("events")}`

      const refusal = yield* Effect.flip(Effect.scoped(Layer.build(opened)))
      assert.strictEqual(refusal.reason._tag, "SchemaOlder")
      assert.deepStrictEqual(yield* PostgresStore.migrate({ schema: older }), ["0002_processing"])
      assert.deepStrictEqual(yield* sql`select * from ${named("events")}`, before)
      const at = { tenant: "tenant", executionId: "a" }
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* queueOf(at), [])
        assert.strictEqual(placesOf(yield* enqueue(asking(at, "1"))), "a1")
        const [claimed] = yield* claim(at)
        assert.deepInclude(claimed, { settledCount: 0, hasMore: false })
        assert.deepStrictEqual(yield* commit(rejecting(at, 1, 0, 1)), [true])
      }).pipe(Effect.provide(opened))
    }).pipe(Effect.scoped, Effect.provide(layerClient()))
)
