/** Wake-ups in maps. Workers that share them are fibers of one process. */
import { type Delivery, WakeUpChannel, type Received } from "@refold/core"
import { Effect, Latch, Layer } from "effect"

/** Unacknowledged wake-ups of one partition. Further ones are dropped, and the next read reports a gap. */
const maxPerPartition = 10_000

interface Unacknowledged {
  /** By delivery id, in the order of publishing. */
  readonly deliveries: Map<number, Delivery>
  hasDropped: boolean
}

export const layer = Layer.effect(
  WakeUpChannel,
  Effect.gen(function* () {
    const partitions = new Map<number, Unacknowledged>()
    const hasPublished = yield* Latch.make(false)
    let lastId = 0

    return WakeUpChannel.of({
      publish: (wakeUps) =>
        Effect.sync(() => {
          for (const wakeUp of wakeUps) {
            const unacknowledged = partitions.get(wakeUp.partition) ?? { deliveries: new Map(), hasDropped: false }
            partitions.set(wakeUp.partition, unacknowledged)
            lastId++
            if (unacknowledged.deliveries.size >= maxPerPartition) unacknowledged.hasDropped = true
            else unacknowledged.deliveries.set(lastId, { ...wakeUp, deliveryId: String(lastId) })
          }
          hasPublished.openUnsafe()
        }),
      reader: Effect.sync(() => {
        let isFirst = true
        /**
         * Id of the last delivery of each partition that the last read named. A new partition is read from its first
         * one.
         */
        let lastRead = new Map<number, number>()

        const unread = (partition: number): ReadonlyArray<readonly [id: number, delivery: Delivery]> => {
          const after = lastRead.get(partition) ?? 0
          return [...(partitions.get(partition)?.deliveries ?? [])].filter(([id]) => id > after)
        }

        const untilReadable = (named: ReadonlyArray<number>): Effect.Effect<void> =>
          Effect.suspend(() => {
            const isReadable = (partition: number) =>
              isFirst || partitions.get(partition)?.hasDropped === true || unread(partition).length > 0
            if (named.some(isReadable)) return Effect.void
            hasPublished.closeUnsafe()
            return Effect.andThen(hasPublished.await, untilReadable(named))
          })

        const take = (named: ReadonlyArray<number>, limit: number): Received => {
          // Nothing that was asked for is lost: the first read with partitions reports the gap.
          if (named.length === 0) return { deliveries: [], hasGap: false }
          let hasGap = isFirst
          isFirst = false
          const next = new Map<number, number>()
          const deliveries = named.flatMap((partition) => {
            const unacknowledged = partitions.get(partition)
            if (unacknowledged?.hasDropped === true) {
              hasGap = true
              unacknowledged.hasDropped = false
            }
            const taken = unread(partition).slice(0, limit)
            next.set(partition, taken.at(-1)?.[0] ?? lastRead.get(partition) ?? 0)
            return taken.map(([, delivery]) => delivery)
          })
          lastRead = next
          return { deliveries, hasGap }
        }

        return {
          read: ({ limit, partitions: named, timeout }) =>
            Effect.map(Effect.timeoutOption(untilReadable(named), timeout), () => take(named, limit)),
          acknowledge: (deliveries) =>
            Effect.sync(() => {
              for (const { deliveryId, partition } of deliveries) {
                partitions.get(partition)?.deliveries.delete(Number(deliveryId))
              }
            })
        }
      })
    })
  })
)
