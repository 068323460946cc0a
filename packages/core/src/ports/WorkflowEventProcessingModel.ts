/** Port: the queue of events asked for and not yet decided, and what became of them. */
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

/** Work taken up: the execution as it stood, how many of its queue were settled, and the next events of it, in order. */
export interface Claim {
  readonly header: ExecutionHeader
  readonly settledCount: number
  readonly events: Array.NonEmptyReadonlyArray<QueuedEvent>
  /** Whether more events wait behind these. */
  readonly hasMore: boolean
  /** The store's clock. */
  readonly claimedAt: Instant
}

/** What waits in one partition. */
export interface PartitionLag {
  readonly partition: number
  readonly pendingCount: number
  readonly oldestQueuedAt?: Instant
  /** Events that block their execution, and events skipped: those that an operator may redrive or discard. */
  readonly deadCount: number
  /** Waiting events whose workflow the partition's owner does not know. */
  readonly unclaimedCount: number
}

export class WorkflowEventProcessingModel extends Context.Service<
  WorkflowEventProcessingModel,
  {
    /**
     * Persists events, all or none; those of one execution take the next places of its queue, in order. Answers in the
     * order of the events.
     *
     * **Details**
     *
     * The executions must exist and not be complete, unless the key is one that their log knows. A key that the execution's queue knows adds nothing and gives the entry it led to, however
     * that stands. Of one execution, events enqueued by another writer that has not yet committed are awaited, so that the
     * order of places is the order in which they become visible. Part of the caller's transaction, where the caller has
     * one on the same client.
     */
    readonly enqueue: (
      events: Array.NonEmptyReadonlyArray<NewQueuedEvent>
    ) => Effect.Effect<Array.NonEmptyReadonlyArray<QueueEntry>, IdempotencyConflict | QueueClosed | StoreError>

    /**
     * Executions whose next event is waiting, and due: of these partitions but for what was left to others, or (`"unclaimed"`)
     * just that, of every partition. At most `limitPerTenant` of each tenant and partition, so that no tenant hides another.
     */
    readonly findReady: (options: {
      readonly of: ReadonlyArray<number> | "unclaimed"
      readonly limitPerTenant: number
      /** Of those left, executions of these workflows are passed over. */
      readonly except: ReadonlyArray<WorkflowRef>
    }) => Effect.Effect<ReadonlyArray<ExecutionRef>, StoreError>

    /**
     * Takes up the next waiting events of each execution, at most `limit`, and counts an attempt of the first of them.
     * Executions that have none due are absent from the answer.
     *
     * **Details**
     *
     * After an attempt that never ended, the event is claimed alone: it may be the one that ended the process. Not for a
     * transaction of the caller's: the count need not outlive the server, and all that the transaction wrote with it.
     */
    readonly claim: (options: {
      readonly executions: Array.NonEmptyReadonlyArray<ExecutionRef>
      readonly limit: number
      /** Also events whose retry is not due yet. */
      readonly ignoreDelay?: boolean
    }) => Effect.Effect<ReadonlyArray<Claim>, StoreError>

    /** Ends an attempt without a result. Changes nothing if the event is no longer waiting, or at another attempt. */
    readonly fail: (options: {
      readonly event: Pick<QueuedEvent, "tenant" | "executionId" | "queuePosition" | "attemptCount">
      readonly cause: string
      readonly next: AfterFailure
    }) => Effect.Effect<void, StoreError>

    /** Gives an attempt back and leaves the event to a worker that knows its workflow. */
    readonly leave: (
      event: Pick<QueuedEvent, "tenant" | "executionId" | "queuePosition">
    ) => Effect.Effect<void, StoreError>

    readonly find: (
      options: ExecutionRef & ({ readonly processingId: string } | { readonly idempotencyKey: string })
    ) => Effect.Effect<Option.Option<QueueEntry>, StoreError>

    /** Entries of a tenant, or of all, that stand so, by tenant, execution id (in order of UTF-8 bytes), place. */
    readonly list: (options: {
      readonly tenant?: string
      readonly executionId?: string
      readonly statuses: Array.NonEmptyReadonlyArray<Status["_tag"]>
      readonly batchSize?: number
    }) => Stream.Stream<QueueEntry, StoreError>

    /**
     * Makes a dead event wait again with no attempt counted: in its place, or, if it was skipped, at the end of the queue.
     * Answers with the entry; none if there is no such event, or it is neither dead nor skipped.
     */
    readonly redrive: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly processingId: string
    }) => Effect.Effect<Option.Option<QueueEntry>, StoreError>

    /** Gives a dead or skipped event up; the execution goes on. Answers as `redrive`. */
    readonly discard: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly processingId: string
    }) => Effect.Effect<Option.Option<QueueEntry>, StoreError>

    /** What waits, of the partitions where something does, in their order. */
    readonly lag: Effect.Effect<ReadonlyArray<PartitionLag>, StoreError>
  }
>()("@refold/core/ports/WorkflowEventProcessingModel") {}
