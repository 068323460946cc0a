/** What follows a failed attempt at a queued event, as data. */
import { Duration, Schema } from "effect"

/**
 * **Details**
 *
 * The delay doubles from `firstDelay` to `maxDelay`, and is spread over half of itself so that what failed together is
 * not tried together. `afterLast` says what becomes of an event that failed `maxAttempts` times: `block` keeps the order
 * of the execution and waits for an operator, `skip` goes on without it.
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
  /** No more attempts: the execution goes on without it. */
  | { readonly _tag: "Skip" }

export const defaultPolicy: FailurePolicy = {
  maxAttempts: 10,
  firstDelay: Duration.millis(100),
  maxDelay: Duration.minutes(1),
  afterLast: "block"
}

/** What follows attempt `attemptCount`; `random` is from 0 to 1. */
export const next = (policy: FailurePolicy, attemptCount: number, random: number): AfterFailure => {
  if (attemptCount >= policy.maxAttempts) return policy.afterLast === "block" ? { _tag: "Block" } : { _tag: "Skip" }
  const longest = Duration.toMillis(policy.maxDelay)
  // Beyond 2^30 every delay is the longest one.
  const delay = Math.min(longest, Duration.toMillis(policy.firstDelay) * 2 ** Math.min(attemptCount - 1, 30))
  return { _tag: "Retry", after: Duration.millis(delay * (0.75 + random / 2)) }
}
