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
    /** Partitions of the namespace; fixed when it was made. */
    readonly partitionCount: number

    /**
     * Whether the caller is in a transaction of its own on the store's client: what it writes is part of that, and may be
     * rolled back with it. False where a store has no such transactions.
     */
    readonly isInTransaction: Effect.Effect<boolean>

    /**
     * Writes commits of different executions, each whole or not at all by itself; answers in their order.
     *
     * **Details**
     *
     * Stamps `recorded_at` (and `created_at`, where the event brings none) under the lock of the partition, as the later of
     * the store's clock and the execution's last event, and numbers positions and offsets without gaps. Queued events are
     * settled by the commit that answers them, or not at all.
     *
     * An event id that the tenant has, or an idempotency key that the execution has, fails the whole call as `Refused`, and
     * nothing of it is written.
     */
    readonly commit: (
      commits: Array.NonEmptyReadonlyArray<Commit>
    ) => Effect.Effect<Array.NonEmptyReadonlyArray<Result.Result<Committed, CommitRefused>>, StoreError>

    /**
     * Events of one execution, in order of position: after `after`, up to `to`, created at `until` or earlier. An
     * unknown execution is empty. Events that another writer is committing with an instant not after `until` are awaited,
     * so that an answer given once never changes.
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

    /** Every event of a tenant, by execution id (in order of UTF-8 bytes), then position; of the executions from one id to another, both included. */
    readonly readTenant: (options: {
      readonly tenant: string
      readonly fromExecutionId?: string
      readonly toExecutionId?: string
      readonly batchSize?: number
    }) => Stream.Stream<WorkflowEvent, StoreError>

    /** At most `limit` events of a partition's feed after an offset, in order. An event not yet there has a higher offset. */
    readonly readFeed: (options: {
      readonly partition: number
      readonly after: number
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<WorkflowEvent>, StoreError>

    /** The event that bore the key. */
    readonly findByIdempotencyKey: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly idempotencyKey: string
    }) => Effect.Effect<Option.Option<WorkflowEvent>, StoreError>
  }
>()("@refold/core/ports/WorkflowEventModel") {}
