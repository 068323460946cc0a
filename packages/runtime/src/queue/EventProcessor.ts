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
import { type Decided, Executions, type Loaded, type Move, type Moved } from "../execution/Executions.ts"
import type { Limits } from "../Requests.ts"
import { Workflows } from "../Workflows.ts"
import { linksOf } from "./EventLinks.ts"
import { type ExecutionOutcome, failed, outcomeOf, recordSettled } from "./Outcome.ts"
import { OpenClaims } from "./OpenClaims.ts"

/** A lost connection is soon replaced. A server that is gone is waited for by the worker, which then holds no work. */
const reconnecting = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

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

/** What processing needs. */
interface Parts {
  readonly events: WorkflowEventModel["Service"]
  readonly queue: WorkflowEventProcessingModel["Service"]
  readonly executions: Executions["Service"]
  readonly workflows: Workflows["Service"]
  readonly openClaims: OpenClaims
  readonly failurePolicy: FailurePolicy.FailurePolicy
  readonly limits: Limits
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
    openClaims: new OpenClaims(),
    failurePolicy,
    limits
  }
  return parts
})

const process = (parts: Parts) =>
  Effect.fn("EventProcessor.process")(function* (options: Parameters<Parts["queue"]["claim"]>[0]) {
    const claims = yield* claim(parts, options)
    const links = linksOf(claims)
    if (links.length > 0) yield* Effect.map(Effect.orDie(Effect.currentSpan), (span) => span.addLinks(links))
    return yield* Effect.onError(processClaims(parts, claims), (cause) =>
      // A defect may be of an event's own making: its attempt has ended.
      Cause.hasDies(cause) ? Effect.void : keepOpen(parts, claims)
    )
  })

/** Takes the open claims of these executions again, and claims the others. */
const claim = Effect.fnUntraced(function* (
  { openClaims, queue }: Parts,
  options: Parameters<Parts["queue"]["claim"]>[0]
) {
  const { open, others } = openClaims.split(options.executions)
  const claims = Array.isReadonlyArrayNonEmpty(others) ? yield* queue.claim({ ...options, executions: others }) : []
  openClaims.remove(open)
  return [...open, ...claims]
})

const keepOpen = ({ executions, openClaims }: Parts, claims: ReadonlyArray<Claim>) =>
  Effect.map(executions.mayBeRolledBack, (mayBeRolledBack) => {
    // A claim that is rolled back counted no attempt.
    if (!mayBeRolledBack) openClaims.keep(claims)
  })

const processClaims = Effect.fnUntraced(function* (parts: Parts, claims: ReadonlyArray<Claim>) {
  const prepared = yield* Effect.forEach(claims, (each) => prepare(parts, each), { concurrency: loadConcurrency })
  const [moves, ended] = Array.partition(prepared, identity)
  const outcomes = Array.isReadonlyArrayNonEmpty(moves) ? yield* commitTogether(parts, moves) : []
  return [...ended, ...outcomes]
})

/** The move that the claim leads to; or its outcome, where there is nothing to commit. */
const prepare = Effect.fnUntraced(function* (
  parts: Parts,
  claim: Claim
): Effect.fn.Return<Decided<QueueMove, ExecutionOutcome>, StoreError> {
  const { header, events } = claim
  const { name, version } = header.workflow
  if (Option.isNone(yield* Effect.option(parts.workflows.get(name, version)))) {
    yield* parts.queue.leave(events[0])
    return Result.fail(outcomeOf(claim, { _tag: "UnknownWorkflow", workflow: { name, version } }))
  }
  // Attempts whose process died are counted too, and may have been the last.
  if (events[0].attemptCount > parts.failurePolicy.maxAttempts) {
    return Result.fail(
      yield* failed(parts, claim, "no attempt came to an end: its process was killed or lost its database")
    )
  }
  const loaded = yield* ownFailure(parts, claim, parts.executions.load(header, { position: header.position }))
  return Result.isSuccess(loaded) ? yield* decide(parts, claim, new Map(), loaded.success) : Result.fail(loaded.failure)
})

/**
 * Turns every failure except the store's into a failure of this claim only: exceptions of the definition during the replay,
 * and a log that cannot be folded.
 */
const ownFailure = Effect.fnUntraced(function* <A, E>(
  parts: Parts,
  claim: Claim,
  effect: Effect.Effect<A, E | StoreError>
): Effect.fn.Return<Result.Result<A, ExecutionOutcome>, StoreError> {
  const exit = yield* Effect.exit(effect)
  if (Exit.isSuccess(exit)) return Result.succeed(exit.value)
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (isStoreError(error)) return yield* error
  if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.interrupt
  return Result.fail(yield* failed(parts, claim, Cause.squash(exit.cause)))
})

const isStoreError = (error: unknown): error is StoreError => Predicate.isTagged(error, "StoreError")

/** Decides the claimed events on a state. */
const decide = Effect.fnUntraced(function* (
  parts: Parts,
  claim: Claim,
  known: Known,
  { state, workflow }: Loaded
): Effect.fn.Return<Decided<QueueMove, ExecutionOutcome>, StoreError> {
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
  if (!Array.isReadonlyArrayNonEmpty(settlements)) return Result.fail(yield* failed(parts, claim, pass.failure))
  const { executionId, tenant } = claim.header
  const { isComplete } = pass.state
  const settles = { after: claim.settledCount, settlements }
  return Result.succeed({ tenant, executionId, workflow, from: state, events, isComplete, settles, claim, pass })
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

/** Commits many executions in one statement; what fails with others is committed alone, so that it harms no neighbour. */
const commitTogether = Effect.fnUntraced(function* (
  parts: Parts,
  moves: Array.NonEmptyReadonlyArray<QueueMove>
): Effect.fn.Return<ReadonlyArray<ExecutionOutcome>, StoreError> {
  // A lost connection leaves open whether the commit was made: made again, it is a conflict.
  const committed = parts.executions.commit(moves).pipe(reconnect, Effect.result)
  const tried = yield* committed
  if (Result.isFailure(tried)) {
    if (!isOwnRefusal(tried.failure)) return yield* tried.failure
    return yield* Effect.forEach(moves, ({ claim }) => commitAlone(parts, claim, new Map()))
  }
  return yield* Effect.forEach(Array.zip(moves, tried.success), ([{ claim }, result]) => {
    if (Result.isSuccess(result)) return settled(result.success)
    return isQueueMoved(result.failure) ? Effect.succeed(settledElsewhere(claim)) : commitAlone(parts, claim, new Map())
  })
})

const reconnect = <A>(effect: Effect.Effect<A, StoreError>) =>
  Effect.retry(effect, { while: (error) => error.isRetryable, schedule: reconnecting })

/** Moves one execution by itself; decides again while other writers are faster. */
const commitAlone = Effect.fnUntraced(function* (
  parts: Parts,
  claim: Claim,
  known: Known
): Effect.fn.Return<ExecutionOutcome, StoreError> {
  const moved = parts.executions
    .move(claim.header, (loaded) => decide(parts, claim, known, loaded))
    .pipe(
      Effect.retry({ while: (error) => isStoreError(error) && error.isRetryable, schedule: reconnecting }),
      Effect.map(Result.match({ onFailure: Effect.succeed, onSuccess: settled })),
      Effect.flatten,
      Effect.catchIf(isConflict, (conflict) =>
        isQueueMoved(conflict)
          ? Effect.succeed(settledElsewhere(claim))
          : // No attempt has failed: this one goes on with the next pass.
            Effect.as(keepOpen(parts, [claim]), settledElsewhere(claim))
      )
    )
  const tried = yield* Effect.result(ownFailure(parts, claim, moved))
  if (Result.isSuccess(tried)) return Result.merge(tried.success)
  if (!isOwnRefusal(tried.failure)) return yield* tried.failure
  // The store refuses this commit alone: a submission has used a key meanwhile, or it cannot hold the data.
  const found = yield* findKnown(parts, claim)
  return found.size > known.size ? yield* commitAlone(parts, claim, found) : yield* failed(parts, claim, tried.failure)
})

const isConflict = (error: unknown): error is Commit.PositionConflict => error instanceof Commit.PositionConflict

/** The execution is where the decision expected it, so its queue has moved: another worker settled these events. */
const isQueueMoved = ({ actual, expected }: Commit.PositionConflict): boolean => actual === expected

/** More may be pending: what was claimed is not all that the queue holds by now. */
const settledElsewhere = (claim: Claim): ExecutionOutcome => outcomeOf(claim, { _tag: "Settled", hasMore: true })

const settled = ({ events, move: { claim, pass } }: Moved<QueueMove>): Effect.Effect<ExecutionOutcome> =>
  Effect.as(
    recordSettled(claim, pass.settlements, events),
    outcomeOf(claim, {
      _tag: "Settled",
      // The event that ended the pass is the next one's first: it is claimed, and counted, as such.
      hasMore: claim.hasMore || pass.settlements.length < claim.events.length
    })
  )

/** The store refuses the content of this commit. Other failures of the store need an operator and are no event's fault. */
const isOwnRefusal = (error: StoreError): boolean => !error.isRetryable && error.reason._tag === "Refused"
