/** Port: stores, finds and prunes snapshots. A cache: all of it may be lost at any time. */
import type { Effect, Option, Stream } from "effect"
import { Context } from "effect"
import type { Instant } from "../event/Instant.ts"
import type { Snapshot } from "../execution/Snapshot.ts"
import type { StoreError } from "./StoreError.ts"

export class WorkflowSnapshotModel extends Context.Service<
  WorkflowSnapshotModel,
  {
    /**
     * The newest snapshot with the fingerprint within the bounds: `position` at most `to`, last event not after
     * `until`. If there is none, the newest snapshot with another fingerprint.
     */
    readonly find: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly fingerprint: string
      readonly to?: number
      readonly until?: Instant
    }) => Effect.Effect<Option.Option<Snapshot>, StoreError>

    /** Positions of all snapshots of an execution, ascending. */
    readonly positions: (options: {
      readonly tenant: string
      readonly executionId: string
    }) => Effect.Effect<ReadonlyArray<number>, StoreError>

    /**
     * Stores the snapshot in place of one at the same position, and removes those at the pruned positions: both or
     * neither.
     */
    readonly save: (options: {
      readonly snapshot: Snapshot
      readonly prune: ReadonlyArray<number>
    }) => Effect.Effect<void, StoreError>

    /**
     * Every snapshot of a tenant, or of a range of executions (bounds included), by execution id (in order of UTF-8
     * bytes) and position.
     */
    readonly readTenant: (options: {
      readonly tenant: string
      readonly fromExecutionId?: string
      readonly toExecutionId?: string
      readonly batchSize?: number
    }) => Stream.Stream<Snapshot, StoreError>

    /** Removes the snapshots of an execution, or of all executions of a tenant. */
    readonly clear: (options: {
      readonly tenant: string
      readonly executionId?: string
    }) => Effect.Effect<void, StoreError>
  }
>()("@refold/core/ports/WorkflowSnapshotModel") {}
