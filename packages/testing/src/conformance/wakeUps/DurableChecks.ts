/** Checks of channels that keep unacknowledged wake-ups. */
import { type Delivery, type Received, type WakeUpChannel } from "@refold/core"
import { Array, Duration, Effect } from "effect"
import { type Check, equal, holds } from "../Check.ts"
import { bare, count, nothing, numbers, on } from "./WakeUpSample.ts"

/** Promises of channels that keep unacknowledged wake-ups. */
export const durableWakeUpChannelSuite: ReadonlyArray<Check<WakeUpChannel>> = [
  {
    title: "wake-ups published before there was a reader arrive, in order",
    check: on(1, ({ publish, receiver, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        const sent = Array.map(numbers(5), (n) => wakeUp(partition, n))
        yield* publish(sent)
        const reader = yield* receiver([partition])
        yield* equal("what arrives", (yield* reader.receive(5)).map(bare), sent)
      })
    )
  },
  {
    title: "unacknowledged wake-ups come again to the next reader, once, before new ones",
    check: on(1, ({ open, publish, receiver, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        const [old, fresh] = [wakeUp(partition, 1), wakeUp(partition, 2)]
        yield* publish([old])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const reader = yield* receiver([partition])
            yield* equal("what arrives the first time", (yield* reader.receive(1)).map(bare), [old])
          })
        )
        yield* publish([fresh])
        const reader = yield* receiver([partition])
        yield* equal("what arrives the second time", (yield* reader.receive(2)).map(bare), [old, fresh])
        yield* equal("a read after that", yield* reader.read({ timeout: Duration.millis(20) }), nothing)
        const another = yield* open([])
        yield* equal("a read without partitions", yield* another.read({ timeout: Duration.millis(1) }), nothing)
      })
    )
  },
  {
    title: "unacknowledged wake-ups come again after their partition is named again, also more than `limit`",
    check: on(2, ({ publish, receiver, wakeUp }, [partition, other]) =>
      Effect.gen(function* () {
        const sent = Array.map(numbers(7), (n) => wakeUp(partition, n))
        yield* publish(sent)
        const reader = yield* receiver([partition])
        const first = yield* reader.receive(7)
        yield* equal("what arrives the first time", first.map(bare), sent)
        yield* reader.acknowledge(first.slice(1, 3))
        yield* reader.read({ partitions: [other], timeout: Duration.millis(1) })
        yield* publish([wakeUp(partition, 8)])
        const reads: Array<Received> = []
        while (count(reads) < 6) {
          const received = yield* reader.read({ limit: 2 })
          yield* holds(
            "1 or 2 wake-ups from a read with limit 2, as some are left",
            [1, 2].includes(received.deliveries.length),
            reads
          )
          reads.push(received)
        }
        yield* equal(
          "what arrives the second time",
          reads.flatMap(({ deliveries }) => deliveries.map(({ executionId }) => executionId)),
          ["1", "4", "5", "6", "7", "8"]
        )
      })
    )
  },
  {
    title: "all unacknowledged wake-ups come again to the next reader, also more than `limit`",
    check: on(1, ({ publish, receiver, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        const sent = Array.map(numbers(25), (n) => wakeUp(partition, n))
        yield* publish(sent)
        yield* Effect.scoped(Effect.flatMap(receiver([partition]), (reader) => reader.receive(25)))
        const reader = yield* receiver([partition])
        const again: Array<Delivery> = []
        while (again.length < 25) {
          const { deliveries } = yield* reader.read({ limit: 10 })
          yield* holds(
            "a read to return some of the wake-ups that come again; so many came",
            deliveries.length > 0,
            again.length
          )
          again.push(...deliveries)
        }
        yield* equal("what comes again", again.map(bare), sent)
      })
    )
  },
  {
    title: "acknowledged wake-ups never come again, whichever reader acknowledged them",
    check: on(1, ({ publish, receiver, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        yield* publish(Array.map(numbers(4), (n) => wakeUp(partition, n)))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const [reader, witness] = [yield* receiver([partition]), yield* receiver([])]
            const deliveries = yield* reader.receive(4)
            yield* reader.acknowledge(deliveries.slice(0, 1))
            yield* witness.acknowledge(deliveries.slice(2, 3))
          })
        )
        const reader = yield* receiver([partition])
        yield* equal(
          "what comes again",
          (yield* reader.receive(2)).map(({ executionId }) => executionId),
          ["2", "4"]
        )
        yield* equal("a read after that", yield* reader.read({ timeout: Duration.millis(20) }), nothing)
      })
    )
  }
]
