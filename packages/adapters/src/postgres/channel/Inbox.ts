/**
 * The inbox of a reader: wake-ups that it has heard and nobody has read, of the partitions that it was last asked for.
 */
import type { Delivery, Received, WakeUpChannelError } from "@refold/core"
import { Effect, Latch, Option } from "effect"
import { decodePayload } from "./Notification.ts"

/** Wake-ups that wait to be read. If there are more, the next read reports a gap. */
const maxDeliveries = 10_000

export interface Inbox {
  /** Opened by everything that a read may wait for. */
  readonly news: Latch.Latch
  deliveries: Array<Delivery>
  partitions: ReadonlySet<number>
  /** Whether wake-ups may have been lost since the last read. */
  hasGap: boolean
  failure: WakeUpChannelError | undefined
  lastId: number
}

export const make: Effect.Effect<Inbox> = Effect.map(Latch.make(false), (news) => ({
  news,
  deliveries: [],
  partitions: new Set<number>(),
  hasGap: true,
  failure: undefined,
  lastId: 0
}))

/** Adds the wake-ups of notifications. */
export const hear = (inbox: Inbox, payloads: ReadonlyArray<string>): void => {
  for (const payload of payloads) {
    const wakeUps = decodePayload(payload)
    // From a newer version of Refold it may announce anything.
    if (Option.isNone(wakeUps)) inbox.hasGap = true
    for (const [partition, tenant, executionId] of Option.getOrElse(wakeUps, () => [])) {
      if (!inbox.partitions.has(partition)) continue
      if (inbox.deliveries.length >= maxDeliveries) {
        inbox.hasGap = true
        continue
      }
      inbox.lastId++
      inbox.deliveries.push({ partition, tenant, executionId, deliveryId: String(inbox.lastId) })
    }
  }
  inbox.news.openUnsafe()
}

/** Ends the inbox: each further read fails. */
export const fail = (inbox: Inbox, failure: WakeUpChannelError): void => {
  inbox.failure = failure
  inbox.news.openUnsafe()
}

/** Keeps wake-ups of these partitions only. A new partition is a gap: its wake-ups were not kept so far. */
export const watch = (inbox: Inbox, partitions: ReadonlyArray<number>): void => {
  if (partitions.some((partition) => !inbox.partitions.has(partition))) inbox.hasGap = true
  inbox.partitions = new Set(partitions)
  inbox.deliveries = inbox.deliveries.filter(({ partition }) => inbox.partitions.has(partition))
}

/** Whether a read has to wait. */
export const isEmpty = ({ deliveries, failure, hasGap, partitions }: Inbox): boolean =>
  failure === undefined && deliveries.length === 0 && (partitions.size === 0 || !hasGap)

/** Waits until the inbox is not empty. Wake-ups of other partitions also open the latch; then it waits again. */
export const untilFilled = (inbox: Inbox): Effect.Effect<void> =>
  Effect.gen(function* () {
    while (isEmpty(inbox)) {
      inbox.news.closeUnsafe()
      yield* inbox.news.await
    }
  })

/** Takes at most `limit` wake-ups of each partition. */
export const take = (inbox: Inbox, limit: number): Received => {
  if (inbox.partitions.size === 0) return { deliveries: [], hasGap: false }
  const { hasGap } = inbox
  const [taken, rest] = firstOfEach(inbox.deliveries, limit)
  inbox.deliveries = rest
  inbox.hasGap = false
  return { deliveries: taken, hasGap }
}

/** The first `limit` of each partition, and the rest. */
const firstOfEach = (deliveries: ReadonlyArray<Delivery>, limit: number) => {
  const counts = new Map<number, number>()
  const [first, rest]: [Array<Delivery>, Array<Delivery>] = [[], []]
  for (const delivery of deliveries) {
    const count = counts.get(delivery.partition) ?? 0
    counts.set(delivery.partition, count + 1)
    ;(count < limit ? first : rest).push(delivery)
  }
  return [first, rest] as const
}
