/** Batch loops: take executions that have work, process them in one commit, and act on what became of each. */
import { type Delivery, type ExecutionRef, type StoreError, executionKey } from "@refold/core"
import { Array, Cause, type Duration, Effect, type Latch, Queue, Ref, type Scope } from "effect"
import type { EventProcessor } from "../queue/EventProcessor.ts"
import type { ExecutionOutcome, Outcome } from "../queue/Outcome.ts"
import type { Sweeper } from "../queue/Sweeper.ts"
import type { Intake } from "./Intake.ts"
import type { KeepTrying } from "./KeepTrying.ts"

/** Executions in one commit. */
export const batchSize = 64

/**
 * Batches in flight: while one is at the store, the other is decided. The second begins only when there is enough work for a
 * whole batch; until then, what arrives makes the next batch larger.
 */
export const batchCount = 2

/** Queued events in one commit, about: a single event of another execution waits for no more than these in each batch. */
const eventsPerBatch = 256

/** Retries scheduled in this process; the sweep finds the others. */
const maxDelayed = 1000

/** Dependencies of the batch loops. */
export interface Parts {
  readonly processor: EventProcessor["Service"]
  readonly sweeper: Sweeper["Service"]
  readonly intake: Intake
  readonly acknowledgements: Queue.Queue<Delivery>
  /** Opens when a batch ends. */
  readonly hasEnded: Latch.Latch
  readonly mustSweep: Latch.Latch
  readonly isDraining: Ref.Ref<boolean>
  readonly keepTrying: KeepTrying
  /** Retries live as long as the worker. */
  readonly scope: Scope.Scope
  /** Retries scheduled now. */
  readonly delayed: { count: number }
}

/** All loops, until the worker drains. */
export const run = (parts: Parts) =>
  Effect.forEach(parts.intake.latches, (latch, index) => loop(parts, latch, index === 0 ? 1 : batchSize), {
    concurrency: "unbounded",
    discard: true
  })

/** Processes batches of at least `leastSize` executions. */
const loop = Effect.fnUntraced(function* (parts: Parts, latch: Latch.Latch, leastSize: number) {
  const { acknowledgements, intake, isDraining, keepTrying } = parts
  while (!(yield* Ref.get(isDraining))) {
    const { answered, refs } = intake.pendingCount >= leastSize ? intake.take(batchSize) : nothing
    if (Array.isReadonlyArrayNonEmpty(refs)) {
      yield* keepTrying("process queued events", processBatch(parts, refs))
      yield* Queue.offerAll(acknowledgements, answered)
    } else {
      latch.closeUnsafe()
      yield* latch.await
    }
  }
})

const nothing: ReturnType<Intake["take"]> = { refs: [], answered: [] }

const processBatch = Effect.fnUntraced(function* (parts: Parts, refs: Array.NonEmptyReadonlyArray<ExecutionRef>) {
  const { hasEnded, intake, mustSweep } = parts
  const outcomes = new Map((yield* outcomesOf(parts, refs)).map((each) => [executionKey(each), each.outcome]))
  yield* Effect.forEach(refs, (ref) => follow(parts, ref, outcomes.get(executionKey(ref))), { discard: true })
  if (intake.takeForgotten()) mustSweep.openUnsafe()
  intake.wake()
  hasEnded.openUnsafe()
})

/** When one execution causes a defect, processes the others one by one, and leaves that execution to the next sweep. */
const outcomesOf = (
  parts: Parts,
  executions: Array.NonEmptyReadonlyArray<ExecutionRef>
): Effect.Effect<ReadonlyArray<ExecutionOutcome>, StoreError> =>
  parts.processor.process({ executions, limit: Math.ceil(eventsPerBatch / executions.length) }).pipe(
    Effect.catchDefect((defect) =>
      executions.length > 1
        ? Effect.map(
            Effect.forEach(executions, (ref) => outcomesOf(parts, [ref])),
            Array.flatten
          )
        : Effect.logError("An execution cannot be worked on", Cause.die(defect)).pipe(
            Effect.annotateLogs({ ...executions[0] }),
            Effect.as([])
          )
    )
  )

const follow = Effect.fnUntraced(function* (parts: Parts, ref: ExecutionRef, outcome: Outcome | undefined) {
  parts.intake.done(ref)
  switch (outcome?._tag) {
    case undefined:
      return
    case "Settled":
      if (outcome.hasMore) parts.intake.add([ref])
      return
    case "UnknownWorkflow":
      return yield* parts.sweeper.skipWorkflow(outcome.workflow)
    case "Failed":
      if (outcome.retryAfter !== undefined) yield* retryLater(parts, ref, outcome.retryAfter)
  }
})

const retryLater = Effect.fnUntraced(function* (
  { delayed, intake, scope }: Parts,
  ref: ExecutionRef,
  retryAfter: Duration.Duration
) {
  if (delayed.count >= maxDelayed) return
  delayed.count++
  const retry = Effect.andThen(
    Effect.sleep(retryAfter),
    Effect.sync(() => intake.add([ref]))
  )
  const forget = Effect.sync(() => {
    delayed.count--
  })
  yield* Effect.forkIn(Effect.ensuring(retry, forget), scope)
})
