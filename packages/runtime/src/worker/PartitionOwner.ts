/** Owns a share of the partitions: renews their leases as a heartbeat, and gives them back when its scope closes. */
import { PartitionLeases } from "@refold/core"
import { Clock, Duration, Effect, Metric } from "effect"
import * as Metrics from "../Metrics.ts"
import { keepTrying } from "./KeepTrying.ts"

/** For giving the leases back; later, they expire. */
const releaseTimeout = Duration.seconds(5)

export interface Options {
  readonly workerId: string
  /** Partitions of a worker that died stay unowned for this long at most, within two seconds. */
  readonly leaseDuration: Duration.Duration
  /** Called after each renewal. */
  readonly onRenewed: (change: Change) => Effect.Effect<void>
}

/** How a renewal changed what is owned. */
export interface Change {
  readonly hasLost: boolean
  readonly hasGained: boolean
}

export interface PartitionOwner {
  /** Partitions owned now: none once the leases may have expired. */
  readonly owned: Effect.Effect<ReadonlyArray<number>>
}

/**
 * **Details**
 *
 * Leases are for speed, commits are the proof. So nothing fences a worker that was frozen and whose partitions another one
 * owns by now: of two commits to one execution, the second fails on its position or on its queue cursor.
 */
export const make = Effect.fnUntraced(function* ({ leaseDuration, onRenewed, workerId }: Options) {
  const leases = yield* PartitionLeases
  // A dead worker is noticed when another worker renews its leases.
  const heartbeat = Duration.min(Duration.divideUnsafe(leaseDuration, 3), Duration.seconds(1))
  let partitions: ReadonlyArray<number> = []
  let ownedUntilMillis = 0

  const owned = Effect.map(Clock.currentTimeMillis, (now) => (now < ownedUntilMillis ? partitions : []))

  const renew = Effect.gen(function* () {
    const askedAtMillis = yield* Clock.currentTimeMillis
    const renewed = yield* leases.renew({ workerId, duration: leaseDuration })
    const before = yield* owned
    partitions = renewed.map((lease) => lease.partition)
    ownedUntilMillis = askedAtMillis + Duration.toMillis(leaseDuration)
    yield* Metric.update(Metrics.partitionsOwned, partitions.length)
    yield* onRenewed(changeBetween(before, partitions))
  })

  yield* Effect.addFinalizer(() =>
    leases.release(workerId).pipe(
      Effect.timeoutOrElse({ duration: releaseTimeout, orElse: () => Effect.fail({ message: "no answer" }) }),
      Effect.catch((error) => Effect.logWarning(`The leases were not given back and will expire: ${error.message}`))
    )
  )
  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(keepTrying(workerId)("renew its leases", renew), Effect.sleep(heartbeat)))
  )
  const owner: PartitionOwner = { owned }
  return owner
})

const changeBetween = (before: ReadonlyArray<number>, after: ReadonlyArray<number>): Change => {
  const [had, has] = [new Set(before), new Set(after)]
  return {
    hasLost: before.some((partition) => !has.has(partition)),
    hasGained: after.some((partition) => !had.has(partition))
  }
}
