/** Port: persists and retrieves events. */
import type { Array, Effect, Option, Result, Stream } from "effect"
import { Context } from "effect"
import type { Commit, CommitRefused, Committed } from "../execution/Commit.ts"
import type { Instant } from "../event/Instant.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import type { StoreError } from "./StoreError.ts"

export class WorkflowEventModel extends Context.Service<
  WorkflowEventModel,
  {
    /** Partition count of the namespace; fixed by its first migration. */
    readonly partitionCount: number

    /**
     * Whether the caller has an open transaction on the store's client. Its writes join that transaction and may be
     * rolled back. Always false for a store without such transactions.
     */
    readonly isInTransaction: Effect.Effect<boolean>

    /**
     * Writes commits of different executions. Each is written whole or not at all, independently of the others. Returns
     * the results in the same order.
     *
     * **Details**
     *
     * Stamps `recorded_at`, and `created_at` if the event has none, under the lock of the partition: the later of the
     * store's clock and the execution's last event. Assigns positions and offsets without gaps. Settles queued events
     * in the same write as their events.
     *
     * The whole call fails as `Refused`, and nothing is written, if the tenant already has an event id, or an execution
     * already has an idempotency key.
     */
    readonly commit: (
      commits: Array.NonEmptyReadonlyArray<Commit>
    ) => Effect.Effect<Array.NonEmptyReadonlyArray<Result.Result<Committed, CommitRefused>>, StoreError>

    /**
     * Events of one execution, in order of position: after `after`, up to `to`, created at `until` or earlier. Empty
     * for an unknown execution. With `until`, waits for commits in progress that may have such an instant, so an answer
     * given once never changes.
     */
    readonly read: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly after?: number
      readonly to?: number
      readonly until?: Instant
      /** Events read at a time, 1,000 by default. */
      readonly batchSize?: number
    }) => Stream.Stream<WorkflowEvent, StoreError>

    /**
     * Every event of a tenant, or of a range of executions (bounds included), by execution id (in order of UTF-8 bytes)
     * and position.
     */
    readonly readTenant: (options: {
      readonly tenant: string
      readonly fromExecutionId?: string
      readonly toExecutionId?: string
      readonly batchSize?: number
    }) => Stream.Stream<WorkflowEvent, StoreError>

    /**
     * At most `limit` events of a partition's feed after an offset, in order. An event that is not visible yet has a
     * higher offset.
     */
    readonly readFeed: (options: {
      readonly partition: number
      readonly after: number
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<WorkflowEvent>, StoreError>

    /** The event with the key. */
    readonly findByIdempotencyKey: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly idempotencyKey: string
    }) => Effect.Effect<Option.Option<WorkflowEvent>, StoreError>
  }
>()("@refold/core/ports/WorkflowEventModel") {}
