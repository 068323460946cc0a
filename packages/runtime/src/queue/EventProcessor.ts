/** Processes queued events: claim, load, decide, commit; many executions in one commit, each whole or not at all. */
import {
  type Claim,
  type Commit,
  type ExecutionRef,
  type ExecutionState,
  FailurePolicy,
  Instant,
  Step,
  Replay,
  type StoreError,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  type WorkflowRef,
  executionKey
} from "@refold/core"
import {
  Array,
  Cause,
  Context,
  Duration,
  Effect,
  Exit,
  Layer,
  Metric,
  Option,
  Random,
  Result,
  Schedule,
  type Tracer,
  identity
} from "effect"
import { Headers, HttpTraceContext } from "effect/http"
import * as Metrics from "../Metrics.ts"
import { StateCache } from "../execution/StateCache.ts"
import { SnapshotWriter } from "../replay/SnapshotWriter.ts"
import { WorkflowEventSourcing } from "../replay/WorkflowEventSourcing.ts"
import { Workflows } from "../Workflows.ts"

/** What became of an execution's turn. */
export type Turn =
  /** Its events were settled; `hasMore` when others wait behind them. */
  | { readonly _tag: "Settled"; readonly hasMore: boolean }
  /** Its next event failed; it is to be tried again after the delay, unless that is absent. */
  | {
      readonly _tag: "Failed"
      readonly processingId: string
      readonly cause: string
      readonly retryAfter?: Duration.Duration
    }
  /** Its workflow is not registered here: it was left to others. */
  | { readonly _tag: "Left"; readonly workflow: WorkflowRef }

export interface ExecutionTurn extends ExecutionRef {
  readonly turn: Turn
}

/** Rounds against faster writers to one execution. */
const maxRounds = 10

/** For a connection that was lost, not for a server that is gone: that is waited for without holding work. */
const reconnecting = Schedule.exponential("50 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))

/** Claims kept whose attempt has not ended; others are taken up, and counted, anew. */
const maxOpenClaims = 1000

/** Executions loaded at once. */
const loadConcurrency = 8

export class EventProcessor extends Context.Service<
  EventProcessor,
  {
    /**
     * Gives each of the executions one turn: at most `limit` of its queued events. An execution that has none due is
     * absent from the answer.
     *
     * **Errors**
     *
     * `StoreError` when the store cannot be used; some of the executions may have had their turn.
     */
    readonly process: (options: {
      readonly executions: Array.NonEmptyReadonlyArray<ExecutionRef>
      readonly limit: number
      readonly ignoreDelay?: boolean
    }) => Effect.Effect<ReadonlyArray<ExecutionTurn>, StoreError>
  }
>()("@refold/runtime/queue/EventProcessor") {
  static readonly layer = (options: {
    readonly failurePolicy: FailurePolicy.FailurePolicy
    readonly maxPayloadBytes?: number
  }) =>
    Layer.effect(
      EventProcessor,
      Effect.suspend(() => make(options))
    )
}

/** An execution taken up: the state to decide on, and what its queue holds. */
interface Work {
  readonly workflow: Workflow.Workflow
  readonly claim: Claim
}

/** What a turn will write. */
interface Planned extends Work {
  readonly state: ExecutionState.ExecutionState
  readonly step: Step.Step
}

const make = Effect.fnUntraced(function* (options: {
  readonly failurePolicy: FailurePolicy.FailurePolicy
  readonly maxPayloadBytes?: number
}) {
  const { failurePolicy, ...limits } = options
  const events = yield* WorkflowEventModel
  const queue = yield* WorkflowEventProcessingModel
  const sourcing = yield* WorkflowEventSourcing
  const snapshots = yield* SnapshotWriter
  const workflows = yield* Workflows
  // A state is used at the position of its execution alone.
  const states = yield* StateCache
  /**
   * Work taken up whose attempt has not ended, since the store failed, writers were faster, or the caller gave up: it goes
   * on at the next turn, and counts as one, so that no event becomes a dead letter for what it is not to blame for.
   */
  const openClaims = new Map<string, Claim>()

  /** Goes on with what is taken up already, and takes up the others. */
  const claimAll = Effect.fnUntraced(function* (options: Parameters<typeof queue.claim>[0]) {
    const held = options.executions.flatMap((ref) => openClaims.get(executionKey(ref)) ?? [])
    const executions = options.executions.filter((ref) => !openClaims.has(executionKey(ref)))
    const claims = Array.isReadonlyArrayNonEmpty(executions) ? yield* queue.claim({ ...options, executions }) : []
    for (const { header } of held) openClaims.delete(executionKey(header))
    return [...held, ...claims]
  })

  const keepOpen = (claims: ReadonlyArray<Claim>) =>
    Effect.map(events.isInTransaction, (mayBeRolledBack) => {
      // Of an event that is rolled back with its claim there is nothing to go on with.
      if (mayBeRolledBack) return
      // What is queued from here on is not in it.
      for (const claim of claims) {
        if (openClaims.size < maxOpenClaims) openClaims.set(executionKey(claim.header), { ...claim, hasMore: true })
      }
    })

  const failed = Effect.fnUntraced(function* (claim: Claim, cause: unknown) {
    const [event] = claim.events
    const { processingId } = event
    const text = describe(cause)
    const next = FailurePolicy.next(failurePolicy, event.attemptCount, yield* Random.next)
    yield* queue.fail({ event, cause: text, next })
    const found = yield* queue.find(event)
    // Who held it as well was faster: it has its result, and did not fail.
    if (Option.exists(found, ({ status }) => status._tag === "Applied" || status._tag === "Rejected")) {
      return turnOf(claim, { _tag: "Settled", hasMore: true })
    }
    yield* Metric.update(next._tag === "Retry" ? Metrics.attemptsFailed : Metrics.deadLetters, 1)
    yield* Effect.logWarning(
      next._tag === "Retry" ? "A queued event failed and will be tried again" : "A queued event became a dead letter"
    ).pipe(
      Effect.annotateLogs({
        tenant: event.tenant,
        executionId: event.executionId,
        processingId,
        attemptCount: event.attemptCount
      })
    )
    switch (next._tag) {
      case "Retry":
        return turnOf(claim, { _tag: "Failed", processingId, cause: text, retryAfter: next.after })
      case "Block":
        return turnOf(claim, { _tag: "Failed", processingId, cause: text })
      case "Skip":
        return turnOf(claim, { _tag: "Settled", hasMore: true })
    }
  })

  const load = Effect.fnUntraced(function* ({ claim: { header } }: Work, isFresh: boolean) {
    const cached = isFresh ? undefined : states.get(header)
    if (cached !== undefined && cached.position === header.position) return cached
    const { executionState } = yield* sourcing.replayEvents(header.executionId, header.tenant)
    return executionState
  })

  /** Events in the log under the idempotency keys of queued ones. */
  const findKnown = Effect.fnUntraced(function* ({ events: queued }: Claim) {
    const found = yield* Effect.forEach(queued, ({ executionId, idempotencyKey, processingId, tenant }) =>
      idempotencyKey === undefined
        ? Effect.succeedNone
        : Effect.map(
            events.findByIdempotencyKey({ tenant, executionId, idempotencyKey }),
            Option.map((event) => [processingId, event] as const)
          )
    )
    return new Map(Array.getSomes(found))
  })

  /** The decisions on the state as it is now, or the turn that ends here. */
  const plan = Effect.fnUntraced(function* (
    work: Work,
    options: { readonly isFresh: boolean; readonly known: ReadonlyMap<string, WorkflowEvent> }
  ): Effect.fn.Return<Result.Result<Planned, ExecutionTurn>, StoreError> {
    // What the definition throws while the log is replayed, and a log that cannot be: failures of this execution alone.
    const loaded = yield* Effect.exit(load(work, options.isFresh))
    if (Exit.isFailure(loaded)) {
      const error = Cause.findErrorOption(loaded.cause)
      if (Option.isSome(error) && error.value._tag === "StoreError") return yield* error.value
      if (Cause.hasInterruptsOnly(loaded.cause)) return yield* Effect.interrupt
      return Result.fail(yield* failed(work.claim, Cause.squash(loaded.cause)))
    }
    const state = loaded.value
    const { claimedAt, events: queued } = work.claim
    const stepWith = (known: ReadonlyMap<string, WorkflowEvent>) =>
      Step.step(work.workflow, state, queued, { ...limits, claimedAt, known })
    let step = stepWith(options.known)
    // A key that a submission used has its answer, also where the execution would accept the event no more.
    const isUnanswered = step.settlements.some(({ _tag }, place) => {
      const event = queued[place]
      return _tag === "Rejected" && event?.idempotencyKey !== undefined && !options.known.has(event.processingId)
    })
    if (isUnanswered) step = stepWith(yield* findKnown(work.claim))
    const planned: Planned = { ...work, state, step }
    if (step.settlements.length > 0) return Result.succeed(planned)
    return Result.fail(yield* failed(work.claim, step.failure))
  })

  const settled = Effect.fnUntraced(function* (planned: Planned, committed: Commit.Committed) {
    const { claim, state, step, workflow } = planned
    yield* Metric.update(Metrics.eventsAppended, committed.events.length)
    yield* Metric.update(Metrics.queuedEventsApplied, committed.events.length)
    const rejectedCount = step.settlements.filter(({ _tag }) => _tag === "Rejected").length
    if (rejectedCount > 0) yield* Metric.update(Metrics.queuedEventsRejected, rejectedCount)
    const [appended] = committed.events
    if (appended !== undefined) {
      const lag = Instant.toEpochMillis(appended.recorded_at) - Instant.toEpochMillis(claim.events[0].queuedAt)
      yield* Metric.update(Metrics.processingLag, Duration.millis(Math.max(lag, 0)))
    }
    const folded = Result.flatMap(
      Result.try({ try: () => Replay.fold(workflow, state, committed.events), catch: (cause) => cause }),
      (result) => result
    )
    if (Result.isSuccess(folded) && folded.success !== undefined) {
      yield* states.set(folded.success)
      yield* snapshots.offer(workflow, state, folded.success)
    }
    // The event that stopped the step is the next one's first: it is claimed, and counted, as such.
    const hasMore = claim.hasMore || step.settlements.length < claim.events.length
    return turnOf(claim, { _tag: "Settled", hasMore })
  })

  // A lost connection leaves open whether the commit was made: made again, it is a conflict.
  const commit = (commits: Array.NonEmptyReadonlyArray<Commit.Commit>) =>
    events
      .commit(commits)
      .pipe(Effect.retry({ while: (error) => error.isRetryable, schedule: reconnecting }), Effect.result)

  /** Commits one execution by itself; against faster writers it decides anew. */
  const commitAlone = Effect.fnUntraced(function* (first: Planned): Effect.fn.Return<ExecutionTurn, StoreError> {
    let planned = first
    let known: ReadonlyMap<string, WorkflowEvent> = new Map()
    for (let round = 1; round <= maxRounds; round++) {
      const tried = yield* commit([toCommit(planned)])
      if (Result.isSuccess(tried)) {
        const [written] = tried.success
        if (Result.isSuccess(written)) return yield* settled(planned, written.success)
        const refusal = written.failure
        // Somebody else settled these events: a worker that holds the partition as well, for a moment.
        if (refusal._tag === "PositionConflict" && refusal.actual === planned.state.position) {
          states.delete(planned.claim.header)
          return turnOf(planned.claim, { _tag: "Settled", hasMore: true })
        }
        if (refusal._tag === "TimeReversed") return yield* Effect.die(refusal)
        yield* Metric.update(Metrics.positionConflicts, 1)
      } else {
        if (tried.failure.isRetryable || isForOperators(tried.failure)) return yield* tried.failure
        // The store refuses just this commit: a key that a submission has used meanwhile, or data that it cannot hold.
        const found = yield* findKnown(planned.claim)
        if (found.size <= known.size) return yield* failed(planned.claim, tried.failure)
        known = found
      }
      states.delete(planned.claim.header)
      const again = yield* plan(planned, { isFresh: true, known })
      if (Result.isFailure(again)) return again.failure
      planned = again.success
    }
    // No attempt has failed: this one goes on at the next turn.
    yield* keepOpen([planned.claim])
    return turnOf(planned.claim, { _tag: "Settled", hasMore: true })
  })

  const commitAll = Effect.fnUntraced(function* (
    planned: Array.NonEmptyReadonlyArray<Planned>
  ): Effect.fn.Return<ReadonlyArray<ExecutionTurn>, StoreError> {
    const tried = yield* commit(Array.map(planned, toCommit))
    if (Result.isFailure(tried)) {
      if (tried.failure.isRetryable || isForOperators(tried.failure)) return yield* tried.failure
      // One of them, perhaps; each by itself, so that it harms no other.
      return yield* Effect.forEach(planned, commitAlone)
    }
    return yield* Effect.forEach(Array.zip(planned, tried.success), ([each, written]) => {
      if (Result.isSuccess(written)) return settled(each, written.success)
      states.delete(each.claim.header)
      return commitAlone(each)
    })
  })

  const processClaims = Effect.fnUntraced(function* (claims: ReadonlyArray<Claim>) {
    const prepared = yield* Effect.forEach(
      claims,
      Effect.fnUntraced(function* (claim): Effect.fn.Return<Result.Result<Planned, ExecutionTurn>, StoreError> {
        const { name, version } = claim.header.workflow
        const workflow = yield* Effect.option(workflows.get(name, version))
        if (Option.isNone(workflow)) {
          const [event] = claim.events
          yield* queue.leave(event)
          return Result.fail(turnOf(claim, { _tag: "Left", workflow: { name, version } }))
        }
        // Attempts that ended with their process are counted too, and may have been the last.
        if (claim.events[0].attemptCount > failurePolicy.maxAttempts) {
          return Result.fail(
            yield* failed(claim, "no attempt came to an end: its process was killed or lost its database")
          )
        }
        return yield* plan({ workflow: workflow.value, claim }, { isFresh: false, known: new Map() })
      }),
      { concurrency: loadConcurrency }
    )
    const [planned, ended] = Array.partition(prepared, identity)
    const turns = Array.isReadonlyArrayNonEmpty(planned) ? yield* commitAll(planned) : []
    return [...ended, ...turns]
  })

  return EventProcessor.of({
    process: Effect.fn("EventProcessor.process")(function* ({ executions, ignoreDelay = false, limit }) {
      const claims = yield* claimAll({ executions, limit, ignoreDelay })
      const links = linksOf(claims)
      if (links.length > 0) yield* Effect.map(Effect.orDie(Effect.currentSpan), (span) => span.addLinks(links))
      // A defect may be of an event's own making: its attempt has ended.
      return yield* Effect.onError(processClaims(claims), (cause) =>
        Cause.hasDies(cause) ? Effect.void : keepOpen(claims)
      )
    })
  })
})

/** Links of a span, of which backends keep no more by default. */
const maxLinks = 128

/** To the traces that the events were queued in, where they say so by a W3C `traceparent`. */
const linksOf = (claims: ReadonlyArray<Claim>): ReadonlyArray<Tracer.SpanLink> =>
  claims
    .flatMap((claim) => claim.events)
    .flatMap(({ processingId, submission: { metadata } }) =>
      metadata?.traceparent === undefined
        ? []
        : Option.match(HttpTraceContext.w3c(Headers.fromInput({ traceparent: metadata.traceparent })), {
            onNone: () => [],
            onSome: (span) => [{ span, attributes: { processingId } }]
          })
    )
    .slice(0, maxLinks)

const turnOf = ({ header }: Claim, turn: Turn): ExecutionTurn => ({
  tenant: header.tenant,
  executionId: header.executionId,
  turn
})

const toCommit = ({ claim, state, step, workflow }: Planned): Commit.Commit => ({
  tenant: state.tenant,
  executionId: state.executionId,
  workflow: workflow.ref,
  expectedPosition: state.position,
  events: step.events,
  isComplete: step.isComplete,
  ...(Array.isReadonlyArrayNonEmpty(step.settlements)
    ? { settles: { after: claim.settledCount, settlements: step.settlements } }
    : {})
})

/** Failures of the store that no queued event is to blame for, and that an operator must mend. */
const isForOperators = (error: StoreError): boolean => error.reason !== "Refused"

/** A cause as one line of bounded length, without a payload: for the dead letter. */
const describe = (cause: unknown): string => {
  const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)
  return text.slice(0, 2000)
}
