import { assert, describe, it } from "@effect/vitest"
import { durableWakeUpChannelSuite, wakeUpChannelSuite } from "@refold/testing/conformance"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { WakeUpChannel, type WakeUp } from "@refold/core"
import { Array, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

const wakeUps = (count: number): Array.NonEmptyReadonlyArray<WakeUp> =>
  Array.makeBy(count, (place) => ({ partition: 1, tenant: "t", executionId: String(place) }))

const request = { partitions: [1], limit: 100_000, timeout: Duration.seconds(10) }

describe("MemoryWakeUpChannel", () => {
  it.live("passes every check on one stream, at once", () =>
    Effect.forEach([...wakeUpChannelSuite, ...durableWakeUpChannelSuite], ({ check }) => check, {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.provide(MemoryWakeUpChannel.layer))
  )

  it.effect("waits by Effect's clock, for the time it was given and no longer", () =>
    Effect.gen(function* () {
      const reader = yield* (yield* WakeUpChannel).reader
      yield* reader.read(request)
      for (const partitions of [[1], []]) {
        const reading = yield* Effect.forkChild(reader.read({ ...request, partitions }), { startImmediately: true })
        yield* TestClock.adjust(Duration.millis(9999))
        assert.isUndefined(reading.pollUnsafe())
        yield* TestClock.adjust(Duration.millis(1))
        assert.deepStrictEqual(yield* Fiber.join(reading), { deliveries: [], hasGap: false })
      }
    }).pipe(Effect.scoped, Effect.provide(MemoryWakeUpChannel.layer))
  )

  it.effect("keeps 10,000 wake-ups of one partition, drops more, and says so once", () =>
    Effect.gen(function* () {
      const { publish, reader } = yield* WakeUpChannel
      const { acknowledge, read } = yield* reader
      yield* read(request)
      yield* publish(wakeUps(10_000))
      const full = yield* read(request)
      assert.deepStrictEqual([full.deliveries.length, full.hasGap], [10_000, false])
      yield* publish(wakeUps(3))
      assert.deepStrictEqual(yield* read(request), { deliveries: [], hasGap: true })
      yield* acknowledge(full.deliveries)
      yield* publish(wakeUps(3))
      const after = yield* read(request)
      assert.deepStrictEqual([after.deliveries.length, after.hasGap], [3, false])
    }).pipe(Effect.scoped, Effect.provide(MemoryWakeUpChannel.layer))
  )
})
