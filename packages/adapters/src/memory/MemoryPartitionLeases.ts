/** Leases in maps. Workers that share them are fibers of one process. */
import { Instant, Lease, PartitionLeases } from "@refold/core"
import { Clock, Duration, Effect, Layer } from "effect"
import { MemoryTables } from "./MemoryTables.ts"

interface HeldLease {
  readonly owner: string
  readonly expiresAtMillis: number
}

export const layer = Layer.effect(
  PartitionLeases,
  Effect.gen(function* () {
    const { partitionCount } = yield* MemoryTables
    const leases = new Map<number, HeldLease>()
    /** When each worker counts as dead, in milliseconds since 1970. */
    const workers = new Map<string, number>()

    const forgetExpired = (millis: number) => {
      for (const [workerId, expiresAtMillis] of workers) if (expiresAtMillis <= millis) workers.delete(workerId)
      for (const [partition, { expiresAtMillis }] of leases) if (expiresAtMillis <= millis) leases.delete(partition)
    }

    const giveBackAll = (workerId: string) => {
      for (const [partition, { owner }] of leases) if (owner === workerId) leases.delete(partition)
    }

    return PartitionLeases.of({
      renew: ({ duration, workerId }) =>
        Effect.map(Clock.currentTimeMillis, (millis) => {
          const expiresAtMillis = millis + Duration.toMillis(duration)
          forgetExpired(millis)
          workers.set(workerId, expiresAtMillis)
          const share = Lease.share({
            workerId,
            workers: workers.keys(),
            leases: [...leases].map(([partition, { owner }]) => ({ partition, owner })),
            partitionCount
          })
          giveBackAll(workerId)
          for (const partition of share) leases.set(partition, { owner: workerId, expiresAtMillis })
          const expiresAt = Instant.fromEpochMillis(expiresAtMillis)
          return share.map((partition) => ({ partition, owner: workerId, expiresAt }))
        }),
      release: (workerId) =>
        Effect.sync(() => {
          workers.delete(workerId)
          giveBackAll(workerId)
        })
    })
  })
)
