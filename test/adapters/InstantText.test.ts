/** Instants as the SQL stores hand them out: their own spelling, made for speed, held to `toISOString`. */
import { assert, layer } from "@effect/vitest"
import { PgliteStore } from "@refold/adapters/pglite"
import { WorkflowEventModel } from "@refold/core"
import { Array, Effect, Stream } from "effect"
import fc from "fast-check"

const first = Date.parse("0001-01-01T00:00:00.000Z")
const last = Date.parse("9999-12-31T23:59:59.999Z")
const millisPerDay = 86_400_000

/** Where a day, and what is remembered of it, begins and ends: before 1970 as well. */
const aroundMidnight = fc
  .tuple(
    fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer({ min: first / millisPerDay + 1, max: 2_932_895 })),
    fc.integer({ min: -2, max: 2 })
  )
  .map(([day, offset]) => day * millisPerDay + offset)

const instant = fc.oneof(fc.integer({ min: first, max: last }), aroundMidnight, fc.constantFrom(first, -1, 0, 1, last))

/** Commits an event at each of the instants, in the order of time, and reads them back. */
const assertSameAfterStore = Effect.fnUntraced(function* (executionId: string, millis: ReadonlyArray<number>) {
  const events = yield* WorkflowEventModel
  const instants = millis.toSorted((left, right) => left - right).map((each) => new Date(each).toISOString())
  const imported = instants.map((createdAt, place) => ({
    event_id: `${executionId}#${place}`,
    event_name: "seen",
    event_type: "workflow",
    from_state: "before",
    to_state: "after",
    schema_version: 1,
    metadata: {},
    created_at: createdAt
  }))
  if (!Array.isArrayNonEmpty(imported)) return
  const [written] = yield* events.commit([
    {
      tenant: "instants",
      executionId,
      workflow: { name: "instants", version: 1 },
      expectedPosition: 0,
      events: imported,
      isComplete: false
    }
  ])
  yield* Effect.fromResult(written)
  const stored = yield* Stream.runCollect(events.read({ tenant: "instants", executionId, after: 0 }))
  assert.deepStrictEqual(
    stored.map((event) => event.created_at),
    instants
  )
})

layer(PgliteStore.layer(), { excludeTestServices: true, timeout: "30 seconds" })("instants of a SQL store", (it) => {
  it.effect("are spelled as toISOString spells them, from the year 1 to 9999", () =>
    Effect.gen(function* () {
      const run = Effect.runPromiseWith(yield* Effect.context<WorkflowEventModel>())
      let executionCount = 0
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.array(instant, { minLength: 1, maxLength: 300, size: "max" }), (millis) => {
            executionCount += 1
            return run(assertSameAfterStore(`property ${executionCount}`, millis))
          }),
          { numRuns: 20 }
        )
      )
    })
  )

  it.effect("and where there are more days than are remembered", () =>
    assertSameAfterStore(
      "many days",
      Array.makeBy(9000, (place) => first + Math.floor(place / 2) * 787 * millisPerDay + (place % 2) * 3_723_004)
    )
  )
})
