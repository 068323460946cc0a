import { assert, describe, it } from "@effect/vitest"
import * as Batcher from "@refold/adapters/src/internal/Batcher"
import { Array, Deferred, Effect, Exit, Fiber, Scope } from "effect"
import * as fc from "fast-check"

type Items = Array.NonEmptyReadonlyArray<number>

/** A batcher whose `run` answers each item with its double, and the batches that it ran. */
const recording = Effect.fnUntraced(function* (
  options: Partial<Batcher.Options<number, number, string>> & {
    readonly before?: (items: Items) => Effect.Effect<void, string>
  } = {}
) {
  const batches: globalThis.Array<Items> = []
  const { before = () => Effect.void, ...others } = options
  const call = yield* Batcher.make<number, number, string>({
    run: (items) =>
      Effect.suspend(() => {
        batches.push(items)
        return Effect.as(
          Effect.andThen(Effect.yieldNow, before(items)),
          Array.map(items, (item) => item * 2)
        )
      }),
    minShare: 8,
    yieldsFirst: false,
    isEverybodys: (error) => error === "all",
    ...others
  })
  // The batcher's fibers have started.
  yield* Effect.yieldNow
  return { batches, call, sizes: () => batches.map(({ length }) => length) }
})

const atOnce = <A, E>(count: number, call: (items: Items) => Effect.Effect<A, E>) =>
  Effect.all(
    Array.makeBy(count, (n) => Effect.exit(call([n]))),
    { concurrency: "unbounded" }
  )

describe("A batcher's decisions", () => {
  it("runs a call directly only while no other is open", () => {
    assert.deepStrictEqual([1, 2, 3, 100].map(Batcher.runsDirectly), [true, false, false, false])
  })

  it("puts half of the open calls in a batch, and all of them while they are few", () => {
    const sizes = [2, 8, 16, 17, 80].map((openCount) => Batcher.batchSize(openCount, 8))
    assert.deepStrictEqual(sizes, [8, 8, 8, 9, 40])
  })

  it("splits the answers by the counts of the calls, in their order", () =>
    fc.assert(
      fc.property(fc.array(fc.array(fc.nat())), (calls) => {
        const counts = calls.map(({ length }) => length)
        assert.deepStrictEqual(Batcher.split(calls.flat(), counts), calls)
      })
    ))
})

describe("A batcher", () => {
  it.effect("runs the first of many calls at once, and the others in halves; each gets its own answer", () =>
    Effect.gen(function* () {
      for (const [count, sizes] of [
        [1, [1]],
        [8, [1, 7]],
        [20, [1, 10, 9]]
      ] as const) {
        const batcher = yield* recording()
        const exits = yield* atOnce(count, batcher.call)
        assert.deepStrictEqual(
          exits,
          Array.makeBy(count, (n) => Exit.succeed([n * 2] as const))
        )
        assert.deepStrictEqual(batcher.sizes(), [...sizes])
      }
    })
  )

  it.effect("that yields first has all calls of a tick in one batch, and still runs a lone one", () =>
    Effect.gen(function* () {
      const batcher = yield* recording({ yieldsFirst: true })
      yield* atOnce(8, batcher.call)
      yield* batcher.call([1])
      assert.deepStrictEqual(batcher.sizes(), [8, 1])
    })
  )

  it.effect("keeps the items of a call together, also where calls have several", () =>
    Effect.gen(function* () {
      const { batches, call } = yield* recording()
      const answers = yield* Effect.all([call([0]), call([1, 2, 3]), call([4]), call([5, 6])], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(answers, [[0], [2, 4, 6], [8], [10, 12]])
      assert.deepStrictEqual(batches, [[0], [1, 2, 3, 4, 5, 6]])
    })
  )

  it.effect("runs the calls of a failed batch alone, so that each fails for its own faults", () =>
    Effect.gen(function* () {
      const faulty = (items: Items) => (items.includes(3) ? Effect.fail("three") : Effect.void)
      const batcher = yield* recording({ before: faulty })
      const exits = yield* atOnce(6, batcher.call)
      assert.deepStrictEqual(
        exits,
        Array.makeBy(6, (n) => (n === 3 ? Exit.fail("three") : Exit.succeed([n * 2] as const)))
      )
      assert.deepStrictEqual(batcher.sizes(), [1, 5, 1, 1, 1, 1, 1])
    })
  )

  it.effect("gives everybody a failure that is everybody's, without another attempt", () =>
    Effect.gen(function* () {
      const batcher = yield* recording({ before: () => Effect.fail("all") })
      const exits = yield* atOnce(6, batcher.call)
      assert.deepStrictEqual(
        exits,
        Array.makeBy(6, () => Exit.fail("all"))
      )
      assert.deepStrictEqual(batcher.sizes(), [1, 5])
    })
  )

  it.effect("dies for the calls that a batch leaves without an answer", () =>
    Effect.gen(function* () {
      const { call } = yield* recording({ run: () => Effect.as(Effect.yieldNow, [0] as const) })
      const [first, second, third] = yield* atOnce(3, call)
      assert.deepStrictEqual([first, second], [Exit.succeed([0] as const), Exit.succeed([0] as const)])
      assert.isTrue(third !== undefined && Exit.hasDies(third))
    })
  )

  it.effect("interrupts the calls that are open when its scope closes", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const never = yield* Deferred.make<void, string>()
      const { call } = yield* Scope.provide(
        recording({ before: (items) => (items.includes(0) ? Effect.void : Deferred.await(never)) }),
        scope
      )
      const calls = yield* Effect.forkChild(atOnce(40, call), { startImmediately: true })
      for (let turn = 0; turn < 20; turn++) yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      const exits = yield* Fiber.join(calls)
      assert.deepStrictEqual(
        exits.map((exit) => Exit.isFailure(exit) && Exit.hasInterrupts(exit)),
        Array.makeBy(40, (n) => n !== 0)
      )
    })
  )
})
