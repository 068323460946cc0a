/** Processes queued events: claim, load, decide, commit; many executions in one commit, each whole or not at all. */
import type { FailurePolicy } from "@refold/core"
import {
  type Claim,
  Commit,
  type ExecutionRef,
  QueuePass,
  type StoreError,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel
} from "@refold/core"
import { Array, Cause, Context, Effect, Exit, Layer, Option, Predicate, Result, Schedule, identity } from "effect"
import {
  type Decided,
  DecisionFailed,
  Executions,
  type Loaded,
  type Move,
  type Moved
} from "../execution/Executions.ts"
import { LruCache } from "../execution/LruCache.ts"
import type { Limits } from "../Requests.ts"
import { Workflows } from "../Workflows.ts"
import { linksOf } from "./EventLinks.ts"
import { endAttempt, recordSettled } from "./Attempt.ts"
import { type ExecutionOutcome, outcomeOf } from "./Outcome.ts"

/** A lost connection is soon replaced. The worker waits for a server that is down. */
const reconnecting = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

/** Open claims kept; the events of older ones are claimed again, which counts another attempt. */
const maxOpenClaims = 1000

/** Executions loaded at once. */
const loadConcurrency = 8

export class EventProcessor extends Context.Service<
  EventProcessor,
  {
    /**
     * Makes one pass over the queue of each execution: at most `limit` of its events. An execution with no event due is
     * absent from the answer.
     *
     * **Errors**
     *
     * `StoreError` when the store cannot be used; some of the executions may have been processed.
     */
    readonly process: (options: {
      readonly executions: Array.NonEmptyReadonlyArray<ExecutionRef>
      readonly limit: number
      readonly ignoreDelay?: boolean
    }) => Effect.Effect<ReadonlyArray<ExecutionOutcome>, StoreError>
  }
>()("@refold/runtime/queue/EventProcessor") {
  static readonly layer = (options: Limits & { readonly failurePolicy: FailurePolicy.FailurePolicy }) =>
    Layer.effect(
      EventProcessor,
      Effect.map(partsOf(options), (parts) => EventProcessor.of({ process: process(parts) }))
    )
}

/** Dependencies of processing. */
interface Parts {
  readonly events: WorkflowEventModel["Service"]
  readonly queue: WorkflowEventProcessingModel["Service"]
  readonly executions: Executions["Service"]
  readonly workflows: Workflows["Service"]
  /**
   * Claims whose attempt has not ended: the store failed, other writers were faster, or the caller was interrupted. The next
   * pass continues them as the same attempt, so that no event becomes a dead letter for a failure that is not its own.
   */
  readonly openClaims: LruCache<Claim>
  readonly failurePolicy: FailurePolicy.FailurePolicy
  readonly limits: Limits
}

/** One call of `process`. */
interface Batch extends Parts {
  /** Claims that must not be kept open: they were settled, or their attempt has ended. */
  readonly ended: Set<Claim>
}

/** A pass over a claim, as a move of its execution. */
interface QueueMove extends Move {
  readonly claim: Claim
  readonly pass: QueuePass.QueuePass
}

/** Events in the log under the idempotency keys of queued ones, by `processingId`. */
type Known = ReadonlyMap<string, WorkflowEvent>

const partsOf = Effect.fnUntraced(function* ({
  failurePolicy,
  ...limits
}: Limits & { readonly failurePolicy: FailurePolicy.FailurePolicy }) {
  const parts: Parts = {
    events: yield* WorkflowEventModel,
    queue: yield* WorkflowEventProcessingModel,
    executions: yield* Executions,
    workflows: yield* Workflows,
    openClaims: new LruCache(maxOpenClaims),
    failurePolicy,
    limits
  }
  return parts
})

const process = (parts: Parts) =>
  Effect.fn("EventProcessor.process")(function* (options: ClaimOptions) {
    const claims = yield* claim(parts, options)
    const links = linksOf(claims)
    if (links.length > 0) yield* Effect.map(Effect.orDie(Effect.currentSpan), (span) => span.addLinks(links))
    const batch: Batch = { ...parts, ended: new Set() }
    return yield* Effect.onError(processClaims(batch, claims), (cause) =>
      // The event may have caused the defect: its attempt has ended.
      Cause.hasDies(cause)
        ? Effect.void
        : keepOpen(
            parts,
            claims.filter((each) => !batch.ended.has(each))
          )
    )
  })

type ClaimOptions = Parameters<Parts["queue"]["claim"]>[0]

/** Takes the open claims of these executions again, and claims the others. */
const claim = Effect.fnUntraced(function* ({ openClaims, queue }: Parts, options: ClaimOptions) {
  const [open, others] = Array.partition(options.executions, (ref) =>
    Result.fromNullishOr(openClaims.get(ref), () => ref)
  )
  const claims = Array.isReadonlyArrayNonEmpty(others) ? yield* queue.claim({ ...options, executions: others }) : []
  for (const { header } of open) openClaims.delete(header)
  return [...open, ...claims]
})

const keepOpen = ({ executions, openClaims }: Parts, claims: ReadonlyArray<Claim>) =>
  Effect.map(executions.mayBeRolledBack, (mayBeRolledBack) => {
    // A claim that is rolled back counted no attempt.
    if (mayBeRolledBack) return
    // The queue may have grown since the claim.
    for (const each of claims) openClaims.set(each.header, { ...each, hasMore: true })
  })

const processClaims = Effect.fnUntraced(function* (batch: Batch, claims: ReadonlyArray<Claim>) {
  const prepared = yield* Effect.forEach(claims, (each) => prepare(batch, each), { concurrency: loadConcurrency })
  const [moves, ended] = Array.partition(prepared, identity)
  const outcomes = Array.isReadonlyArrayNonEmpty(moves) ? yield* commitTogether(batch, moves) : []
  return [...ended, ...outcomes]
})

/** The move that the claim leads to; or its outcome, where there is nothing to commit. */
const prepare = Effect.fnUntraced(function* (
  batch: Batch,
  claim: Claim
): Effect.fn.Return<Decided<QueueMove, ExecutionOutcome>, StoreError> {
  const { header, events } = claim
  const { name, version } = header.workflow
  if (Option.isNone(yield* Effect.option(batch.workflows.get(name, version)))) {
    yield* batch.queue.markUnclaimed(events[0])
    batch.ended.add(claim)
    return Result.fail(outcomeOf(claim, { _tag: "UnknownWorkflow", workflow: { name, version } }))
  }
  // Attempts whose process died are counted too, and may have been the last.
  if (events[0].attemptCount > batch.failurePolicy.maxAttempts) {
    return Result.fail(
      yield* failed(batch, claim, "no attempt came to an end: its process was killed or lost its database")
    )
  }
  const loaded = batch.executions.load(header, { position: header.position })
  return yield* ownFailure(
    batch,
    claim,
    Effect.flatMap(loaded, (each) => decide(batch, claim, new Map(), each))
  )
})

/** Ends the attempt of a claim: it is not kept open. */
const failed = (batch: Batch, claim: Claim, cause: unknown) =>
  Effect.tap(endAttempt(batch, claim, cause), () =>
    Effect.sync(() => {
      batch.ended.add(claim)
    })
  )

/**
 * Turns every failure except the store's into a failure of this claim only: exceptions of the definition, a log that cannot
 * be folded, and defects.
 */
const ownFailure = Effect.fnUntraced(function* <A, E>(
  batch: Batch,
  claim: Claim,
  effect: Effect.Effect<A, E | StoreError>
): Effect.fn.Return<Result.Result<A, ExecutionOutcome>, StoreError> {
  const exit = yield* Effect.exit(effect)
  if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (isStoreError(error)) return yield* error
  if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
  const cause = error instanceof DecisionFailed ? error.cause : Cause.squash(exit.cause)
  return Result.fail(yield* failed(batch, claim, cause))
})

const isStoreError = (error: unknown): error is StoreError => Predicate.isTagged(error, "StoreError")

/** Decides the claimed events on a state. */
const decide = Effect.fnUntraced(function* (
  parts: Parts,
  claim: Claim,
  known: Known,
  { state, workflow }: Loaded
): Effect.fn.Return<QueueMove, DecisionFailed | StoreError> {
  const passWith = (keys: Known) =>
    QueuePass.run(workflow, state, claim.events, { ...parts.limits, claimedAt: claim.claimedAt, known: keys })
  let pass = passWith(known)
  // A key that a submission used has its answer, also where the execution would no longer accept the event.
  const isUnanswered = pass.settlements.some(({ _tag }, index) => {
    const event = claim.events[index]
    return _tag === "Rejected" && event?.idempotencyKey !== undefined && !known.has(event.processingId)
  })
  if (isUnanswered) pass = passWith(yield* findKnown(parts, claim))
  const { events, settlements } = pass
  if (!Array.isReadonlyArrayNonEmpty(settlements)) return yield* new DecisionFailed({ cause: pass.failure })
  const { executionId, tenant } = claim.header
  const { isComplete } = pass.state
  const settles = { after: claim.settledCount, settlements }
  return { tenant, executionId, workflow, from: state, events, isComplete, settles, claim, pass }
})

const findKnown = Effect.fnUntraced(function* ({ events }: Parts, claim: Claim) {
  const found = yield* Effect.forEach(claim.events, ({ executionId, idempotencyKey, processingId, tenant }) =>
    idempotencyKey === undefined
      ? Effect.succeedNone
      : Effect.map(
          events.findByIdempotencyKey({ tenant, executionId, idempotencyKey }),
          Option.map((event) => [processingId, event] as const)
        )
  )
  return new Map(Array.getSomes(found))
})

/** Commits many executions in one statement. When the store refuses it, each is committed alone, so that it harms no neighbour. */
const commitTogether = Effect.fnUntraced(function* (
  batch: Batch,
  moves: Array.NonEmptyReadonlyArray<QueueMove>
): Effect.fn.Return<ReadonlyArray<ExecutionOutcome>, StoreError> {
  // A lost connection leaves open whether the commit was made: made again, it is a conflict.
  const tried = yield* batch.executions
    .commit(moves)
    .pipe(Effect.retry({ while: (error) => error.isRetryable, schedule: reconnecting }), Effect.result)
  if (Result.isFailure(tried)) {
    if (!isOwnRefusal(tried.failure)) return yield* tried.failure
    return yield* Effect.forEach(moves, ({ claim }) => commitAlone(batch, claim, new Map()))
  }
  return yield* Effect.forEach(Array.zip(moves, tried.success), ([{ claim }, result]) => {
    if (Result.isSuccess(result)) return settled(batch, result.success)
    return isQueueMoved(result.failure) ? Effect.succeed(lookAgain(claim)) : commitAlone(batch, claim, new Map())
  })
})

/** Moves one execution by itself; decides again while other writers are faster. */
const commitAlone = Effect.fnUntraced(function* (
  batch: Batch,
  claim: Claim,
  known: Known
): Effect.fn.Return<ExecutionOutcome, StoreError> {
  const moved = batch.executions
    .move(claim.header, (loaded) => Effect.map(decide(batch, claim, known, loaded), Result.succeed))
    .pipe(
      Effect.retry({ while: (error) => isStoreError(error) && error.isRetryable, schedule: reconnecting }),
      Effect.flatMap((result) => settled(batch, Result.merge(result))),
      Effect.catchIf(isConflict, (conflict) =>
        isQueueMoved(conflict)
          ? Effect.succeed(lookAgain(claim))
          : // No attempt has failed: the next pass continues this one.
            Effect.as(keepOpen(batch, [claim]), lookAgain(claim))
      )
    )
  const tried = yield* Effect.result(ownFailure(batch, claim, moved))
  if (Result.isSuccess(tried)) return Result.merge(tried.success)
  if (!isOwnRefusal(tried.failure)) return yield* tried.failure
  // The store refuses this commit alone: a submission has used a key meanwhile, or it cannot hold the data.
  const found = yield* findKnown(batch, claim)
  return found.size > known.size ? yield* commitAlone(batch, claim, found) : yield* failed(batch, claim, tried.failure)
})

const isConflict = (error: unknown): error is Commit.PositionConflict => error instanceof Commit.PositionConflict

/** The execution is where the decision expected it, so its queue has moved: another worker settled these events. */
const isQueueMoved = ({ actual, expected }: Commit.PositionConflict): boolean => actual === expected

/** The queue holds other events by now than those that were claimed. */
const lookAgain = (claim: Claim): ExecutionOutcome => outcomeOf(claim, { _tag: "Settled", hasMore: true })

const settled = (
  { ended }: Batch,
  { events, move: { claim, pass } }: Moved<QueueMove>
): Effect.Effect<ExecutionOutcome> =>
  Effect.map(recordSettled(claim, pass.settlements, events), () => {
    ended.add(claim)
    // The event that ended the pass is the next one's first: it is claimed, and counted, as such.
    const hasMore = claim.hasMore || pass.settlements.length < claim.events.length
    return outcomeOf(claim, { _tag: "Settled", hasMore })
  })

/** The store refuses the content of this commit. Other failures of the store need an operator and are no event's fault. */
const isOwnRefusal = (error: StoreError): boolean => !error.isRetryable && error.reason._tag === "Refused"
