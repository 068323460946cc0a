/**
 * The one way an execution moves: load its state, decide on it, commit what was decided. Submissions and the queue both go
 * through here; an import, which decides nothing, writes its commits itself.
 */
import {
  Commit,
  type ExecutionRef,
  type ExecutionState,
  Replay,
  type Settling,
  Snapshot,
  type StoreError,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel,
  type WorkflowRef,
  deepFreeze,
  executionKey
} from "@refold/core"
import { Array, Context, Data, Effect, Layer, Metric, Predicate, Result, Schedule } from "effect"
import * as Metrics from "../Metrics.ts"
import { SnapshotWriter } from "../replay/SnapshotWriter.ts"
import { type ReplayError, WorkflowEventSourcing } from "../replay/WorkflowEventSourcing.ts"
import { type WorkflowNotFound, Workflows } from "../Workflows.ts"
import { KeyedLock } from "./KeyedLock.ts"
import { LruCache } from "./LruCache.ts"

/** States kept in memory by default. */
const defaultCapacity = 1000

/** Executions whose workflow is remembered. */
const maxWorkflowRefs = 10_000

/** Attempts at one move while other writers are faster. */
export const maxAttempts = 10

/** A definition and the state to decide on. */
export interface Loaded {
  readonly workflow: Workflow.Workflow
  readonly state: ExecutionState.ExecutionState
}

/** A decision about an execution: one commit. */
export interface Move extends ExecutionRef {
  readonly workflow: Workflow.Workflow
  /** The state it was decided on; undefined starts the execution. */
  readonly from: ExecutionState.ExecutionState | undefined
  readonly events: ReadonlyArray<Commit.NewEvent>
  /** Whether the state after the events is final. */
  readonly isComplete: boolean
  /** Queued events that it settles. */
  readonly settles?: Settling
}

/** A move that was committed. */
export interface Moved<M extends Move = Move> {
  readonly move: M
  /** The events as the store stamped them. */
  readonly events: ReadonlyArray<WorkflowEvent>
  /** The state after them; a failure is what the fold of the stamped events threw or refused, though the preview passed. */
  readonly state: Result.Result<ExecutionState.ExecutionState, unknown>
}

/** The definition could not decide: it threw, or cannot fold what it decided. A stale state may be the reason. */
export class DecisionFailed extends Data.TaggedError("DecisionFailed")<{ readonly cause: unknown }> {}

/** A move to commit; or an answer, where there is nothing to commit. */
export type Decided<M extends Move, Answer> = Result.Result<M, Answer>

export class Executions extends Context.Service<
  Executions,
  {
    /** Whether the caller has a transaction of its own on the store's client: then what it wrote may be rolled back. */
    readonly mayBeRolledBack: Effect.Effect<boolean>

    /**
     * Definition and current state: from the cache if it has the state (at `position`, if one is given), otherwise from the
     * log. A cached state may be stale: then the commit's expected position refuses the decision.
     */
    readonly load: (ref: ExecutionRef, options?: { readonly position?: number }) => Effect.Effect<Loaded, ReplayError>

    /**
     * Commits moves of different executions, each whole or not at all; answers in their order.
     *
     * **Errors**
     *
     * `PositionConflict` for a move whose execution, or whose queue, has moved meanwhile; nothing of it is written.
     */
    readonly commit: <M extends Move>(
      moves: Array.NonEmptyReadonlyArray<M>
    ) => Effect.Effect<Array.NonEmptyReadonlyArray<Result.Result<Moved<M>, Commit.PositionConflict>>, StoreError>

    /**
     * Loads, decides and commits one execution; decides again on the newer state after each conflict, at most
     * {@link maxAttempts} times in all. A submission that a remembered state rejects, or that fails on it, is decided again on the log's state.
     *
     * **Errors**
     *
     * `PositionConflict` when other writers were faster each time, or at once when the queue has moved: a new decision
     * cannot mend that.
     */
    readonly move: <M extends Move, Answer, E>(
      ref: ExecutionRef,
      decide: (loaded: Loaded) => Effect.Effect<Decided<M, Answer>, E>,
      /** Pauses before the third attempt and later ones; none by default, so that a batch does not wait for one execution. */
      pauses?: Schedule.Schedule<unknown>
    ) => Effect.Effect<Result.Result<Moved<M>, Answer>, E | ReplayError | Commit.PositionConflict>

    /**
     * Serialises callers of one execution in this process, so that they never conflict with each other. Not inside a
     * caller's transaction: a caller that holds row locks must not wait for one that waits for those rows.
     */
    readonly exclusively: <A, E, R>(ref: ExecutionRef, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

    /** The workflow of each execution, by `executionKey`; an execution that does not exist is absent. */
    readonly workflowsOf: (
      refs: ReadonlyArray<ExecutionRef>
    ) => Effect.Effect<ReadonlyMap<string, WorkflowRef>, StoreError>
  }
>()("@refold/runtime/execution/Executions") {
  static readonly layer = (options: { readonly maxCachedStates?: number | undefined }) =>
    Layer.effect(
      Executions,
      Effect.map(partsOf(options.maxCachedStates ?? defaultCapacity), (parts) => {
        const lock = new KeyedLock()
        return Executions.of({
          mayBeRolledBack: parts.events.isInTransaction,
          load: (ref, { position } = {}) => load(parts, ref, position),
          commit: (moves) => commit(parts, moves),
          move: (ref, decide, pauses) => move(parts, ref, decide, pauses),
          exclusively: (ref, effect) =>
            Effect.flatMap(parts.events.isInTransaction, (isInTransaction) =>
              isInTransaction ? effect : lock.run(ref, effect)
            ),
          workflowsOf: (refs) => workflowsOf(parts, refs)
        })
      })
    )
}

/** Dependencies of every move, and the caches. */
interface Parts {
  readonly events: WorkflowEventModel["Service"]
  readonly executions: WorkflowExecutionModel["Service"]
  readonly sourcing: WorkflowEventSourcing["Service"]
  readonly snapshots: SnapshotWriter["Service"]
  readonly workflows: Workflows["Service"]
  /** The last states; never those of a caller's transaction. */
  readonly states: LruCache<ExecutionState.ExecutionState>
  readonly refs: LruCache<WorkflowRef>
}

const partsOf = Effect.fnUntraced(function* (capacity: number) {
  const parts: Parts = {
    events: yield* WorkflowEventModel,
    executions: yield* WorkflowExecutionModel,
    sourcing: yield* WorkflowEventSourcing,
    snapshots: yield* SnapshotWriter,
    workflows: yield* Workflows,
    states: new LruCache(capacity),
    refs: new LruCache(maxWorkflowRefs)
  }
  return parts
})

const withWorkflow = (
  { workflows }: Parts,
  state: ExecutionState.ExecutionState
): Effect.Effect<Loaded, WorkflowNotFound> =>
  Effect.map(workflows.get(state.workflow.name, state.workflow.version), (workflow) => ({ workflow, state }))

const load = (parts: Parts, ref: ExecutionRef, position: number | undefined): Effect.Effect<Loaded, ReplayError> =>
  Effect.suspend(() => {
    const state = parts.states.get(ref)
    if (state === undefined) return loadFromLog(parts, ref)
    if (position === undefined || state.position === position) return withWorkflow(parts, state)
    parts.states.delete(ref)
    return loadFromLog(parts, ref)
  })

const loadFromLog = (parts: Parts, { executionId, tenant }: ExecutionRef): Effect.Effect<Loaded, ReplayError> =>
  Effect.flatMap(parts.sourcing.replayEvents(executionId, tenant), ({ executionState }) =>
    withWorkflow(parts, executionState)
  )

const commit = Effect.fnUntraced(function* <M extends Move>(parts: Parts, moves: Array.NonEmptyReadonlyArray<M>) {
  const results = yield* parts.events.commit(Array.map(moves, toCommit))
  const mayBeRolledBack = yield* parts.events.isInTransaction
  const committed = Array.map(Array.zip(moves, results), ([move, result]): CommitResult<M> =>
    Result.isSuccess(result)
      ? Result.succeed(remember(parts, move, result.success, mayBeRolledBack))
      : Result.fail(refuse(parts, move, result.failure))
  )
  yield* report(parts, committed)
  return committed
})

type CommitResult<M extends Move> = Result.Result<Moved<M>, Commit.PositionConflict>

const toCommit = ({ events, executionId, from, isComplete, settles, tenant, workflow }: Move): Commit.Commit => ({
  tenant,
  executionId,
  workflow: workflow.ref,
  expectedPosition: from?.position ?? 0,
  events,
  isComplete,
  ...(settles === undefined ? {} : { settles })
})

/** Folds what the store stamped, and remembers the state. */
const remember = <M extends Move>(
  { states }: Parts,
  move: M,
  { events }: Commit.Committed,
  mayBeRolledBack: boolean
): Moved<M> => {
  const state = foldStamped(move, events)
  if (Result.isFailure(state)) {
    states.delete(move)
  } else {
    // Callers were given the same data: an `evolve` that changed it would spoil later decisions.
    deepFreeze(state.success.data)
    if (!mayBeRolledBack) states.set(move, state.success)
  }
  return { move, events, state }
}

const foldStamped = (
  { from, workflow }: Move,
  events: ReadonlyArray<WorkflowEvent>
): Result.Result<ExecutionState.ExecutionState, unknown> =>
  Result.flatMap(
    Result.try({ try: () => Replay.fold(workflow, from, events), catch: (cause) => cause }),
    Result.flatMap((state) =>
      state === undefined ? Result.fail("the store answered a start with no event") : Result.succeed(state)
    )
  )

/** Forgets the state that the move was decided on. */
const refuse = ({ states }: Parts, move: Move, refusal: Commit.CommitRefused): Commit.PositionConflict => {
  // A defect: only imported events bring instants of their own.
  if (refusal._tag === "TimeReversed") throw refusal
  states.delete(move)
  return refusal
}

/** Counts what was committed and what was refused, and offers snapshots where they are due. */
const report = Effect.fnUntraced(function* ({ snapshots }: Parts, results: ReadonlyArray<CommitResult<Move>>) {
  let appendedCount = 0
  let conflictCount = 0
  for (const result of results) {
    if (Result.isFailure(result)) {
      if (isConflict(result.failure)) conflictCount++
      continue
    }
    const { events, move, state } = result.success
    appendedCount += events.length
    const before = move.from ?? Snapshot.origin
    if (Result.isSuccess(state) && snapshots.isDue(before, state.success)) {
      yield* snapshots.offer(move.workflow, state.success)
    }
  }
  if (appendedCount > 0) yield* Metric.update(Metrics.eventsAppended, appendedCount)
  if (conflictCount > 0) yield* Metric.update(Metrics.positionConflicts, conflictCount)
})

const move = <M extends Move, Answer, E>(
  parts: Parts,
  ref: ExecutionRef,
  decide: (loaded: Loaded) => Effect.Effect<Decided<M, Answer>, E>,
  pauses: Schedule.Schedule<unknown> = Schedule.forever
): Effect.Effect<Result.Result<Moved<M>, Answer>, E | ReplayError | Commit.PositionConflict> => {
  const decideAndCommit = (loaded: Loaded) =>
    Effect.flatMap(
      decide(loaded),
      (decided): Effect.Effect<Result.Result<Moved<M>, Answer>, StoreError | Commit.PositionConflict> =>
        Result.isFailure(decided)
          ? Effect.succeed(Result.fail(decided.failure))
          : Effect.flatMap(commit(parts, [decided.success]), ([result]) =>
              Effect.map(Effect.fromResult(result), Result.succeed)
            )
    )
  const onLog = Effect.suspend(() => Effect.flatMap(loadFromLog(parts, ref), decideAndCommit))
  const attempt = Effect.suspend(() => {
    const remembered = parts.states.get(ref)
    if (remembered === undefined) return onLog
    return Effect.catchIf(Effect.flatMap(withWorkflow(parts, remembered), decideAndCommit), isStale, () => {
      parts.states.delete(ref)
      return onLog
    })
  })
  // Built only after a conflict: creating a retry costs more than an attempt that meets no other writer.
  return Effect.catchIf(attempt, isConflict, () =>
    Effect.retry(attempt, { while: isConflict, times: maxAttempts - 2, schedule: pauses })
  )
}

/** A conflict that a decision on a newer state may mend: the execution moved, and not only its queue. */
const isConflict = (error: unknown): error is Commit.PositionConflict =>
  error instanceof Commit.PositionConflict && error.actual !== error.expected

/** A failure that may have come from the remembered state alone. */
const isStale = (error: unknown): boolean =>
  isConflict(error) || Predicate.isTagged(error, "TransitionRejected") || error instanceof DecisionFailed

const workflowsOf = Effect.fnUntraced(function* (parts: Parts, refs: ReadonlyArray<ExecutionRef>) {
  const found = new Map<string, WorkflowRef>()
  const unknownByTenant = new Map<string, Set<string>>()
  for (const { executionId, tenant } of refs) {
    const workflow = parts.refs.get({ tenant, executionId })
    if (workflow !== undefined) found.set(executionKey({ tenant, executionId }), workflow)
    else unknownByTenant.set(tenant, (unknownByTenant.get(tenant) ?? new Set()).add(executionId))
  }
  for (const [tenant, ids] of unknownByTenant) {
    const mayBeRolledBack = yield* parts.events.isInTransaction
    for (const header of yield* parts.executions.findMany({ tenant, executionIds: [...ids] })) {
      if (!mayBeRolledBack) parts.refs.set(header, header.workflow)
      found.set(executionKey(header), header.workflow)
    }
  }
  return found
})
