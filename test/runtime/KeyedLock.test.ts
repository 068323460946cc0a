/** A keyed lock serialises callers with the same key. */
import { assert, describe, it } from "@effect/vitest"
import { KeyedLock } from "@refold/runtime/src/execution/KeyedLock"
import { Deferred, Effect, Exit, Fiber } from "effect"
import { leastSteps, runFor } from "./interruptions.ts"

const ref = { tenant: "acme", executionId: "e-1" }

describe("Turns", () => {
  it.effect("of one execution come one after another, in the order of the callers, also after one that fails", () =>
    Effect.gen(function* () {
      const turns = new KeyedLock()
      const seen: Array<string> = []
      const caller = (name: string) =>
        turns.run(
          ref,
          Effect.gen(function* () {
            seen.push(`${name} begins`)
            yield* Effect.yieldNow
            seen.push(`${name} ends`)
            if (name === "b") yield* Effect.fail(name)
          })
        )
      yield* Effect.all(["a", "b", "c"].map(caller).map(Effect.exit), { concurrency: "unbounded" })
      assert.deepStrictEqual(seen, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"])
    })
  )

  it.effect("wait also for one that came before those who have ended", () =>
    Effect.gen(function* () {
      const turns = new KeyedLock()
      const [first, second] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const one = yield* Effect.forkChild(turns.run(ref, Deferred.await(first)))
      const two = yield* Effect.forkChild(turns.run(ref, Deferred.await(second)))
      yield* Effect.yieldNow
      yield* Deferred.succeed(first, undefined)
      yield* Fiber.await(one)
      const three = yield* Effect.forkChild(turns.run(ref, Effect.void))
      yield* Effect.yieldNow
      assert.isUndefined(three.pollUnsafe())
      yield* Deferred.succeed(second, undefined)
      yield* Fiber.joinAll([two, three])
    })
  )

  it.effect("of another execution or tenant wait for nobody", () =>
    Effect.gen(function* () {
      const turns = new KeyedLock()
      const others = [
        { ...ref, executionId: "e-2" },
        { ...ref, tenant: "other" }
      ]
      const taken = yield* turns.run(ref, Effect.all(others.map((other) => turns.run(other, Effect.succeed(other)))))
      assert.deepStrictEqual(taken, others)
    })
  )

  it.effect("leave nothing behind, wherever an interruption meets them", () =>
    Effect.gen(function* () {
      const turns = new KeyedLock()
      yield* turns.run(
        ref,
        Effect.sync(() => assert.strictEqual(turns.size, 1))
      )
      for (let steps = leastSteps; steps < 30; steps++) {
        const caller = yield* runFor(turns.run(ref, Effect.never), steps)
        yield* Fiber.interrupt(caller)
        assert.isFalse(Exit.hasDies(yield* Fiber.await(caller)))
        assert.strictEqual(turns.size, 0)
      }
    })
  )
})
