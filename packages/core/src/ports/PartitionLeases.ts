/** Port: which worker owns which partition. */
import type { Duration, Effect } from "effect"
import { Context } from "effect"
import type { Lease } from "../partition/Lease.ts"
import type { StoreError } from "./StoreError.ts"

export class PartitionLeases extends Context.Service<
  PartitionLeases,
  {
    /**
     * Reports that the worker is alive, and gives it its fair share of the partitions for `duration` from now:
     * `Lease.share` among the workers whose last renewal has not expired. Returns all the leases that it holds, by
     * partition.
     *
     * **Details**
     *
     * Only the store's clock counts. Renewals run one after another, so no partition ever has two owners.
     */
    readonly renew: (options: {
      readonly workerId: string
      readonly duration: Duration.Duration
    }) => Effect.Effect<ReadonlyArray<Lease>, StoreError>

    /** Gives back all that the worker holds, and forgets the worker: the others take over at their next renewal. */
    readonly release: (workerId: string) => Effect.Effect<void, StoreError>
  }
>()("@refold/core/ports/PartitionLeases") {}
