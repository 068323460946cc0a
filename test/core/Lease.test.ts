import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { Lease } from "@refold/core"
import { oddNames } from "../arbitraries/Identifier.ts"

type Owners = ReadonlyMap<number, string>

const workerIds = ["a", "b", "c", "d", ...oddNames]
const worker = fc.constantFrom(...workerIds)
const partitionCount = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 70 }))

/** Renewals in any order, and departures. A worker joins with its first renewal. */
const steps = fc.array(fc.record({ workerId: worker, isLeaving: fc.boolean() }), { maxLength: 60 })

/** All workers in the order of one round; there are more rounds than a group ever needs. */
const round = fc.shuffledSubarray(workerIds, { minLength: workerIds.length })

/** Applies the answers as a store does; fails if one names a partition that another worker owns. */
class Group {
  readonly partitionCount: number
  readonly workers = new Set<string>()
  readonly owners = new Map<number, string>()

  constructor(partitionCount: number) {
    this.partitionCount = partitionCount
  }

  renew(workerId: string) {
    this.workers.add(workerId)
    const leases = [...this.owners].map(([partition, owner]) => ({ partition, owner }))
    const share = Lease.share({ workerId, workers: this.workers, leases, partitionCount: this.partitionCount })
    for (const partition of share) {
      assert.oneOf(this.owners.get(partition), [undefined, workerId])
      assert.isTrue(Number.isInteger(partition) && partition >= 0 && partition < this.partitionCount)
    }
    for (const { owner, partition } of leases) if (owner === workerId) this.owners.delete(partition)
    for (const partition of share) this.owners.set(partition, workerId)
  }

  leave(workerId: string) {
    this.workers.delete(workerId)
    for (const [partition, owner] of this.owners) if (owner === workerId) this.owners.delete(partition)
  }

  renewAll(order: ReadonlyArray<string>) {
    for (const workerId of order) if (this.workers.has(workerId)) this.renew(workerId)
  }

  perform(these: typeof steps extends fc.Arbitrary<infer Value> ? Value : never) {
    for (const { isLeaving, workerId } of these) {
      if (isLeaving) this.leave(workerId)
      else this.renew(workerId)
    }
    // A group without workers has nothing to share.
    if (this.workers.size === 0) this.renew("a")
  }

  get ownersByPartition(): ReadonlyArray<string | undefined> {
    return Array.from({ length: this.partitionCount }, (_, partition) => this.owners.get(partition))
  }

  get sizes(): ReadonlyMap<string, number> {
    return sizesOf(this.owners, this.workers)
  }
}

const sizesOf = (owners: Owners, workers: Iterable<string>): ReadonlyMap<string, number> =>
  new Map([...workers].map((workerId) => [workerId, [...owners.values()].filter((owner) => owner === workerId).length]))

const isFair = (group: Group): boolean => {
  const sizes = [...group.sizes.values()]
  return group.owners.size === group.partitionCount && Math.max(...sizes) - Math.min(...sizes) <= 1
}

/** The fewest partitions that owners must release, found by trying which owner keeps one more. */
const fewestMoves = (held: ReadonlyArray<number>, partitionCount: number): number => {
  const least = Math.floor(partitionCount / held.length)
  let best = Infinity
  for (let larger = 0; larger < 2 ** held.length; larger++) {
    const extra = held.map((_, place) => Math.floor(larger / 2 ** place) % 2)
    if (extra.filter((one) => one === 1).length !== partitionCount % held.length) continue
    const moves = held.map((size, place) => Math.max(0, size - least - (extra[place] ?? 0)))
    best = Math.min(
      best,
      moves.reduce((sum, one) => sum + one, 0)
    )
  }
  return best
}

describe("Lease.share", () => {
  it("is all that is free to a lone worker, in order", () => {
    const lone = { workerId: "a", workers: [], partitionCount: 5 }
    assert.deepStrictEqual(Lease.share({ ...lone, leases: [] }), [0, 1, 2, 3, 4])
    assert.deepStrictEqual(Lease.share({ ...lone, leases: [{ partition: 3, owner: "gone" }] }), [0, 1, 2, 4])
    assert.deepStrictEqual(Lease.share({ ...lone, workers: ["a", "a"], leases: [] }), [0, 1, 2, 3, 4])
  })

  it("gives up the highest, takes the lowest that are free", () => {
    const lease = (owner: string) => (partition: number) => ({ owner, partition })
    const leases = [...[0, 3, 4, 5].map(lease("a")), ...[1].map(lease("b"))]
    const among = { workers: ["a", "b"], leases, partitionCount: 7 }
    assert.deepStrictEqual(Lease.share({ ...among, workerId: "a" }), [0, 3, 4, 5])
    assert.deepStrictEqual(Lease.share({ ...among, workerId: "b" }), [1, 2, 6])
    assert.deepStrictEqual(Lease.share({ ...among, workerId: "c" }), [2, 6])
    assert.deepStrictEqual(Lease.share({ ...among, workers: ["a", "b", "c"], workerId: "a" }), [0, 3, 4])
  })

  it("has one of too many with one more give it up: the last by id", () => {
    const leases = ["a", "a", "b", "b", "c", "c"].map((owner, partition) => ({ owner, partition }))
    const among = { workers: ["a", "b", "c", "d"], leases, partitionCount: 6 }
    const sizes = ["a", "b", "c", "d"].map((workerId) => Lease.share({ ...among, workerId }).length)
    assert.deepStrictEqual(sizes, [2, 2, 1, 0])
  })

  it("is in the order of the partitions, whichever it had before", () => {
    const leases = [5, 7].map((partition) => ({ partition, owner: "a" }))
    const held = Lease.share({ workerId: "a", workers: ["a"], leases, partitionCount: 9 })
    assert.deepStrictEqual(held, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  })

  it("never gives a partition two owners, and is fair after any two rounds of renewals", () =>
    fc.assert(
      fc.property(partitionCount, steps, round, round, (count, before, first, second) => {
        const group = new Group(count)
        group.perform(before)
        group.renewAll(first)
        group.renewAll(second)
        assert.isTrue(isFair(group), JSON.stringify([...group.sizes]))
      }),
      { numRuns: 300 }
    ))

  it("moves nothing among workers that stay", () =>
    fc.assert(
      fc.property(partitionCount, steps, fc.array(round, { minLength: 3, maxLength: 5 }), (count, before, rounds) => {
        const group = new Group(count)
        group.perform(before)
        rounds.slice(0, 2).forEach((order) => group.renewAll(order))
        const settled = group.ownersByPartition
        for (const order of rounds.slice(2)) {
          group.renewAll(order)
          assert.deepStrictEqual(group.ownersByPartition, settled)
        }
      }),
      { numRuns: 300 }
    ))

  it("moves no more than it must when workers come and go", () =>
    fc.assert(
      fc.property(
        partitionCount,
        fc.uniqueArray(worker, { minLength: 1, maxLength: 6 }),
        fc.uniqueArray(worker, { minLength: 1, maxLength: 6 }),
        fc.array(round, { minLength: 4, maxLength: 4 }),
        (count, earlier, later, rounds) => {
          const group = new Group(count)
          const renewAs = (workerIds: ReadonlyArray<string>, orders: ReadonlyArray<ReadonlyArray<string>>) => {
            for (const workerId of group.workers) if (!workerIds.includes(workerId)) group.leave(workerId)
            for (const workerId of workerIds) group.workers.add(workerId)
            orders.forEach((order) => group.renewAll(order))
          }
          renewAs(earlier, rounds.slice(0, 2))
          const before = new Map(group.owners)
          const held = [...sizesOf(before, later).values()]
          renewAs(later, rounds.slice(2))
          const moved = [...before].filter(
            ([partition, owner]) => later.includes(owner) && group.owners.get(partition) !== owner
          )
          assert.isTrue(isFair(group))
          assert.strictEqual(moved.length, fewestMoves(held, count))
        }
      ),
      { numRuns: 300 }
    ))
})
