/** Settlements: what became of queued events, written by the commit that answers them. */
import { Schema } from "effect"
import { Identifier } from "../event/Identifier.ts"
import { Position } from "../event/Position.ts"

/** What became of a queued event, for ever. */
export const Settlement = Schema.TaggedUnion({
  /**
   * It is the event at `position`. `actionsExecuted` says what was done for it: `append`, and `complete` where it led to a
   * final state; nothing, where a submission with its idempotency key had done so before.
   */
  Applied: {
    position: Position,
    previousState: Identifier,
    currentState: Identifier,
    actionsExecuted: Schema.Array(Schema.String)
  },
  /** The execution refused it. `error` is the tag of the refusal, `reason` its sentence. */
  Rejected: { error: Schema.String, reason: Schema.String, currentState: Identifier },
  /** It failed at every attempt, and the execution went on without it. */
  Skipped: { cause: Schema.String },
  /** It failed at every attempt, and an operator gave it up. */
  Discarded: { cause: Schema.String }
})
export type Settlement = typeof Settlement.Type

/** What a commit settles: the next events of the queue after the first `after`, in order. */
export interface Settling {
  readonly after: number
  readonly settlements: readonly [Settlement, ...ReadonlyArray<Settlement>]
}
