/** Port: who owns which partition. */
import type { Duration, Effect } from "effect"
import { Context } from "effect"
import type { Lease } from "../partition/Lease.ts"
import type { StoreError } from "./StoreError.ts"

export class PartitionLeases extends Context.Service<
  PartitionLeases,
  {
    /**
     * Tells that the worker is alive, and gives it its fair share of the partitions for `duration` from now: `Lease.share`
     * among the workers whose last renewal has not expired. Answers with all the leases it holds, by partition.
     *
     * **Details**
     *
     * Time is the store's clock alone. Renewals are one after another, so no partition ever has two owners.
     */
    readonly renew: (options: {
      readonly workerId: string
      readonly duration: Duration.Duration
    }) => Effect.Effect<ReadonlyArray<Lease>, StoreError>

    /** Gives back all that the worker holds, and forgets it: the others take it at their next renewal. */
    readonly release: (workerId: string) => Effect.Effect<void, StoreError>

    /** Leases that have not expired, by partition. */
    readonly list: Effect.Effect<ReadonlyArray<Lease>, StoreError>
  }
>()("@refold/core/ports/PartitionLeases") {}
