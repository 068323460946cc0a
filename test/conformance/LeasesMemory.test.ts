import { assert, describe, it } from "@effect/vitest"
import { partitionLeasesSuite } from "@refold/testing/conformance"
import { MemoryStore } from "@refold/adapters/memory"
import { PartitionLeases } from "@refold/core"
import { Duration, Effect } from "effect"
import { TestClock } from "effect/testing"

const storeOf = (partitionCount: number) => MemoryStore.layerWith({ partitionCount })

describe.each([1, 2, 7, 64])("MemoryPartitionLeases of %i partitions", (partitionCount) => {
  for (const { check, title } of partitionLeasesSuite) {
    it.live(title, () => Effect.provide(check, storeOf(partitionCount)))
  }

  it.live("passes every check in one store, in turn", () =>
    Effect.forEach([...partitionLeasesSuite, ...partitionLeasesSuite.toReversed()], ({ check }) => check).pipe(
      Effect.asVoid,
      Effect.provide(storeOf(partitionCount))
    )
  )
})

describe("MemoryPartitionLeases", () => {
  it.effect("holds a lease for its duration, to the millisecond", () =>
    Effect.gen(function* () {
      const { renew } = yield* PartitionLeases
      const duration = Duration.seconds(30)
      yield* renew({ workerId: "a", duration })
      yield* TestClock.adjust(Duration.millis(29_999))
      assert.deepStrictEqual(yield* renew({ workerId: "b", duration }), [])
      yield* TestClock.adjust(Duration.millis(1))
      const taken = yield* renew({ workerId: "b", duration })
      assert.deepStrictEqual(
        taken,
        [0, 1, 2, 3].map((partition) => ({ partition, owner: "b", expiresAt: "1970-01-01T00:01:00.000Z" }))
      )
    }).pipe(Effect.provide(storeOf(4)))
  )
})
