/** Wake-ups in the background: which are published, which are dropped, and which are sent on closing. */
import { assert, describe, it } from "@effect/vitest"
import { WakeUpChannelError, Partition, type WakeUp, WorkflowEventModel } from "@refold/core"
import { WakeUps } from "@refold/runtime/src/queue/WakeUps"
import { Effect, Exit, Layer, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import { capturedLogs, changed, memoryPorts, place } from "./Services.ts"

const down = new WakeUpChannelError({ operation: "A test", reason: { _tag: "Unavailable", isRetryable: true } })

/** Wake-ups on a stream that does with them what `stream.publish` says at the time, and the batches it was given. */
const wakeUpsOn = (stream: {
  readonly published: Array<ReadonlyArray<WakeUp>>
  publish: Effect.Effect<void, WakeUpChannelError>
}) =>
  WakeUps.layer.pipe(
    Layer.provide(
      changed({
        stream: () => ({
          publish: (wakeUps) =>
            Effect.suspend(() => {
              stream.published.push(wakeUps)
              return stream.publish
            })
        })
      })
    ),
    Layer.provideMerge(memoryPorts)
  )

const working = (): Parameters<typeof wakeUpsOn>[0] => ({ published: [], publish: Effect.void })

const dropped = Effect.map(
  Metric.value(Metric.counter("refold_wake_ups_dropped", { incremental: true })),
  ({ count }) => count
)

describe("WakeUps", () => {
  it.effect("tell of each execution once, in its partition", () => {
    const stream = working()
    return Effect.gen(function* () {
      const { partitionCount } = yield* WorkflowEventModel
      const wakeUps = yield* WakeUps
      yield* wakeUps.offer([place("a"), place("b"), place("b")])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(stream.published, [
        [
          { ...place("a"), partition: Partition.of("acme", "a", partitionCount) },
          { ...place("b"), partition: Partition.of("acme", "b", partitionCount) }
        ]
      ])
    }).pipe(Effect.provide(wakeUpsOn(stream)))
  })

  it.effect("warn once an outage, count what is lost, and go on after it", () => {
    const stream = working()
    const logs = capturedLogs()
    return Effect.gen(function* () {
      const wakeUps = yield* WakeUps
      const before = yield* dropped
      const offer = Effect.andThen(wakeUps.offer([place("a"), place("b")]), TestClock.adjust("6 seconds"))
      stream.publish = Effect.fail(down)
      yield* offer
      stream.publish = Effect.never
      yield* offer
      stream.publish = Effect.die("a bug")
      yield* offer
      assert.strictEqual((yield* dropped) - before, 6)
      assert.strictEqual(logs.lines.length, 1)
      assert.match(logs.lines[0] ?? "", /^Warn Wake-ups are not published: A test failed: /)
      stream.publish = Effect.void
      yield* offer
      stream.publish = Effect.never
      yield* offer
      assert.strictEqual(logs.lines.length, 2)
      assert.match(logs.lines[1] ?? "", /: Publishing wake-ups failed: .*it does not answer/)
      assert.strictEqual(stream.published.length, 5)
    }).pipe(Effect.provide(wakeUpsOn(stream)), Effect.provide(logs.layer))
  })

  it.effect("keep ten thousand while the stream hangs, and count the others as dropped", () => {
    const stream = working()
    return Effect.gen(function* () {
      const wakeUps = yield* WakeUps
      stream.publish = Effect.never
      yield* wakeUps.offer([place("under way")])
      yield* TestClock.adjust("1 second")
      const before = yield* dropped
      yield* wakeUps.offer(Array.from({ length: 10_003 }, (_, id) => place(`${id}`)))
      assert.strictEqual((yield* dropped) - before, 3)
      // Closing must not wait for a clock that does not advance.
      stream.publish = Effect.void
    }).pipe(Effect.provide(wakeUpsOn(stream)))
  })

  it.effect("send at the end what is under way and what is pending, and nothing where that is none", () => {
    const stream = working()
    return Effect.gen(function* () {
      const scope = yield* Scope.make()
      const wakeUps = yield* Layer.buildWithScope(Layer.fresh(wakeUpsOn(stream)), scope).pipe(
        Effect.flatMap((services) => Effect.provide(WakeUps, services))
      )
      stream.publish = Effect.never
      yield* wakeUps.offer([place("under way")])
      yield* TestClock.adjust("1 second")
      yield* wakeUps.offer([place("pending")])
      stream.publish = Effect.void
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        stream.published.map((each) => each.map(({ executionId }) => executionId)),
        [["under way"], ["under way", "pending"]]
      )
      yield* Effect.scoped(Layer.build(Layer.fresh(wakeUpsOn(stream))))
      assert.strictEqual(stream.published.length, 2)
    })
  })
})
