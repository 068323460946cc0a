/** Settlements: the final results of queued events, written by the commit that decides them. */
import { Schema } from "effect"
import { Identifier } from "../event/Identifier.ts"
import { Position } from "../event/Position.ts"

/** The final result of a queued event. */
export const Settlement = Schema.TaggedUnion({
  /**
   * It is the event at `position`. `actionsExecuted` names what was done: `append`, and `complete` if the event led to a
   * final state. It is empty if an earlier submission with the same idempotency key had appended the event.
   */
  Applied: {
    position: Position,
    previousState: Identifier,
    currentState: Identifier,
    actionsExecuted: Schema.Array(Schema.String)
  },
  /** The execution refused it. `error` is the tag of the error, `reason` its message. */
  Rejected: { error: Schema.String, reason: Schema.String, currentState: Identifier },
  /** It failed at every attempt, and the execution continued without it. */
  Skipped: { cause: Schema.String },
  /** It failed at every attempt, and an operator discarded it. */
  Discarded: { cause: Schema.String }
})
export type Settlement = typeof Settlement.Type

/** The queued events that a commit settles: those after the first `after` of the queue, in order. */
export interface Settling {
  readonly after: number
  readonly settlements: readonly [Settlement, ...ReadonlyArray<Settlement>]
}
