/**
 * What every `WakeUpChannel` promises, while nothing around it fails.
 *
 * **Details**
 *
 * Losing, doubling and reordering are allowed, but not on a quiet day: workers that are always late would pass as well.
 * Each check has partitions that no other knows. Their clock must run, as reads wait.
 */
import {
  type Delivery,
  WakeUpChannel,
  type WakeUpChannelError,
  type WakeUpReader,
  Identifier,
  type Received,
  type WakeUp
} from "@refold/core"
import { Array, Duration, Effect, Fiber, Random, Struct } from "effect"
import { type Check, type ConformanceFailure, equal, holds } from "./Check.ts"
import { freshTenant, longName, oddNames } from "./Sample.ts"

/** Longer than any check waits if the channel keeps its promises. */
const long = Duration.seconds(20)

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
    title: "none arrives that was published to other partitions",
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
    title: "the first read of a reader tells of a gap, at once; the next ones do not",
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
    title: "a read gives `limit` of each partition at most, and the next ones the rest, in order",
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
          yield* holds("a read to give some of the wake-ups that are left", received.deliveries.length > 0, reads)
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
    title: "without partitions a read waits, and gives nothing",
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
    title: "a read that waits is woken by a publication, also when only another partition was woken before",
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
    title: "a partition named for the first time may have a gap, and its wake-ups arrive from then on",
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
    title: "acknowledging nothing, twice, or what is of no such partition is fine",
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

/** Promises of channels that keep unacknowledged wake-ups. */
export const durableWakeUpChannelSuite: ReadonlyArray<Check<WakeUpChannel>> = [
  {
    title: "what was published before there was a reader arrives, in order",
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
    title:
      "what a reader got and did not acknowledge comes again to the next one, before what is new, and then no more",
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
    title: "it comes again after its partition is named anew, also when it is more than `limit`",
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
    title: "more than `limit` of them come again to the next reader, all of them",
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
            "a read to give some of the wake-ups that come again; so many came",
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
    title: "what was acknowledged never comes again, by whomever",
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

const nothing: Received = { deliveries: [], hasGap: false }

const numbers = (last: number): Array.NonEmptyReadonlyArray<number> => Array.range(1, last)

const count = (reads: ReadonlyArray<Received>): number =>
  reads.reduce((sum, { deliveries }) => sum + deliveries.length, 0)

const of = (partition: number) => (wakeUp: WakeUp) => wakeUp.partition === partition

const bare: (delivery: Delivery) => WakeUp = Struct.omit(["deliveryId"])

type Failure = ConformanceFailure | WakeUpChannelError

interface TestReader {
  readonly acknowledge: WakeUpReader["acknowledge"]
  /** By default reads the reader's own partitions, at most a thousand wake-ups, for as long as a check waits. */
  readonly read: (options: Partial<Parameters<WakeUpReader["read"]>[0]>) => Effect.Effect<Received, WakeUpChannelError>
  /** Reads until it has this many wake-ups. */
  readonly receive: (
    wanted: number,
    partitions?: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Delivery>, Failure>
}

interface Tools {
  readonly publish: WakeUpChannel["Service"]["publish"]
  readonly wakeUp: (partition: number, n: number) => WakeUp
  readonly receiver: (
    partitions: ReadonlyArray<number>
  ) => Effect.Effect<TestReader, WakeUpChannelError, EventStreamReaderScope>
  /** A reader after its first read, which always reports a gap. Nothing was published before. */
  readonly open: (partitions: ReadonlyArray<number>) => Effect.Effect<TestReader, Failure, EventStreamReaderScope>
}

type EventStreamReaderScope = Effect.Services<WakeUpChannel["Service"]["reader"]>

type Partitions = readonly [number, number, ...ReadonlyArray<number>]

/** Runs a check with this many private partitions, at least two. */
function on<E, R>(
  partitionCount: number,
  check: (tools: Tools, partitions: Partitions) => Effect.Effect<void, Failure | E, R>
) {
  return Effect.scoped(
    Effect.gen(function* () {
      const stream = yield* WakeUpChannel
      const tenant = yield* freshTenant
      const base = (yield* Random.nextIntBetween(1, 2 ** 20)) * 1024
      const others = Array.range(2, Math.max(2, partitionCount - 1)).map((place) => base + place * 2)
      const receiver: Tools["receiver"] = (own) => Effect.map(stream.reader, (reader) => testReader(reader, own))
      yield* check(
        {
          publish: stream.publish,
          wakeUp: (partition, n) => ({ partition, tenant, executionId: String(n) }),
          receiver,
          open: (own) =>
            Effect.gen(function* () {
              const reader = yield* receiver(own)
              if (own.length === 0) return reader
              yield* equal("the first read of a reader", yield* reader.read({}), { deliveries: [], hasGap: true })
              return reader
            })
        },
        [base, base + 2, ...(partitionCount > 2 ? others : [])]
      )
    })
  )
}

const testReader = ({ acknowledge, read: readFrom }: WakeUpReader, own: ReadonlyArray<number>): TestReader => {
  let named = own
  const read: TestReader["read"] = (options) => readFrom({ partitions: named, limit: 1000, timeout: long, ...options })
  return {
    acknowledge,
    read,
    receive: Effect.fnUntraced(function* (wanted, partitions = own) {
      named = partitions
      const deliveries: Array<Delivery> = []
      while (deliveries.length < wanted) {
        const received = yield* read({})
        deliveries.push(...received.deliveries)
        yield* holds(
          `${wanted} wake-ups before a read of ${Duration.format(long)} ends with none; these came`,
          received.deliveries.length > 0 || received.hasGap,
          deliveries
        )
      }
      yield* equal("how many wake-ups arrive", deliveries.length, wanted)
      return deliveries
    })
  }
}
