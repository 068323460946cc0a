/** Leases: which worker owns which partition, for how long. For speed alone: a commit's expected position is the proof. */
import type { Instant } from "../event/Instant.ts"

/** Ownership of a partition; nobody's once it has expired. */
export interface Lease {
  readonly partition: number
  readonly owner: string
  /** Counts the owners that the partition has had; a number higher than one's own means that it has been lost. */
  readonly epoch: number
  readonly expiresAt: Instant
}

/**
 * The partitions that a worker holds after a renewal: a fair share, as many of those it has as possible.
 *
 * **Details**
 *
 * `leases` are those not expired; `workers` all that are alive. Once every worker has renewed twice, shares differ by one
 * at most and sum to `partitionCount`; from then on none moves until a worker comes or goes, and then no more of them
 * than must. A worker with more than its share gives up its highest partitions; one with less takes free ones, lowest
 * first, and waits for those that others give up. Where the count does not divide evenly, whoever holds one partition
 * more than others keeps it.
 *
 * **Gotchas**
 *
 * The next renewal must see what this one answered: two at once, of the same leases, would take the same partitions.
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

  const least = Math.floor(partitionCount / workers.size)
  const counts = new Map<string, number>()
  for (const owner of owners.values()) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  // Those who may hold one more than the least before this worker may: who does already, the first by id if too many do.
  const preferred = [...workers].filter(
    (other) => (counts.get(other) ?? 0) > least && (own.length <= least || other < workerId)
  )
  const isLarger = preferred.length < partitionCount % workers.size
  return [...own, ...free].slice(0, isLarger ? least + 1 : least).toSorted((left, right) => left - right)
}
