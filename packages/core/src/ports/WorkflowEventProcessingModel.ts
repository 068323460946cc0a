/** Port: the queue of each execution: events that are stored but not yet decided, and the outcomes of the others. */
import type { Array, Effect, Option, Stream } from "effect"
import { Context } from "effect"
import type { ExecutionRef } from "../execution/ExecutionRef.ts"
import type { AfterFailure } from "../queue/FailurePolicy.ts"
import type { Instant } from "../event/Instant.ts"
import type {
  IdempotencyConflict,
  NewQueuedEvent,
  QueueClosed,
  QueueEntry,
  QueuedEvent,
  Status
} from "../queue/QueuedEvent.ts"
import type { WorkflowRef } from "../workflow/WorkflowRef.ts"
import type { ExecutionHeader } from "./WorkflowExecutionModel.ts"
import type { StoreError } from "./StoreError.ts"

/** A claim: the header at the claim, the queue cursor, and the next events of the queue, in order. */
export interface Claim {
  readonly header: ExecutionHeader
  readonly settledCount: number
  readonly events: Array.NonEmptyReadonlyArray<QueuedEvent>
  /** Whether more events are pending behind these. */
  readonly hasMore: boolean
  /** The store's clock. */
  readonly claimedAt: Instant
}

/** The pending and dead events of one partition. */
export interface PartitionLag {
  readonly partition: number
  readonly pendingCount: number
  readonly oldestQueuedAt?: Instant
  /** Dead and skipped events, which an operator can redrive or discard. */
  readonly deadCount: number
  /** Pending events whose workflow the partition's owner does not know. */
  readonly unclaimedCount: number
}

export class WorkflowEventProcessingModel extends Context.Service<
  WorkflowEventProcessingModel,
  {
    /**
     * Stores events, all or none. Events of one execution get the next queue positions, in order. Returns the entries
     * in the order of the events.
     *
     * **Details**
     *
     * The executions must exist and must not be complete, unless their log has the idempotency key. If the queue has
     * the key, the call adds nothing and returns the existing entry, whatever its status. The call waits for other
     * writers that have queued events to the same execution and not committed yet, so positions become visible in
     * order. Inside a caller's transaction on the same client, it joins that transaction.
     */
    readonly enqueue: (
      events: Array.NonEmptyReadonlyArray<NewQueuedEvent>
    ) => Effect.Effect<Array.NonEmptyReadonlyArray<QueueEntry>, IdempotencyConflict | QueueClosed | StoreError>

    /**
     * Executions whose next event is pending and due: in these partitions, without unclaimed work; with `"unclaimed"`,
     * only unclaimed work, in all partitions. At most `limitPerTenant` per tenant and partition, so that no tenant
     * hides another.
     */
    readonly findReady: (options: {
      readonly of: ReadonlyArray<number> | "unclaimed"
      readonly limitPerTenant: number
      /** With `"unclaimed"`, leaves out executions of these workflows. */
      readonly except: ReadonlyArray<WorkflowRef>
    }) => Effect.Effect<ReadonlyArray<ExecutionRef>, StoreError>

    /**
     * Claims the next pending events of each execution, at most `limit`, and counts an attempt of the first one.
     * Executions without a due event are absent from the answer.
     *
     * **Details**
     *
     * After an attempt that never ended, the event is claimed alone, because it may have ended the process. Do not call
     * it inside a transaction of your own: a store may commit the attempt count asynchronously, and your writes with
     * it.
     */
    readonly claim: (options: {
      readonly executions: Array.NonEmptyReadonlyArray<ExecutionRef>
      readonly limit: number
      /** Also events whose retry is not due yet. */
      readonly ignoreDelay?: boolean
    }) => Effect.Effect<ReadonlyArray<Claim>, StoreError>

    /**
     * Ends an attempt without a result. Changes nothing if the event is no longer pending, or is at another attempt.
     */
    readonly fail: (options: {
      readonly event: Pick<QueuedEvent, "tenant" | "executionId" | "queuePosition" | "attemptCount">
      readonly cause: string
      readonly next: AfterFailure
    }) => Effect.Effect<void, StoreError>

    /** Uncounts the attempt and marks the event as unclaimed, for a worker that knows its workflow. */
    readonly markUnclaimed: (
      event: Pick<QueuedEvent, "tenant" | "executionId" | "queuePosition">
    ) => Effect.Effect<void, StoreError>

    readonly find: (
      options: ExecutionRef & ({ readonly processingId: string } | { readonly idempotencyKey: string })
    ) => Effect.Effect<Option.Option<QueueEntry>, StoreError>

    /**
     * Entries of a tenant, or of all, with these statuses: by tenant, execution id (in order of UTF-8 bytes), queue
     * position.
     */
    readonly list: (options: {
      readonly tenant?: string
      readonly executionId?: string
      readonly statuses: Array.NonEmptyReadonlyArray<Status["_tag"]>
      readonly batchSize?: number
    }) => Stream.Stream<QueueEntry, StoreError>

    /**
     * Sets a dead or skipped event back to pending and resets its attempts. A dead event keeps its queue position, a
     * skipped one moves to the end. Returns the entry; none if there is no such event, or it is neither dead nor
     * skipped.
     */
    readonly redrive: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly processingId: string
    }) => Effect.Effect<Option.Option<QueueEntry>, StoreError>

    /** Gives up a dead or skipped event; the execution continues. Returns the same as `redrive`. */
    readonly discard: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly processingId: string
    }) => Effect.Effect<Option.Option<QueueEntry>, StoreError>

    /** The lag of each partition that has pending or dead events, by partition. */
    readonly lag: Effect.Effect<ReadonlyArray<PartitionLag>, StoreError>
  }
>()("@refold/core/ports/WorkflowEventProcessingModel") {}
