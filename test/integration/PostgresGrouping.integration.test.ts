/** Commits that come at once are written together: nobody notices, but for the clock. */
import { assert, layer } from "@effect/vitest"
import { WorkflowEventModel } from "@refold/core"
import { Array, Effect, Result, Stream } from "effect"
import { commitOf } from "./commits.ts"
import { ownSchema, uniqueName } from "./ownSchema.ts"

const own = ownSchema("grouping", { partitionCount: 4 })

const atOnce = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

layer(own.layer, { excludeTestServices: true })("commits that come at once", (it) => {
  it.effect("each get their own answer, and every position has one event", () =>
    Effect.gen(function* () {
      const model = yield* WorkflowEventModel
      const tenant = uniqueName("many")
      const at = (place: number) => ({ tenant, executionId: `e-${place % 40}` })
      yield* atOnce(Array.makeBy(40, (place) => model.commit([commitOf(at(place), 0, ["0"])])))
      // Three writers of each execution, all of whom saw it at position 1, among many of others.
      const answers = yield* atOnce(
        Array.makeBy(120, (place) => model.commit([commitOf(at(place), 1, [`by ${place}`], ` of ${place}`)]))
      )
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
      assert.deepInclude(refused, { _tag: "StoreError", reason: "Refused" })
      assert.isTrue(answers.every(([answer]) => Result.isSuccess(answer)))
      assert.strictEqual((yield* Stream.runCollect(model.readTenant({ tenant }))).length, 31)
    })
  )
})
