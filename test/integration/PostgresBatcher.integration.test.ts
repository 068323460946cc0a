/** Group commit: concurrent calls are written together, and only the time shows it. */
import { assert, layer } from "@effect/vitest"
import { WorkflowEventModel, WorkflowEventProcessingModel, WorkflowSnapshotModel } from "@refold/core"
import { Array, Effect, Exit, Fiber, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { leastSteps, runFor } from "../runtime/interruptions.ts"
import { type At, commitOf, snapshotOf } from "./commits.ts"
import { ownSchema, uniqueName } from "./ownSchema.ts"

const own = ownSchema("grouping", { partitionCount: 4 })

const atOnce = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

/**
 * How many of a tenant's rows each transaction wrote, the smallest number first. With a position, counts only rows at that
 * position. Other writers do not count.
 */
const transactionSizes = Effect.fnUntraced(function* (table: string, tenant: string, position?: number) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ size: number }>`
    select count(*)::int as size from ${sql(`${own.schema}.${table}`)}
     where tenant = ${tenant} ${position === undefined ? sql`` : sql`and position = ${position}`}
     group by xmin::text order by size`
  return rows.map(({ size }) => size)
})

/** This many executions of a new tenant, each with its first event. */
const startedMany = Effect.fnUntraced(function* (prefix: string, count: number) {
  const events = yield* WorkflowEventModel
  const tenant = uniqueName(prefix)
  const ats = Array.makeBy(count, (place) => ({ tenant, executionId: `e-${place}` }))
  yield* events.commit(Array.map(ats, (at) => commitOf(at, 0, ["0"])))
  return ats
})

layer(own.layer, { excludeTestServices: true })("commits that come at once", (it) => {
  it.effect("each get their own answer, and every position has one event, in fewer transactions than there are", () =>
    Effect.gen(function* () {
      const model = yield* WorkflowEventModel
      const tenant = uniqueName("many")
      const at = (place: number) => ({ tenant, executionId: `e-${place % 40}` })
      yield* atOnce(Array.makeBy(40, (place) => model.commit([commitOf(at(place), 0, ["0"])])))
      // Three writers for each execution, all of which read it at position 1, among writers of other executions.
      const answers = yield* atOnce(
        Array.makeBy(120, (place) => model.commit([commitOf(at(place), 1, [`by ${place}`], ` of ${place}`)]))
      )
      assert.isBelow((yield* transactionSizes("events", tenant, 2)).length, 30)
      const winners = answers.flatMap(([answer], place) => (Result.isSuccess(answer) ? [place] : []))
      assert.deepStrictEqual(
        winners.map((place) => place % 40).toSorted((a, b) => a - b),
        Array.range(0, 39)
      )
      answers.forEach(([answer], place) => {
        if (Result.isSuccess(answer)) assert.strictEqual(answer.success.events[0]?.to_state, `by ${place}`)
        else assert.deepInclude(answer.failure, { _tag: "PositionConflict", expected: 1, actual: 2 })
      })
      const events = yield* Stream.runCollect(model.readTenant({ tenant }))
      assert.strictEqual(events.length, 80)
      assert.sameMembers(
        events.flatMap(({ position, to_state: state }) => (position === 2 ? [state] : [])),
        winners.map((place) => `by ${place}`)
      )
    })
  )

  it.effect("fail each for its own faults alone", () =>
    Effect.gen(function* () {
      const model = yield* WorkflowEventModel
      const tenant = uniqueName("faulty")
      yield* model.commit([commitOf({ tenant, executionId: "first" }, 0, ["0"])])
      const taken = { ...commitOf({ tenant, executionId: "first" }, 0, ["0"]), executionId: "twin" }
      const good = Array.makeBy(30, (place) =>
        model.commit([commitOf({ tenant, executionId: `e-${place}` }, 0, ["0"])])
      )
      const [refused, answers] = yield* Effect.all([Effect.flip(model.commit([taken])), atOnce(good)], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual([refused?._tag, refused?.reason._tag], ["StoreError", "Refused"])
      assert.isTrue(answers.every(([answer]) => Result.isSuccess(answer)))
      assert.strictEqual((yield* Stream.runCollect(model.readTenant({ tenant }))).length, 31)
    })
  )
})

layer(own.layer, { excludeTestServices: true })("calls of one moment", (it) => {
  const sizesOf = Effect.fnUntraced(function* (count: number) {
    const queue = yield* WorkflowEventProcessingModel
    const ats = yield* startedMany("moment", count)
    const { tenant } = Array.headNonEmpty(ats)
    const submission = { event_name: "moved" }
    yield* atOnce(
      ats.map((at, place) => queue.enqueue([{ ...at, processingId: `p-${place}`, eventId: `e-${place}`, submission }]))
    )
    const model = yield* WorkflowEventModel
    yield* atOnce(ats.map((at) => model.commit([commitOf(at, 1, ["1"])])))
    return { queued: yield* transactionSizes("queue", tenant), committed: yield* transactionSizes("events", tenant, 2) }
  })

  it.effect(
    "that queue go all together while they are few; of those that commit, one goes at once and the rest by halves",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* sizesOf(20), { queued: [20], committed: [1, 9, 10] })
        assert.deepStrictEqual(yield* sizesOf(8), { queued: [8], committed: [1, 7] })
      })
  )

  it.effect("do so also after calls that were interrupted, wherever that met them", () =>
    Effect.gen(function* () {
      const model = yield* WorkflowEventModel
      const tenant = uniqueName("interrupted")
      // As many as the calls below: if the count were wrong by fewer, one of those calls would still run alone.
      for (let round = 0; round < 10; round++) {
        for (let steps = leastSteps; steps < 60; steps++) {
          const at = { tenant, executionId: `e-${round}-${steps}` }
          yield* Fiber.interrupt(yield* runFor(model.commit([commitOf(at, 0, ["0"])]), steps))
        }
      }
      assert.deepStrictEqual((yield* sizesOf(8)).committed, [1, 7])
    })
  )

  it.effect("go by halves where they are many", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* sizesOf(80), { queued: [40, 40], committed: [1, 39, 40] })
    })
  )
})

layer(own.layer, { excludeTestServices: true })("commits of one execution that meet", (it) => {
  it.effect("are made all or none, so that the fault of a later one leaves the earlier one's answer true", () =>
    Effect.gen(function* () {
      const model = yield* WorkflowEventModel
      const tenant = uniqueName("meeting")
      const at = { tenant, executionId: "both" }
      yield* model.commit([commitOf({ tenant, executionId: "first" }, 0, ["0"])])
      const taken = {
        ...commitOf({ tenant, executionId: "first" }, 0, ["0"]),
        executionId: "both",
        expectedPosition: 1
      }
      const others = Array.makeBy(20, (place) =>
        Effect.exit(model.commit([commitOf({ tenant, executionId: `e-${place}` }, 0, ["0"])]))
      )
      const exits = yield* atOnce([
        ...others,
        Effect.exit(model.commit([commitOf(at, 0, ["0"])])),
        Effect.exit(model.commit([taken]))
      ])
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [...others.map(() => true), true, false])
      const answers = exits.flatMap((exit) => (Exit.isSuccess(exit) ? exit.value.map(Result.isSuccess) : []))
      assert.isTrue(answers.every((isCommitted) => isCommitted))
      assert.strictEqual((yield* Stream.runCollect(model.read({ ...at, after: 0 }))).length, 1)
    })
  )
})

layer(own.layer, { excludeTestServices: true })("events that are queued at once", (it) => {
  it.effect("each get their own place, in fewer transactions than there are", () =>
    Effect.gen(function* () {
      const queue = yield* WorkflowEventProcessingModel
      const ats = yield* startedMany("queued", 40)
      const entries = yield* atOnce(
        [...ats, ...ats].map((at, place) =>
          queue.enqueue([
            { ...at, processingId: `p-${place}`, eventId: `e-${place}`, submission: { event_name: "moved" } }
          ])
        )
      )
      assert.isBelow((yield* transactionSizes("queue", Array.headNonEmpty(ats).tenant)).length, 10)
      assert.deepStrictEqual(
        entries.map(([entry]) => [entry.processingId, entry.executionId]),
        [...ats, ...ats].map(({ executionId }, place) => [`p-${place}`, executionId])
      )
      const placesOf = ({ executionId }: At) =>
        entries.flatMap(([entry]) => (entry.executionId === executionId ? [entry.queuePosition] : []))
      for (const at of ats) assert.sameMembers(placesOf(at), [1, 2])
    })
  )
})

layer(own.layer, { excludeTestServices: true })("snapshots that come at once", (it) => {
  it.effect("are each stored and pruned, and those of one place are one, in fewer transactions than there are", () =>
    Effect.gen(function* () {
      const snapshots = yield* WorkflowSnapshotModel
      const ats = yield* startedMany("due", 40)
      const save = (at: At, position: number) =>
        snapshots.save({ snapshot: snapshotOf(at, position), prune: [position - 2, position] })
      for (const position of [1, 2, 3]) {
        yield* atOnce(ats.map((at) => save(at, position)))
        assert.isBelow((yield* transactionSizes("snapshots", Array.headNonEmpty(ats).tenant, position)).length, 10)
      }
      yield* atOnce(Array.makeBy(6, () => save(Array.headNonEmpty(ats), 4)))
      assert.deepStrictEqual(
        yield* atOnce(ats.map((at) => snapshots.positions(at))),
        ats.map((_, place) => (place === 0 ? [3, 4] : [2, 3]))
      )
    })
  )

  it.effect("fail each for its own faults alone", () =>
    Effect.gen(function* () {
      const snapshots = yield* WorkflowSnapshotModel
      const ats = yield* startedMany("strange", 20)
      const { tenant } = Array.headNonEmpty(ats)
      const saves = [...ats, { tenant, executionId: "nowhere" }].map((at) =>
        Effect.exit(snapshots.save({ snapshot: snapshotOf(at, 1), prune: [] }))
      )
      const exits = yield* atOnce(saves)
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [...ats.map(() => true), false])
      assert.strictEqual((yield* Stream.runCollect(snapshots.readTenant({ tenant }))).length, 20)
    })
  )
})
