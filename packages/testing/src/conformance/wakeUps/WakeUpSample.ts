/** Wake-ups, partitions and readers for the checks of a `WakeUpChannel`. */
import {
  type Delivery,
  type Received,
  type WakeUp,
  WakeUpChannel,
  type WakeUpChannelError,
  type WakeUpReader
} from "@refold/core"
import { Array, Duration, Effect, Random, Struct } from "effect"
import { type ConformanceFailure, equal, holds } from "../Check.ts"
import { freshTenant } from "../Sample.ts"

/** Longer than any check waits if the channel keeps its promises. */
export const long = Duration.seconds(20)

export const nothing: Received = { deliveries: [], hasGap: false }

export const numbers = (last: number): Array.NonEmptyReadonlyArray<number> => Array.range(1, last)

export const count = (reads: ReadonlyArray<Received>): number =>
  reads.reduce((sum, { deliveries }) => sum + deliveries.length, 0)

export const of = (partition: number) => (wakeUp: WakeUp) => wakeUp.partition === partition

export const bare: (delivery: Delivery) => WakeUp = Struct.omit(["deliveryId"])

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
  readonly receiver: (partitions: ReadonlyArray<number>) => Effect.Effect<TestReader, WakeUpChannelError, ReaderScope>
  /** A reader after its first read, which always reports a gap. Nothing was published before. */
  readonly open: (partitions: ReadonlyArray<number>) => Effect.Effect<TestReader, Failure, ReaderScope>
}

type ReaderScope = Effect.Services<WakeUpChannel["Service"]["reader"]>

type Partitions = readonly [number, number, ...ReadonlyArray<number>]

/** Runs a check with this many private partitions, at least two. */
export function on<E, R>(
  partitionCount: number,
  check: (tools: Tools, partitions: Partitions) => Effect.Effect<void, Failure | E, R>
) {
  return Effect.scoped(
    Effect.gen(function* () {
      const channel = yield* WakeUpChannel
      const tenant = yield* freshTenant
      const base = (yield* Random.nextIntBetween(1, 2 ** 20)) * 1024
      const others = Array.range(2, Math.max(2, partitionCount - 1)).map((number) => base + number * 2)
      const receiver: Tools["receiver"] = (own) => Effect.map(channel.reader, (reader) => testReader(reader, own))
      yield* check(
        {
          publish: channel.publish,
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
