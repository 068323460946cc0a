/**
 * Queued events: submissions that were persisted to be decided later, and their results.
 *
 * The queue of an execution is a log with a cursor. Its entries are settled strictly in order. The cursor is the count of
 * settled entries; the commit that moves the execution also moves the cursor.
 */
import { type Array, Result, Schema } from "effect"
import { type ExecutionRef, executionKey } from "../execution/ExecutionRef.ts"
import type { Instant } from "../event/Instant.ts"
import * as Request from "../event/Request.ts"
import type { Submission } from "../event/Submission.ts"
import type { Settlement } from "../execution/Settlement.ts"

/** The status of a queued event. */
export type Status =
  | { readonly _tag: "Pending" }
  /** It failed at every attempt; the execution waits until it is redriven or discarded. */
  | { readonly _tag: "Dead"; readonly cause: string }
  | Settlement

/** An event to queue. The ids are the caller's; `eventId` becomes the id of the event in the log. */
export interface NewQueuedEvent extends ExecutionRef {
  readonly processingId: string
  readonly eventId: string
  readonly submission: Submission
  readonly idempotencyKey?: string
}

/** `queuePosition` is the position in the queue of the execution: 1, 2, 3 …, the order of processing. */
export interface QueuedEvent extends NewQueuedEvent {
  readonly queuePosition: number
  readonly queuedAt: Instant
  /** Count of attempts begun. */
  readonly attemptCount: number
}

/** A queued event and its status. */
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

/** The execution is in a final state, or there is no such execution; nothing was written. */
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
 * Leaves out the events that repeat the idempotency key of an earlier one. `placeOf[i]` is the index in `firsts` of the event
 * that represents event `i`. Within one call a repetition must be identical: one that leaves out its target may be the same
 * as two requests that differ.
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
  const seen = new Map([[keyOf(head), { event: head, index: 0 }]])
  for (const event of tail) {
    const key = keyOf(event)
    const first = key === undefined ? undefined : seen.get(key)
    if (first === undefined) {
      seen.set(key, { event, index: firsts.length })
      placeOf.push(firsts.length)
      firsts.push(event)
    } else if (Request.isIdentical(first.event.submission, event.submission)) {
      placeOf.push(first.index)
    } else {
      const { executionId, idempotencyKey = "" } = event
      return Result.fail(new IdempotencyConflict({ executionId, idempotencyKey }))
    }
  }
  return Result.succeed({ firsts, placeOf })
}
