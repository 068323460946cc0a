/**
 * What every `PartitionLeases` promises.
 *
 * **Details**
 *
 * Partitions belong to the whole store, not to a tenant. So these checks, unlike those of other ports, run one after
 * another, in a store that nobody else takes leases in at the time; in any order, and over any data. Each begins by
 * releasing whoever holds a lease, and ends by releasing all workers it made, failed or not.
 *
 * Every check holds for any count of partitions: run them with 1, with a few, and with 64. Their clock must run: one
 * check waits for leases of a millisecond to expire.
 */
import { type Lease, Instant, PartitionLeases, type StoreError, WorkflowEventModel } from "@refold/core"
import { Array, Duration, Effect, Schema } from "effect"
import { type Check, type ConformanceFailure, equal, holds } from "./Check.ts"
import { oddNames } from "./Sample.ts"

const long = Duration.hours(1)

const allPartitions = Effect.map(WorkflowEventModel, ({ partitionCount }) => Array.range(0, partitionCount - 1))

/** Every promise of the port, as a check. */
export const partitionLeasesSuite: ReadonlyArray<Check<PartitionLeases | WorkflowEventModel>> = [
  {
    title: "a lone worker gets every partition of the store",
    check: among(["one"], ({ renew }) =>
      Effect.gen(function* () {
        const leases = yield* renew("one")
        yield* equal("the partitions", leases.map(partitionOf), yield* allPartitions)
        yield* equal("the partitions at the next renewal", (yield* renew("one")).map(partitionOf), yield* allPartitions)
      })
    )
  },
  {
    title: "a worker that comes gets its half as soon as the first has renewed, and waits until then",
    check: among(["first", "second"], ({ renew, sizes }) =>
      Effect.gen(function* () {
        const count = (yield* allPartitions).length
        yield* renew("first")
        yield* equal("what the second gets before the first has renewed", yield* renew("second"), [])
        yield* equal("how many the first keeps", (yield* renew("first")).length, Math.ceil(count / 2))
        yield* equal("how many the second gets", (yield* renew("second")).length, Math.floor(count / 2))
        yield* equal("the shares", yield* sizes, [Math.ceil(count / 2), Math.floor(count / 2)])
      })
    )
  },
  {
    title: "who stays keeps its partitions through any number of renewals",
    check: among(["a", "b", "c"], ({ owners, renewAll }) =>
      Effect.gen(function* () {
        yield* renewAll
        yield* renewAll
        const settled = yield* owners
        for (let round = 0; round < 3; round++) {
          yield* renewAll
          yield* equal("the owners", yield* owners, settled)
        }
      })
    )
  },
  {
    title: "a release gives back at once, to whoever renews next",
    check: among(["leaver", "taker"], ({ owners, release, renew, renewAll }) =>
      Effect.gen(function* () {
        yield* renewAll
        yield* renewAll
        const before = yield* owners
        yield* release("leaver")
        yield* equal(
          "what is left",
          yield* owners,
          before.filter(({ owner }) => owner !== "leaver")
        )
        yield* equal(
          "the partitions of who renews next",
          (yield* renew("taker")).map(partitionOf),
          yield* allPartitions
        )
        yield* release("leaver")
        yield* release("a worker that never was")
        yield* equal(
          "the partitions of who renews next, after others released nothing",
          (yield* renew("taker")).map(partitionOf),
          yield* allPartitions
        )
      })
    )
  },
  {
    title: "the epoch of a partition grows by one with each change of its owner, and only then",
    check: among(["odd", "even"], ({ epochs, release, renew }) =>
      Effect.gen(function* () {
        yield* renew("odd")
        const start = yield* epochs
        for (let changes = 1; changes <= 4; changes++) {
          const [owner, next] = changes % 2 === 1 ? (["odd", "even"] as const) : (["even", "odd"] as const)
          yield* renew(owner)
          yield* release(owner)
          yield* renew(owner)
          yield* equal(
            "the epochs of partitions taken again by the same",
            yield* epochs,
            start.map((epoch) => epoch + changes - 1)
          )
          yield* release(owner)
          yield* renew(next)
          yield* equal(
            "the epochs of partitions taken by another",
            yield* epochs,
            start.map((epoch) => epoch + changes)
          )
        }
      })
    )
  },
  {
    title: "a renewal extends every lease that is kept, and no other worker's",
    check: among(["a", "b"], ({ renew, renewAll }) =>
      Effect.gen(function* () {
        const { list } = yield* PartitionLeases
        yield* renewAll
        yield* renewAll
        const before = yield* list
        const renewed = yield* renew("a", Duration.hours(2))
        for (const lease of yield* list) {
          const last = before.find(({ partition }) => partition === lease.partition)?.expiresAt ?? ""
          if (lease.owner === "b") yield* equal("the expiry of the other worker's lease", lease.expiresAt, last)
          else
            yield* holds("a renewed lease to expire later than before; before, and now", lease.expiresAt > last, [
              last,
              lease
            ])
          yield* holds(
            "an instant such as 2025-03-01T12:00:00.000Z in `expiresAt`",
            Schema.is(Instant.Instant)(lease.expiresAt),
            lease
          )
        }
        const span =
          Instant.toEpochMillis(renewed[0]?.expiresAt ?? "") - Instant.toEpochMillis(before[0]?.expiresAt ?? "")
        yield* holds(
          "the expiry to move by an hour, and by what passed since; in milliseconds",
          span >= 3_599_999 && span < 7_000_000,
          span
        )
      })
    )
  },
  {
    title: "a worker that does not renew loses all; back again, it waits for its share, with new epochs where it lost",
    check: among(["frozen", "awake"], ({ expire, owners, renew, renewAll, sizes }) =>
      Effect.gen(function* () {
        const all = yield* allPartitions
        yield* renewAll
        yield* renewAll
        const shared = yield* owners
        yield* expire("frozen")
        yield* equal(
          "the owners, once a worker expired",
          yield* owners,
          shared.filter(({ owner }) => owner === "awake")
        )
        yield* equal("the partitions of the other worker", (yield* renew("awake")).map(partitionOf), all)
        yield* equal("what the worker gets that is back again", yield* renew("frozen"), [])
        yield* renew("awake")
        yield* renew("frozen")
        yield* equal("the shares", yield* sizes, [Math.floor(all.length / 2), Math.ceil(all.length / 2)])
      })
    )
  },
  {
    title: "a worker that expired and finds its partitions free takes them up in their epoch",
    check: among(["late"], ({ epochs, expire, renew }) =>
      Effect.gen(function* () {
        yield* renew("late")
        const before = yield* epochs
        yield* expire("late")
        yield* renew("late")
        yield* equal("the epochs", yield* epochs, before)
      })
    )
  },
  {
    title: "more workers than partitions: one each, none for the rest, who follow when others leave",
    check: Effect.flatMap(allPartitions, ({ length }) =>
      among(
        Array.makeBy(length + 2, (place) => `worker ${place}`),
        ({ owners, release, renew, renewAll, sizes, workerIds }) =>
          Effect.gen(function* () {
            yield* renewAll
            yield* renewAll
            yield* equal("how many workers have no partition", (yield* sizes).filter((size) => size === 0).length, 2)
            yield* equal(
              "how many workers have one partition",
              (yield* sizes).filter((size) => size === 1).length,
              length
            )
            const before = yield* owners
            const leaver = before[0]?.owner ?? ""
            yield* release(leaver)
            yield* equal("the owners that are left", yield* owners, before.slice(1))
            for (const workerId of workerIds) if (workerId !== leaver) yield* renew(workerId)
            const after = yield* owners
            yield* equal("the owners of the other partitions", after.slice(1), before.slice(1))
            yield* holds(
              "the partition given back to go to a worker that had none",
              !before.some(({ owner }) => owner === after[0]?.owner),
              after[0]
            )
          })
      )
    )
  },
  {
    title: "any text serves as the id of a worker",
    check: among([...oddNames, "A", "a", "a ", "é"], ({ owners, renew, renewAll, sizes }) =>
      Effect.gen(function* () {
        yield* renewAll
        yield* renewAll
        yield* fair(yield* sizes)
        const settled = yield* owners
        for (const workerId of oddNames) {
          yield* equal(
            `the partitions of ${workerId}`,
            (yield* renew(workerId)).map(partitionOf),
            settled.filter(({ owner }) => owner === workerId).map(partitionOf)
          )
        }
      })
    )
  },
  {
    title: "eight workers renewing at once never share a partition, and are fair in the end",
    check: among(
      Array.makeBy(8, (place) => `at once ${place}`),
      ({ renewAtOnce, sizes }) =>
        Effect.gen(function* () {
          for (let round = 0; round < 6; round++) {
            const answers = (yield* renewAtOnce).flat().map(partitionOf)
            // Each renewed once: what one of them was told is still its own when the last one asks.
            yield* equal("partitions told to one alone", new Set(answers).size, answers.length)
          }
          yield* fair(yield* sizes)
        })
    )
  }
]

type Failure = ConformanceFailure | StoreError
type Owned = Pick<Lease.Lease, "partition" | "owner">

/** Workers of one check. Every renewal and release is followed by a look at what the store lists then. */
interface Group {
  readonly workerIds: ReadonlyArray<string>
  /** For an hour, unless told otherwise. */
  readonly renew: (workerId: string, duration?: Duration.Duration) => Effect.Effect<ReadonlyArray<Lease.Lease>, Failure>
  /** One round, one after another. */
  readonly renewAll: Effect.Effect<void, Failure>
  /** One round, all at once. */
  readonly renewAtOnce: Effect.Effect<ReadonlyArray<ReadonlyArray<Lease.Lease>>, Failure>
  readonly release: (workerId: string) => Effect.Effect<void, Failure>
  /** Lets all that the worker holds expire. */
  readonly expire: (workerId: string) => Effect.Effect<void, Failure>
  readonly owners: Effect.Effect<ReadonlyArray<Owned>, Failure>
  readonly epochs: Effect.Effect<ReadonlyArray<number>, Failure>
  /** How many partitions each holds, in the order of `workerIds`. */
  readonly sizes: Effect.Effect<ReadonlyArray<number>, Failure>
}

/** Runs a check in a store where nobody else holds a lease, and leaves none behind. */
function among<R>(workerIds: ReadonlyArray<string>, check: (group: Group) => Effect.Effect<void, Failure, R>) {
  return Effect.gen(function* () {
    const leases = yield* PartitionLeases
    const partitions = yield* allPartitions
    const releaseAll = Effect.forEach(workerIds, leases.release, { discard: true })
    yield* Effect.acquireUseRelease(
      Effect.gen(function* () {
        const strangers = new Set((yield* leases.list).map(({ owner }) => owner))
        yield* Effect.forEach(strangers, leases.release, { discard: true })
        yield* equal("leases after all were released", yield* leases.list, [])
      }),
      () => check(groupOf(workerIds, leases, partitions)),
      () => releaseAll
    )
  })
}

const groupOf = (
  workerIds: ReadonlyArray<string>,
  leases: PartitionLeases["Service"],
  partitions: ReadonlyArray<number>
): Group => {
  /** By partition, the lease that was listed last. */
  const seen = new Map<number, Lease.Lease>()

  const look = Effect.fnUntraced(function* () {
    const listed = yield* leases.list
    const listedPartitions = listed.map(partitionOf)
    yield* equal(
      "the partitions listed, each once and in order",
      listedPartitions,
      partitions.filter((partition) => listedPartitions.includes(partition))
    )
    for (const lease of listed) {
      const last = seen.get(lease.partition)
      seen.set(lease.partition, lease)
      yield* holds("an owner among the workers that renewed", workerIds.includes(lease.owner), lease)
      yield* holds("an epoch that is a whole number from 1", Number.isInteger(lease.epoch) && lease.epoch > 0, lease)
      if (last === undefined) continue
      yield* equal(
        `the epoch of partition ${lease.partition}, last owned by ${last.owner}, now by ${lease.owner}`,
        lease.epoch,
        last.owner === lease.owner ? last.epoch : last.epoch + 1
      )
    }
    return listed
  })

  const renew = Effect.fnUntraced(function* (workerId: string, duration: Duration.Duration = long) {
    const answer = yield* leases.renew({ workerId, duration })
    const listed = yield* look()
    yield* equal(
      "the answer, as it is listed",
      answer,
      listed.filter((lease) => lease.owner === workerId)
    )
    return answer
  })

  return {
    workerIds,
    renew,
    renewAll: Effect.forEach(workerIds, (workerId) => renew(workerId), { discard: true }),
    renewAtOnce: Effect.forEach(workerIds, (workerId) => leases.renew({ workerId, duration: long }), {
      concurrency: "unbounded"
    }).pipe(Effect.tap(look)),
    release: Effect.fnUntraced(function* (workerId: string) {
      yield* leases.release(workerId)
      const listed = yield* look()
      yield* holds(
        `no lease of "${workerId}", which released; listed are`,
        !listed.some((lease) => lease.owner === workerId),
        listed
      )
    }),
    expire: Effect.fnUntraced(function* (workerId: string) {
      yield* leases.renew({ workerId, duration: Duration.millis(1) })
      for (let asked = 0; asked < maxAsked; asked++) {
        const listed = yield* look()
        if (!listed.some((lease) => lease.owner === workerId)) return
        yield* Effect.yieldNow
      }
      yield* holds("leases of a millisecond to expire; listed are", false, yield* leases.list)
    }),
    owners: Effect.map(look(), (listed) => listed.map(({ owner, partition }) => ({ partition, owner }))),
    epochs: Effect.map(look(), (listed) => listed.map(({ epoch }) => epoch)),
    sizes: Effect.map(look(), (listed) =>
      workerIds.map((workerId) => listed.filter((lease) => lease.owner === workerId).length)
    )
  }
}

/** More often than any store can be asked within a millisecond. */
const maxAsked = 20_000

const partitionOf = ({ partition }: Pick<Lease.Lease, "partition">): number => partition

/** Fails unless the shares are of all partitions, and differ by one at most. */
const fair = Effect.fnUntraced(function* (sizes: ReadonlyArray<number>) {
  const sum = sizes.reduce((total, size) => total + size, 0)
  yield* equal("partitions owned", sum, (yield* allPartitions).length)
  yield* holds("shares that differ by one at most", Math.max(...sizes) - Math.min(...sizes) <= 1, sizes)
})
