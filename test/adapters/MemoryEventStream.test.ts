import { assert, describe, it } from "@effect/vitest"
import { durableEventStreamSuite, eventStreamSuite } from "@refold/adapters/conformance"
import { MemoryEventStream } from "@refold/adapters/memory"
import { EventStream, type WakeUp } from "@refold/core"
import { Array, Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

const wakeUps = (count: number): Array.NonEmptyReadonlyArray<WakeUp> =>
  Array.makeBy(count, (place) => ({ partition: 1, tenant: "t", executionId: String(place) }))

const request = { partitions: [1], limit: 100_000, timeout: Duration.seconds(10) }

describe("MemoryEventStream", () => {
  it.live("passes every check on one stream, at once", () =>
    Effect.forEach([...eventStreamSuite, ...durableEventStreamSuite], ({ check }) => check, {
      concurrency: "unbounded",
      discard: true
    }).pipe(Effect.provide(MemoryEventStream.layer))
  )

  it.effect("waits by Effect's clock, for the time it was given and no longer", () =>
    Effect.gen(function* () {
      const reader = yield* (yield* EventStream).reader
      yield* reader.read(request)
      for (const partitions of [[1], []]) {
        const reading = yield* Effect.forkChild(reader.read({ ...request, partitions }), { startImmediately: true })
        yield* TestClock.adjust(Duration.millis(9999))
        assert.isUndefined(reading.pollUnsafe())
        yield* TestClock.adjust(Duration.millis(1))
        assert.deepStrictEqual(yield* Fiber.join(reading), { deliveries: [], hasGap: false })
      }
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStream.layer))
  )

  it.effect("keeps 10,000 wake-ups of one partition, drops more, and says so once", () =>
    Effect.gen(function* () {
      const { publish, reader } = yield* EventStream
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
    }).pipe(Effect.scoped, Effect.provide(MemoryEventStream.layer))
  )
})
