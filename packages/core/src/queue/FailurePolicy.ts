/** Failure policies: what follows a failed attempt at a queued event, as data. */
import { Duration, Schema } from "effect"

/**
 * **Details**
 *
 * The delay doubles from `firstDelay` to `maxDelay`. It is jittered by a quarter up or down, so that events that failed
 * together are not retried together. `afterLast` applies to an event that failed `maxAttempts` times: `block` keeps the order
 * of the execution and waits for an operator, `skip` continues without the event.
 */
export const FailurePolicy = Schema.Struct({
  maxAttempts: Schema.Int.check(Schema.isGreaterThan(0)),
  firstDelay: Schema.Duration,
  maxDelay: Schema.Duration,
  afterLast: Schema.Literals(["block", "skip"])
})
export type FailurePolicy = typeof FailurePolicy.Type

/** What follows a failed attempt. */
export type AfterFailure =
  | { readonly _tag: "Retry"; readonly after: Duration.Duration }
  /** No more attempts: the execution waits until the event is redriven or discarded. */
  | { readonly _tag: "Block" }
  /** No more attempts: the execution continues without the event. */
  | { readonly _tag: "Skip" }

export const defaultPolicy: FailurePolicy = {
  maxAttempts: 10,
  firstDelay: Duration.millis(100),
  maxDelay: Duration.minutes(1),
  afterLast: "block"
}

/** The consequence of the failed attempt number `attemptCount`; `random` is between 0 and 1. */
export const next = (policy: FailurePolicy, attemptCount: number, random: number): AfterFailure => {
  if (attemptCount >= policy.maxAttempts) return policy.afterLast === "block" ? { _tag: "Block" } : { _tag: "Skip" }
  const longest = Duration.toMillis(policy.maxDelay)
  // The exponent is capped, so that the delay stays finite; 2^30 times any delay exceeds the longest one.
  const delay = Math.min(longest, Duration.toMillis(policy.firstDelay) * 2 ** Math.min(attemptCount - 1, 30))
  return { _tag: "Retry", after: Duration.millis(delay * (0.75 + random / 2)) }
}
