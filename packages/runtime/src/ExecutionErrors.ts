/** Errors about an execution: it is not there, it is not as the caller expects, or it cannot be moved now. */
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

/** The execution id is taken; nothing was written. */
export class ExecutionAlreadyExists extends Schema.TaggedError<ExecutionAlreadyExists>()("ExecutionAlreadyExists", {
  executionId: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" exists already: choose another id, or submit an event to it`
  }
}

/** Other writers were faster at every attempt; nothing was written, and the same call may succeed later. */
export class ExecutionContended extends Schema.TaggedError<ExecutionContended>()("ExecutionContended", {
  executionId: Schema.String,
  attemptCount: Schema.Int
}) {
  override get message(): string {
    return `Execution "${this.executionId}" moved at each of ${this.attemptCount} attempts: submit again, or enqueue`
  }
}

/** The execution was not complete in time; it continues. */
export class CompletionTimeout extends Schema.TaggedError<CompletionTimeout>()("CompletionTimeout", {
  executionId: Schema.String,
  currentState: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" is not complete yet: it is in state "${this.currentState}"`
  }
}

/** There is no such queued event of this execution; another tenant's gives the same answer. */
export class QueuedEventNotFound extends Schema.TaggedError<QueuedEventNotFound>()("QueuedEventNotFound", {
  executionId: Schema.String,
  processingId: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" has no queued event "${this.processingId}": check the ids and the tenant`
  }
}

/** The event cannot be processed now: an earlier one of its execution is a dead letter, or another worker has claimed it. */
export class ExecutionBusy extends Schema.TaggedError<ExecutionBusy>()("ExecutionBusy", {
  executionId: Schema.String,
  processingId: Schema.String
}) {
  override get message(): string {
    return `The queued event "${this.processingId}" of execution "${this.executionId}" cannot be processed yet: an earlier one is a dead letter, to be redriven or discarded, or another worker has claimed it`
  }
}
