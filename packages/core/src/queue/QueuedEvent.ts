/**
 * Queued events: what was asked of an execution and persisted, and what became of it.
 *
 * The queue of an execution is a log with a cursor: its entries are settled strictly in their order, and the count of
 * those settled stands beside the execution's position, moved by the same commit.
 */
import { type Array, Result, Schema } from "effect"
import { executionKey } from "../execution/ExecutionRef.ts"
import type { Instant } from "../event/Instant.ts"
import * as Request from "../event/Request.ts"
import type { Submission } from "../event/Submission.ts"
import type { Settlement } from "../execution/Settlement.ts"

/** Where a queued event stands. */
export type Status =
  | { readonly _tag: "Pending" }
  /** It failed at every attempt; the execution waits until it is redriven or discarded. */
  | { readonly _tag: "Dead"; readonly cause: string }
  | Settlement

/** An event to queue. The ids are the caller's; `eventId` becomes the id of the event in the log. */
export interface NewQueuedEvent {
  readonly tenant: string
  readonly executionId: string
  readonly processingId: string
  readonly eventId: string
  readonly submission: Submission
  readonly idempotencyKey?: string
}

/** `queuePosition` is its place in the queue of its execution: 1, 2, 3 …, the order of processing. */
export interface QueuedEvent extends NewQueuedEvent {
  readonly queuePosition: number
  readonly queuedAt: Instant
  /** Attempts begun; the first is 1. */
  readonly attemptCount: number
}

/** A queued event and what became of it. */
export interface QueueEntry extends QueuedEvent {
  readonly status: Status
  readonly settledAt?: Instant
}

/** The idempotency key was used for another request; nothing was written. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  executionId: Schema.String,
  idempotencyKey: Schema.String
}) {
  override get message(): string {
    return `The idempotency key "${this.idempotencyKey}" of execution "${this.executionId}" was used for another request: use a new key`
  }
}

/** The execution takes no more events, being in a final state, or is not there; nothing was written. */
export class QueueClosed extends Schema.TaggedError<QueueClosed>()("QueueClosed", {
  tenant: Schema.String,
  executionId: Schema.String,
  /** Its final state; absent when there is no such execution. */
  finalState: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.finalState === undefined
      ? `There is no execution "${this.executionId}": check the id and the tenant`
      : `Execution "${this.executionId}" is complete, in state "${this.finalState}"; start another one`
  }
}

/**
 * The events without those that repeat the idempotency key of an earlier one, and for each event the place, among those
 * left, of the one that stands for it.
 */
export const dedupeByKey = (
  events: Array.NonEmptyReadonlyArray<NewQueuedEvent>
): Result.Result<
  {
    readonly firsts: Array.NonEmptyReadonlyArray<NewQueuedEvent>
    readonly placeOf: Array.NonEmptyReadonlyArray<number>
  },
  IdempotencyConflict
> => {
  const keyOf = (event: NewQueuedEvent) =>
    event.idempotencyKey === undefined ? undefined : `${executionKey(event)}\0${event.idempotencyKey}`
  const [head, ...tail] = events
  const firsts: Array.NonEmptyArray<NewQueuedEvent> = [head]
  const placeOf: Array.NonEmptyArray<number> = [0]
  const seen = new Map([[keyOf(head), { event: head, place: 0 }]])
  for (const event of tail) {
    const key = keyOf(event)
    const first = key === undefined ? undefined : seen.get(key)
    if (first === undefined) {
      seen.set(key, { event, place: firsts.length })
      placeOf.push(firsts.length)
      firsts.push(event)
    } else if (Request.isSame(first.event.submission, event.submission)) {
      placeOf.push(first.place)
    } else {
      const { executionId, idempotencyKey = "" } = event
      return Result.fail(new IdempotencyConflict({ executionId, idempotencyKey }))
    }
  }
  return Result.succeed({ firsts, placeOf })
}
