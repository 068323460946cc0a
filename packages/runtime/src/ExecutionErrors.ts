/** Errors that more than one service answers with: the execution is not there, or not as the caller thinks. */
import { Schema } from "effect"

/** There is no such execution of this tenant; another tenant's gives the same answer. */
export class ExecutionNotFound extends Schema.TaggedError<ExecutionNotFound>()("ExecutionNotFound", {
  executionId: Schema.String
}) {
  override get message(): string {
    return `There is no execution "${this.executionId}": check the id and the tenant`
  }
}

/** The instant asked for lies before the first event. */
export class ExecutionNotStarted extends Schema.TaggedError<ExecutionNotStarted>()("ExecutionNotStarted", {
  executionId: Schema.String,
  startedAt: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" had not started then: it started at ${this.startedAt}`
  }
}

/** The position asked for has no event yet. */
export class PositionNotReached extends Schema.TaggedError<PositionNotReached>()("PositionNotReached", {
  executionId: Schema.String,
  position: Schema.Int,
  lastPosition: Schema.Int
}) {
  override get message(): string {
    return `Execution "${this.executionId}" ends at position ${this.lastPosition}: there is no position ${this.position}`
  }
}
