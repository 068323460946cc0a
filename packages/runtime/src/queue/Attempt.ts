/** The end of an attempt at queued events: what is stored, counted and logged. */
import {
  type Claim,
  FailurePolicy,
  Instant,
  type Settlement,
  type StoreError,
  type WorkflowEvent,
  type WorkflowEventProcessingModel
} from "@refold/core"
import { Duration, Effect, Metric, Option, Random } from "effect"
import * as Metrics from "../Metrics.ts"
import { type ExecutionOutcome, outcomeOf } from "./Outcome.ts"

/** Ends the attempt of a claim's first event, by policy: it is retried, blocks its execution, or is skipped. */
export const endAttempt = Effect.fnUntraced(function* (
  {
    failurePolicy,
    queue
  }: {
    readonly failurePolicy: FailurePolicy.FailurePolicy
    readonly queue: WorkflowEventProcessingModel["Service"]
  },
  claim: Claim,
  cause: unknown
): Effect.fn.Return<ExecutionOutcome, StoreError> {
  const [event] = claim.events
  const { attemptCount, executionId, processingId, tenant } = event
  const text = describe(cause)
  const next = FailurePolicy.next(failurePolicy, attemptCount, yield* Random.next)
  yield* queue.fail({ event, cause: text, next })
  const found = yield* queue.find(event)
  // Another worker held this event too and settled it first: it has its result, and did not fail.
  if (Option.exists(found, ({ status }) => status._tag === "Applied" || status._tag === "Rejected")) {
    return outcomeOf(claim, { _tag: "Settled", hasMore: true })
  }
  yield* Metric.update(next._tag === "Retry" ? Metrics.attemptsFailed : Metrics.deadLetters, 1)
  yield* Effect.logWarning(
    next._tag === "Retry" ? "A queued event failed and will be tried again" : "A queued event became a dead letter"
  ).pipe(Effect.annotateLogs({ tenant, executionId, processingId, attemptCount }))
  switch (next._tag) {
    case "Retry":
      return outcomeOf(claim, { _tag: "Failed", processingId, cause: text, retryAfter: next.after })
    case "Block":
      return outcomeOf(claim, { _tag: "Failed", processingId, cause: text })
    case "Skip":
      return outcomeOf(claim, { _tag: "Settled", hasMore: true })
  }
})

/** Counts what a pass settled, and measures the lag of the first event it appended, by the store's clock. */
export const recordSettled = Effect.fnUntraced(function* (
  claim: Claim,
  settlements: ReadonlyArray<Settlement>,
  events: ReadonlyArray<WorkflowEvent>
) {
  yield* Metric.update(Metrics.queuedEventsApplied, events.length)
  const rejectedCount = settlements.filter(({ _tag }) => _tag === "Rejected").length
  if (rejectedCount > 0) yield* Metric.update(Metrics.queuedEventsRejected, rejectedCount)
  const [appended] = events
  if (appended === undefined) return
  const lag = Instant.toEpochMillis(appended.recorded_at) - Instant.toEpochMillis(claim.events[0].queuedAt)
  yield* Metric.update(Metrics.processingLag, Duration.millis(Math.max(lag, 0)))
})

/** A cause as one line of bounded length, without a payload: for the dead letter. */
const describe = (cause: unknown): string => {
  const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
  return text.slice(0, 2000)
}
