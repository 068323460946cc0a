/** Ownership of partitions: believed no longer than the lease lasts, and reported as it changes. */
import { assert, describe, it } from "@effect/vitest"
import { PartitionLeases } from "@refold/core"
import * as PartitionOwner from "@refold/runtime/src/worker/PartitionOwner"
import { Duration, Effect, Exit, Ref, Scope } from "effect"
import { TestClock } from "effect/testing"
import { brokenStore, changed, memoryPorts } from "./Services.ts"

const leaseDuration = Duration.seconds(9)

/** An owner in a scope of its own, and the changes that it was told of. */
const own = Effect.fnUntraced(function* (workerId: string) {
  const changes: Array<PartitionOwner.Change> = []
  const scope = yield* Scope.make()
  const owner = yield* Scope.provide(
    PartitionOwner.make({
      workerId,
      leaseDuration,
      onRenewed: (change) =>
        Effect.sync(() => {
          changes.push(change)
        })
    }),
    scope
  )
  yield* TestClock.adjust("1 millis")
  return { owner, changes, close: Scope.close(scope, Exit.void) }
})

describe("PartitionOwner", () => {
  it.effect("owns all alone, shares with a second one, and gets back what that one gives up", () =>
    Effect.gen(function* () {
      const first = yield* own("a")
      const all = yield* first.owner.owned
      assert.isAbove(all.length, 1)
      assert.deepStrictEqual(first.changes, [{ hasLost: false, hasGained: true }])

      const second = yield* own("b")
      yield* TestClock.adjust("4 seconds")
      const [ofFirst, ofSecond] = [yield* first.owner.owned, yield* second.owner.owned]
      assert.deepStrictEqual(
        [...ofFirst, ...ofSecond].toSorted((left, right) => left - right),
        all
      )
      assert.isTrue(first.changes.some(({ hasLost }) => hasLost))

      yield* second.close
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* first.owner.owned, all)
      yield* first.close
    }).pipe(Effect.provide(memoryPorts))
  )

  it.effect("owns nothing once its lease may have expired, though nobody told it so", () =>
    Effect.gen(function* () {
      const isBroken = yield* Ref.make(false)
      const failing = changed({
        leases: ({ renew }) => ({
          renew: (lease) =>
            Effect.flatMap(Ref.get(isBroken), (broken) => (broken ? Effect.fail(brokenStore) : renew(lease)))
        })
      })
      yield* Effect.gen(function* () {
        const { close, owner } = yield* own("a")
        yield* Ref.set(isBroken, true)
        yield* TestClock.adjust(Duration.subtract(leaseDuration, Duration.seconds(2)))
        assert.isAbove((yield* owner.owned).length, 0)
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(yield* owner.owned, [])
        yield* Ref.set(isBroken, false)
        yield* TestClock.adjust("5 seconds")
        assert.isAbove((yield* owner.owned).length, 0)
        yield* close
      }).pipe(Effect.provide(failing))
    }).pipe(Effect.provide(memoryPorts))
  )

  it.effect("gives its leases back when its scope closes: another one owns all at its next renewal", () =>
    Effect.gen(function* () {
      const first = yield* own("a")
      const all = yield* first.owner.owned
      yield* first.close
      const { renew } = yield* PartitionLeases
      const leases = yield* renew({ workerId: "b", duration: leaseDuration })
      assert.deepStrictEqual(
        leases.map(({ partition }) => partition),
        all
      )
    }).pipe(Effect.provide(memoryPorts))
  )
})
