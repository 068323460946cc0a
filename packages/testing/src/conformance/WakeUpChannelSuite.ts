/**
 * The promises of every `WakeUpChannel` while nothing around it fails.
 *
 * **Details**
 *
 * A channel may lose, double and reorder wake-ups, but not on a quiet day: otherwise workers that are always late would
 * pass as well. Each check has partitions that no other check knows. The clock must run, because reads wait.
 */
import { WakeUpChannel, Identifier, type Received, type WakeUp } from "@refold/core"
import { Array, Duration, Effect, Fiber } from "effect"
import { type Check, equal, holds } from "./Check.ts"
import { longName, oddNames } from "./Sample.ts"
import { bare, count, long, nothing, numbers, of, on } from "./wakeUps/WakeUpSample.ts"

export { durableWakeUpChannelSuite } from "./wakeUps/DurableChecks.ts"

/** Promises of every channel. */
export const wakeUpChannelSuite: ReadonlyArray<Check<WakeUpChannel>> = [
  {
    title: "a wake-up arrives with all its fields, whatever they hold",
    check: on(1, ({ open, publish }, [partition]) =>
      Effect.gen(function* () {
        const reader = yield* open([partition])
        const longest = longName(7)
        yield* holds(
          "a name of the full length, from the kit itself",
          longest.length === Identifier.maxLength,
          longest.length
        )
        const sent: Array.NonEmptyReadonlyArray<WakeUp> = [
          { partition, tenant: "a", executionId: "b" },
          { partition, tenant: longest, executionId: longName(8) },
          { partition, tenant: "\u0001".repeat(255), executionId: "\u0002".repeat(255) },
          ...oddNames.map((name) => ({ partition, tenant: name, executionId: name }))
        ]
        yield* publish(sent)
        yield* equal("what arrives", (yield* reader.receive(sent.length)).map(bare), sent)
      })
    )
  },
  {
    title: "a wake-up of another partition does not arrive",
    check: on(2, ({ open, publish, wakeUp }, [own, other]) =>
      Effect.gen(function* () {
        const reader = yield* open([own])
        yield* publish([wakeUp(other, 1), wakeUp(own, 2), wakeUp(other, 3)])
        yield* publish([wakeUp(other, 4), wakeUp(own, 5)])
        yield* equal("what arrives", (yield* reader.receive(2)).map(bare), [wakeUp(own, 2), wakeUp(own, 5)])
      })
    )
  },
  {
    title: "the first read of a reader reports a gap, at once; the next ones do not",
    check: on(1, ({ publish, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        const { reader } = yield* WakeUpChannel
        for (const _ of [1, 2]) {
          const { read } = yield* reader
          const first = yield* read({ partitions: [partition], limit: 1, timeout: Duration.hours(1) })
          yield* equal("the first read", first, { deliveries: [], hasGap: true })
          yield* publish([wakeUp(partition, 1)])
          const second = yield* read({ partitions: [partition], limit: 1, timeout: long })
          yield* equal("the second read", [second.deliveries.map(bare), second.hasGap], [[wakeUp(partition, 1)], false])
          yield* (yield* reader).acknowledge(second.deliveries)
        }
      })
    )
  },
  {
    title: "a read returns at most `limit` wake-ups of each partition, and the next reads return the rest, in order",
    check: on(2, ({ open, publish, wakeUp }, [large, small]) =>
      Effect.gen(function* () {
        const reader = yield* open([large, small])
        yield* publish(Array.map(numbers(7), (n) => wakeUp(n === 3 || n === 5 ? small : large, n)))
        const reads: Array<Received> = []
        while (count(reads) < 7) {
          const received = yield* reader.read({ limit: 2 })
          for (const partition of [large, small]) {
            const given = received.deliveries.filter((delivery) => delivery.partition === partition)
            yield* holds(
              `at most 2 wake-ups of partition ${partition} from a read with limit 2`,
              given.length <= 2,
              given
            )
          }
          yield* holds("a read to return some of the remaining wake-ups", received.deliveries.length > 0, reads)
          reads.push(received)
        }
        const numbersOf = (partition: number) =>
          reads.flatMap(({ deliveries }) =>
            deliveries.filter((delivery) => delivery.partition === partition).map(({ executionId }) => executionId)
          )
        yield* equal("the large one", numbersOf(large), ["1", "2", "4", "6", "7"])
        yield* equal("the small one", numbersOf(small), ["3", "5"])
      })
    )
  },
  {
    title: "wake-ups of a partition keep their order, within and between publications",
    check: on(1, ({ open, publish, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        const reader = yield* open([partition])
        const all = Array.map(numbers(60), (n) => wakeUp(partition, n))
        for (const some of Array.chunksOf(all, 7)) yield* publish(some)
        yield* equal("what arrives", (yield* reader.receive(all.length)).map(bare), all)
      })
    )
  },
  {
    title: "a thousand are published at once, over many partitions, and all arrive",
    check: on(8, ({ open, publish, wakeUp }, partitions) =>
      Effect.gen(function* () {
        const reader = yield* open(partitions)
        const sent = Array.map(numbers(1000), (n) => wakeUp(partitions[n % partitions.length] ?? 0, n))
        yield* publish(sent)
        const arrived = (yield* reader.receive(1000)).map(({ executionId }) => Number(executionId))
        yield* equal(
          "their numbers",
          arrived.toSorted((left, right) => left - right),
          numbers(1000)
        )
      })
    )
  },
  {
    title: "a read without partitions waits, and returns nothing",
    check: on(1, ({ open, publish, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        const idle = yield* open([])
        const other = yield* open([partition])
        yield* equal("a short read", yield* idle.read({ timeout: Duration.millis(1) }), nothing)
        const waiting = yield* Effect.forkChild(idle.read({ timeout: Duration.hours(1) }), { startImmediately: true })
        yield* publish([wakeUp(partition, 1)])
        yield* equal("what arrives at another reader", (yield* other.receive(1)).map(bare), [wakeUp(partition, 1)])
        yield* equal("what the read without partitions, which still waits, gives", waiting.pollUnsafe(), undefined)
        yield* Fiber.interrupt(waiting)
      })
    )
  },
  {
    title: "a publication ends a waiting read, also after one that was for another partition only",
    check: on(2, ({ open, publish, wakeUp }, [own, other]) =>
      Effect.gen(function* () {
        const [reader, witness] = [yield* open([own]), yield* open([other])]
        const waiting = yield* Effect.forkChild(reader.read({ timeout: Duration.hours(1) }), { startImmediately: true })
        yield* publish([wakeUp(other, 1)])
        yield* witness.receive(1)
        yield* publish([wakeUp(own, 2)])
        yield* equal("what woke it", (yield* Fiber.join(waiting)).deliveries.map(bare), [wakeUp(own, 2)])
      })
    )
  },
  {
    title: "a read of nothing ends after its timeout, without a gap",
    check: on(1, ({ open }, [partition]) =>
      Effect.gen(function* () {
        const reader = yield* open([partition])
        yield* equal("a read of 20 ms", yield* reader.read({ timeout: Duration.millis(20) }), nothing)
        yield* equal("a read of less than a millisecond", yield* reader.read({ timeout: Duration.micros(1n) }), nothing)
      })
    )
  },
  {
    title: "a read may be interrupted while it waits; a new reader works",
    check: on(1, ({ open, publish, wakeUp }, [partition]) =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const reader = yield* open([partition])
            const waiting = yield* Effect.forkChild(reader.read({ timeout: Duration.hours(1) }), {
              startImmediately: true
            })
            // A publish through the same channel gives the read time to reach the server.
            yield* publish([wakeUp(partition + 1, 1)])
            yield* Fiber.interrupt(waiting)
          })
        )
        const reader = yield* open([partition])
        yield* publish([wakeUp(partition, 2)])
        yield* equal("what arrives", (yield* reader.receive(1)).map(bare), [wakeUp(partition, 2)])
      })
    )
  },
  {
    title: "the wake-ups of a newly named partition arrive from then on; before, there may be a gap",
    check: on(2, ({ open, publish, wakeUp }, [first, second]) =>
      Effect.gen(function* () {
        const reader = yield* open([first])
        const both = yield* reader.read({ partitions: [first, second], timeout: Duration.millis(20) })
        yield* equal("what arrives before anything is published", both.deliveries, [])
        yield* publish([wakeUp(first, 1), wakeUp(second, 2)])
        const arrived = (yield* reader.receive(2, [first, second])).map(bare)
        yield* equal("the first's", arrived.filter(of(first)), [wakeUp(first, 1)])
        yield* equal("the second's", arrived.filter(of(second)), [wakeUp(second, 2)])
      })
    )
  },
  {
    title: "acknowledging nothing, acknowledging twice, and acknowledging deliveries of another partition are harmless",
    check: on(2, ({ open, publish, wakeUp }, [partition, other]) =>
      Effect.gen(function* () {
        const reader = yield* open([partition])
        yield* publish([wakeUp(partition, 1)])
        const deliveries = yield* reader.receive(1)
        yield* reader.acknowledge([])
        yield* reader.acknowledge(deliveries)
        yield* reader.acknowledge(deliveries)
        yield* reader.acknowledge([...deliveries, ...deliveries.map((each) => ({ ...each, partition: other }))])
        yield* publish([wakeUp(partition, 2)])
        yield* equal("what arrives then", (yield* reader.receive(1)).map(bare), [wakeUp(partition, 2)])
      })
    )
  }
]
