/**
 * Leases: which worker owns which partition, for how long. They only save work: of two commits to one execution, the
 * second fails on its expected position or on the queue cursor.
 */
import type { Instant } from "../event/Instant.ts"

/** Ownership of a partition, until it expires. */
export interface Lease {
  readonly partition: number
  readonly owner: string
  readonly expiresAt: Instant
}

/**
 * The partitions that a worker holds after a renewal: a fair share, with as many as possible of those it already has.
 *
 * **Details**
 *
 * `leases` are those not expired; `workers` are all that are alive. Once every worker has renewed twice, shares differ
 * by one at most and sum to `partitionCount`. From then on no partition moves until a worker comes or goes, and then no
 * more partitions move than must. A worker with more than its share gives up its highest partitions; a worker with less
 * takes free ones, lowest first, and waits for those that others give up. Where the count does not divide evenly, a
 * worker that already holds one partition more than others keeps it.
 *
 * **Gotchas**
 *
 * The next renewal must see the answer of this one: two at once, from the same leases, would take the same partitions.
 */
export const share = (options: {
  readonly workerId: string
  readonly workers: Iterable<string>
  readonly leases: ReadonlyArray<Pick<Lease, "partition" | "owner">>
  readonly partitionCount: number
}): ReadonlyArray<number> => {
  const { leases, partitionCount, workerId } = options
  const workers = new Set(options.workers).add(workerId)
  const owners = new Map(leases.map(({ owner, partition }) => [partition, owner]))
  const all = Array.from({ length: partitionCount }, (_, partition) => partition)
  const own = all.filter((partition) => owners.get(partition) === workerId)
  const free = all.filter((partition) => !owners.has(partition))

  const minimum = Math.floor(partitionCount / workers.size)
  const counts = new Map<string, number>()
  for (const owner of owners.values()) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  // Workers that keep one partition above the minimum before this one: those that already have one more; if this one
  // has one more as well, only those with a lower id.
  const preferred = [...workers].filter(
    (other) => (counts.get(other) ?? 0) > minimum && (own.length <= minimum || other < workerId)
  )
  const isLarger = preferred.length < partitionCount % workers.size
  return [...own, ...free].slice(0, isLarger ? minimum + 1 : minimum).toSorted((left, right) => left - right)
}
