/** Leases in maps. Who shares them shares a process, so that a worker is one of its fibers. */
import { Instant, Lease, PartitionLeases } from "@refold/core"
import { Clock, Duration, Effect, Layer } from "effect"
import { MemoryTables } from "./MemoryTables.ts"

/** The last lease of a partition, also after it has expired or was given back: the epoch goes on from it. */
interface Held {
  readonly owner: string
  readonly epoch: number
  readonly expiresAtMillis: number
}

export const layer = Layer.effect(
  PartitionLeases,
  Effect.gen(function* () {
    const { partitionCount } = yield* MemoryTables
    const leases = new Map<number, Held>()
    /** When each worker is given up for dead, in milliseconds since 1970. */
    const workers = new Map<string, number>()

    const listAt = (millis: number): ReadonlyArray<Lease.Lease> =>
      [...leases]
        .filter(([, held]) => held.expiresAtMillis > millis)
        .map(([partition, { epoch, expiresAtMillis, owner }]) => ({
          partition,
          owner,
          epoch,
          expiresAt: Instant.fromEpochMillis(expiresAtMillis)
        }))
        .toSorted((left, right) => left.partition - right.partition)

    /** Gives back the partitions of the worker, but for those that it keeps. */
    const giveBack = (workerId: string, kept: ReadonlyArray<number>) => {
      for (const [partition, held] of leases) {
        if (held.owner !== workerId || kept.includes(partition)) continue
        leases.set(partition, { ...held, expiresAtMillis: -Infinity })
      }
    }

    return PartitionLeases.of({
      renew: ({ duration, workerId }) =>
        Effect.map(Clock.currentTimeMillis, (millis) => {
          for (const [other, expiresAtMillis] of workers) if (expiresAtMillis <= millis) workers.delete(other)
          const expiresAtMillis = millis + Duration.toMillis(duration)
          workers.set(workerId, expiresAtMillis)
          const share = Lease.share({ workerId, workers: workers.keys(), leases: listAt(millis), partitionCount })
          giveBack(workerId, share)
          for (const partition of share) {
            const last = leases.get(partition)
            const epoch = last?.owner === workerId ? last.epoch : (last?.epoch ?? 0) + 1
            leases.set(partition, { owner: workerId, epoch, expiresAtMillis })
          }
          return listAt(millis).filter((lease) => lease.owner === workerId)
        }),
      release: (workerId) =>
        Effect.sync(() => {
          workers.delete(workerId)
          giveBack(workerId, [])
        }),
      list: Effect.map(Clock.currentTimeMillis, listAt)
    })
  })
)
