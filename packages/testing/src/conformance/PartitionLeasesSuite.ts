/**
 * The promises of every `PartitionLeases`.
 *
 * **Details**
 *
 * Partitions belong to the whole store, not to a tenant. So these checks, unlike those of the other ports, run one
 * after another, in a store where no other worker renews leases; in any order, and over any data. Each check begins by
 * proving that all partitions are free, and ends by releasing the workers that it made, also when it fails.
 *
 * Every check holds for any number of partitions: run them with 1, with a few, and with 64. The store's clock must run:
 * two checks wait for leases of a millisecond to expire.
 */
import { type Lease, Instant, PartitionLeases, type StoreError, WorkflowEventModel } from "@refold/core"
import { Array, Duration, Effect, Schema } from "effect"
import { type Check, type ConformanceFailure, equal, holds } from "./Check.ts"
import { oddNames } from "./Sample.ts"

const long = Duration.hours(1)
const short = Duration.millis(1)

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
    title: "a new worker gets its half as soon as the first has renewed, and nothing until then",
    check: among(["first", "second"], ({ renew, sizes }) =>
      Effect.gen(function* () {
        const count = (yield* allPartitions).length
        yield* renew("first")
        yield* equal("what the second gets before the first has renewed", yield* renew("second"), [])
        yield* equal("how many the first keeps", (yield* renew("first")).length, Math.ceil(count / 2))
        yield* equal("how many the second gets", (yield* renew("second")).length, Math.floor(count / 2))
        yield* equal("the shares", sizes(), [Math.ceil(count / 2), Math.floor(count / 2)])
      })
    )
  },
  {
    title: "workers that stay keep their partitions through any number of renewals",
    check: among(["a", "b", "c"], ({ owners, renewAll }) =>
      Effect.gen(function* () {
        yield* renewAll
        yield* renewAll
        const settled = owners()
        for (let round = 0; round < 3; round++) {
          yield* renewAll
          yield* equal("the owners", owners(), settled)
        }
      })
    )
  },
  {
    title: "a release gives the partitions back at once, to the next worker that renews",
    check: among(["leaver", "stayer", "taker"], ({ release, renew, renewAll }) =>
      Effect.gen(function* () {
        const all = yield* allPartitions
        yield* renewAll
        yield* renewAll
        yield* release("leaver")
        yield* equal("how many the next worker has", (yield* renew("taker")).length, Math.ceil(all.length / 2))
        yield* release("leaver")
        yield* release("a worker that never was")
        yield* equal("how many it keeps", (yield* renew("taker")).length, Math.ceil(all.length / 2))
        yield* release("stayer")
        yield* equal("the partitions of the last worker", (yield* renew("taker")).map(partitionOf), all)
      })
    )
  },
  {
    title: "a partition goes from owner to owner and back, as often as one releases and the other renews",
    check: among(["odd", "even"], ({ release, renew }) =>
      Effect.gen(function* () {
        for (let changes = 1; changes <= 4; changes++) {
          const owner = changes % 2 === 1 ? "odd" : "even"
          for (const _ of [1, 2]) {
            yield* equal(`the partitions of ${owner}`, (yield* renew(owner)).map(partitionOf), yield* allPartitions)
            yield* release(owner)
          }
        }
      })
    )
  },
  {
    title: "a renewal extends every lease that is kept, by its duration from now",
    check: among(["a", "b"], ({ renew, renewAll }) =>
      Effect.gen(function* () {
        yield* renewAll
        yield* renewAll
        const before = yield* renew("a")
        const renewed = yield* renew("a", Duration.hours(2))
        yield* equal("the partitions of the worker", renewed.map(partitionOf), before.map(partitionOf))
        for (const [last, lease] of Array.zip(before, renewed)) {
          yield* holds(
            "a renewed lease to expire later than before; before, and now",
            lease.expiresAt > last.expiresAt,
            [last, lease]
          )
        }
        const span = millisBetween(before[0], renewed[0])
        yield* holds(
          "the expiry to move by an hour, and by what passed since; in milliseconds",
          span >= 3_599_999 && span < 7_000_000,
          span
        )
      })
    )
  },
  {
    title:
      "a worker that does not renew loses all, however often others renew; when it is back, it waits for its share",
    check: among(["frozen", "awake"], ({ abandon, renew, renewAll, sizes }) =>
      Effect.gen(function* () {
        const all = yield* allPartitions
        yield* renewAll
        yield* renewAll
        yield* abandon("frozen")
        yield* within("leases of a millisecond to go to the other worker, which has", () =>
          Effect.map(renew("awake"), (leases) => ({ isSo: leases.length === all.length, found: leases }))
        )
        yield* equal("what the worker gets when it is back", yield* renew("frozen"), [])
        yield* renew("awake")
        yield* renew("frozen")
        yield* equal("the shares", sizes(), [Math.floor(all.length / 2), Math.ceil(all.length / 2)])
      })
    )
  },
  {
    title: "a worker that expired gets its partitions again while they are free",
    check: among(["late"], ({ renew }) =>
      Effect.gen(function* () {
        const all = yield* allPartitions
        yield* within("a renewal after the lease of a millisecond has expired", () =>
          Effect.gen(function* () {
            const expired = yield* renew("late", short)
            const again = yield* renew("late")
            yield* equal("the partitions", again.map(partitionOf), all)
            // The store's clock at the renewal is an hour before the new expiry.
            const isSo = millisBetween(expired[0], again[0]) > Duration.toMillis(long)
            return { isSo, found: [expired[0], again[0]] }
          })
        )
      })
    )
  },
  {
    title: "of more workers than partitions, each has one or none; those without one take over from those that leave",
    check: Effect.flatMap(allPartitions, ({ length }) =>
      among(
        Array.makeBy(length + 2, (index) => `worker ${index}`),
        ({ owners, release, renew, renewAll, sizes, workerIds }) =>
          Effect.gen(function* () {
            yield* renewAll
            yield* renewAll
            yield* equal("how many workers have no partition", sizes().filter((size) => size === 0).length, 2)
            yield* equal("how many workers have one partition", sizes().filter((size) => size === 1).length, length)
            const before = owners()
            const leaver = before[0]?.owner ?? ""
            yield* release(leaver)
            for (const workerId of workerIds) if (workerId !== leaver) yield* renew(workerId)
            const after = owners()
            yield* equal("the owners of the other partitions", after.slice(1), before.slice(1))
            yield* holds(
              "the partition given back to go to a worker that had none",
              after.length === length && !before.some(({ owner }) => owner === after[0]?.owner),
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
        yield* fair(sizes())
        const settled = owners()
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
      Array.makeBy(8, (index) => `at once ${index}`),
      ({ renewAtOnce, sizes }) =>
        Effect.gen(function* () {
          for (let round = 0; round < 6; round++) {
            const answers = (yield* renewAtOnce).flat().map(partitionOf)
            // Each worker has renewed once and still owns its first answer when the last worker renews.
            yield* equal("partitions answered to one worker alone", new Set(answers).size, answers.length)
          }
          yield* fair(sizes())
        })
    )
  }
]

type Failure = ConformanceFailure | StoreError
type Owned = Pick<Lease.Lease, "partition" | "owner">

/** The workers of one check. Each worker owns what its last renewal answered, until it releases or is abandoned. */
interface Group {
  readonly workerIds: ReadonlyArray<string>
  /** Renews for an hour by default, and checks the answer against what the other workers own. */
  readonly renew: (workerId: string, duration?: Duration.Duration) => Effect.Effect<ReadonlyArray<Lease.Lease>, Failure>
  /** One round, one after another. */
  readonly renewAll: Effect.Effect<void, Failure>
  /** One round, all at once. */
  readonly renewAtOnce: Effect.Effect<ReadonlyArray<ReadonlyArray<Lease.Lease>>, Failure>
  readonly release: (workerId: string) => Effect.Effect<void, Failure>
  /** Renews for a millisecond, for the last time: others may take the worker's partitions from then on. */
  readonly abandon: (workerId: string) => Effect.Effect<void, Failure>
  /** The owner of each partition. */
  readonly owners: () => ReadonlyArray<Owned>
  /** How many partitions each owns, in the order of `workerIds`. */
  readonly sizes: () => ReadonlyArray<number>
}

/** Runs a check in a store where nobody else holds a lease, and leaves none behind. */
function among<R>(workerIds: ReadonlyArray<string>, check: (group: Group) => Effect.Effect<void, Failure, R>) {
  return Effect.gen(function* () {
    const leases = yield* PartitionLeases
    const partitions = yield* allPartitions
    yield* Effect.acquireUseRelease(
      Effect.gen(function* () {
        const answer = yield* leases.renew({ workerId: probe, duration: long })
        yield* leases.release(probe)
        yield* equal(
          "the partitions that are free, while no other worker is alive",
          answer.map(partitionOf),
          partitions
        )
      }),
      () => check(groupOf(workerIds, leases, partitions)),
      () => Effect.forEach(workerIds, leases.release, { discard: true })
    )
  })
}

const probe = "a worker of the conformance kit"

const groupOf = (
  workerIds: ReadonlyArray<string>,
  leases: PartitionLeases["Service"],
  partitions: ReadonlyArray<number>
): Group => {
  const owned = new Map<string, ReadonlyArray<Lease.Lease>>()

  const renew = Effect.fnUntraced(function* (workerId: string, duration: Duration.Duration = long) {
    const answer = yield* leases.renew({ workerId, duration })
    owned.delete(workerId)
    yield* checkAnswer(workerId, answer, { partitions, others: [...owned.values()].flat() })
    owned.set(workerId, answer)
    return answer
  })

  return {
    workerIds,
    renew,
    renewAll: Effect.forEach(workerIds, (workerId) => renew(workerId), { discard: true }),
    renewAtOnce: Effect.forEach(workerIds, (workerId) => leases.renew({ workerId, duration: long }), {
      concurrency: "unbounded"
    }).pipe(
      Effect.tap(
        Effect.forEach((answer, index) => {
          const workerId = workerIds[index] ?? ""
          owned.set(workerId, answer)
          return checkAnswer(workerId, answer, { partitions, others: [] })
        })
      )
    ),
    release: (workerId) =>
      Effect.map(leases.release(workerId), () => {
        owned.delete(workerId)
      }),
    abandon: (workerId) =>
      Effect.map(renew(workerId, short), () => {
        owned.delete(workerId)
      }),
    owners: () =>
      [...owned.values()]
        .flat()
        .map(({ owner, partition }) => ({ partition, owner }))
        .toSorted((left, right) => left.partition - right.partition),
    sizes: () => workerIds.map((workerId) => owned.get(workerId)?.length ?? 0)
  }
}

/** Fails unless the leases are the worker's own, each partition once and in order, and none of them another's. */
const checkAnswer = Effect.fnUntraced(function* (
  workerId: string,
  answer: ReadonlyArray<Lease.Lease>,
  known: { readonly partitions: ReadonlyArray<number>; readonly others: ReadonlyArray<Lease.Lease> }
) {
  const answered = answer.map(partitionOf)
  yield* equal(
    "the partitions answered, each once and in order",
    answered,
    known.partitions.filter((partition) => answered.includes(partition))
  )
  for (const lease of answer) {
    yield* equal("the owner of a lease that a renewal answers", lease.owner, workerId)
    yield* holds(
      "an instant such as 2025-03-01T12:00:00.000Z in `expiresAt`",
      Schema.is(Instant.Instant)(lease.expiresAt),
      lease
    )
  }
  yield* equal(
    `what "${workerId}" was answered, and another worker owns`,
    known.others.filter(({ partition }) => answered.includes(partition)),
    []
  )
})

/** Polls until the condition holds. */
const within = Effect.fnUntraced(function* <E, R>(
  what: string,
  ask: () => Effect.Effect<{ readonly isSo: boolean; readonly found: unknown }, E, R>
) {
  let last: unknown
  for (let asked = 0; asked < maxAsked; asked++) {
    const { found, isSo } = yield* ask()
    if (isSo) return
    last = found
    yield* Effect.yieldNow
  }
  yield* holds(what, false, last)
})

/** More calls than any store can answer within a millisecond. */
const maxAsked = 20_000

const partitionOf = ({ partition }: Pick<Lease.Lease, "partition">): number => partition

/** From the expiry of one lease to that of another. */
const millisBetween = (earlier: Lease.Lease | undefined, later: Lease.Lease | undefined): number =>
  Instant.toEpochMillis(later?.expiresAt ?? "") - Instant.toEpochMillis(earlier?.expiresAt ?? "")

/** Fails unless the shares are of all partitions, and differ by one at most. */
const fair = Effect.fnUntraced(function* (sizes: ReadonlyArray<number>) {
  const sum = sizes.reduce((total, size) => total + size, 0)
  yield* equal("partitions owned", sum, (yield* allPartitions).length)
  yield* holds("shares that differ by one at most", Math.max(...sizes) - Math.min(...sizes) <= 1, sizes)
})
