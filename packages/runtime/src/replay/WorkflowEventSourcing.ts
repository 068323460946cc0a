/** Replays executions from the log, with snapshots where they help. */
import {
  type ExecutionHeader,
  type ExecutionRef,
  ExecutionState,
  Identifier,
  Instant,
  Replay,
  Snapshot,
  type StoreError,
  type Workflow,
  WorkflowEventModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Clock, Context, Duration, Effect, Layer, Metric, Option, Result, Schema } from "effect"
import { ExecutionNotFound, ExecutionNotStarted, PositionNotReached } from "../ExecutionErrors.ts"
import * as Metrics from "../Metrics.ts"
import { type SnapshotUnencodable, SnapshotWriter } from "./SnapshotWriter.ts"
import { type WorkflowNotFound, Workflows } from "../Workflows.ts"

/** The given state differs from the fold of the log; nothing was stored. */
export class SnapshotDivergence extends Schema.TaggedError<SnapshotDivergence>()("SnapshotDivergence", {
  executionId: Schema.String,
  /** Position of the given state, which may not exist in the log. */
  position: Schema.Number
}) {
  override get message(): string {
    return `The state given for execution "${this.executionId}" at position ${this.position} is not what its log folds to: replay it, and snapshot that`
  }
}

export interface ReplayOptions {
  /** Start from the newest usable snapshot, and store one when the policy calls for it. True by default. */
  readonly useSnapshots?: boolean | undefined
  /** ISO 8601; events of that instant included. A future instant means now. */
  readonly replayUntil?: string | undefined
  /** Position of the last event to fold. */
  readonly replayTo?: number | undefined
  /** Events read at a time: 1,000 by default. */
  readonly batchSize?: number | undefined
  /** Say how the answer came about. */
  readonly debug?: boolean | undefined
}

export interface ReplayDebug {
  readonly eventsProcessed: number
  readonly replayDurationMs: number
  readonly fromSnapshot: boolean
  readonly snapshotPosition?: number
  /** There was a snapshot, but of another fold: it was ignored. */
  readonly fingerprintMismatch?: boolean
}

export interface Replayed {
  readonly executionState: ExecutionState.ExecutionState
  readonly debug?: ReplayDebug
}

export type ReplayError =
  | ExecutionNotFound
  | ExecutionNotStarted
  | PositionNotReached
  | WorkflowNotFound
  | Replay.CorruptHistory
  | Identifier.InvalidInput
  | Instant.InvalidInstant
  | StoreError

export class WorkflowEventSourcing extends Context.Service<
  WorkflowEventSourcing,
  {
    /** The state of an execution: now, or at an instant or position of its past. */
    readonly replayEvents: (
      executionId: string,
      tenant: string,
      options?: ReplayOptions
    ) => Effect.Effect<Replayed, ReplayError>

    /**
     * Stores a snapshot of the folded log and returns it. A given state must equal the fold at its position.
     */
    readonly createSnapshot: (
      executionId: string,
      tenant: string,
      state?: ExecutionState.ExecutionState
    ) => Effect.Effect<Snapshot.Snapshot, ReplayError | SnapshotDivergence | SnapshotUnencodable>
  }
>()("@refold/runtime/replay/WorkflowEventSourcing") {
  /** With a snapshot policy and retention of one's own; by default every 20 events, the last 3 kept. */
  static readonly layerWith = (
    options: { readonly policy?: Snapshot.SnapshotPolicy; readonly retention?: Snapshot.Retention } = {}
  ) =>
    Layer.effect(
      WorkflowEventSourcing,
      Effect.suspend(() => make)
    ).pipe(
      Layer.provideMerge(
        SnapshotWriter.layer({
          policy: options.policy ?? Snapshot.defaultPolicy,
          retention: options.retention ?? Snapshot.defaultRetention
        })
      )
    )

  static readonly layer = WorkflowEventSourcing.layerWith()
}

/** Dependencies of replays. */
interface Parts {
  readonly events: WorkflowEventModel["Service"]
  readonly snapshots: WorkflowSnapshotModel["Service"]
  readonly executions: WorkflowExecutionModel["Service"]
  readonly workflows: Workflows["Service"]
  readonly writer: SnapshotWriter["Service"]
}

const make = Effect.gen(function* () {
  const parts: Parts = {
    events: yield* WorkflowEventModel,
    snapshots: yield* WorkflowSnapshotModel,
    executions: yield* WorkflowExecutionModel,
    workflows: yield* Workflows,
    writer: yield* SnapshotWriter
  }
  return WorkflowEventSourcing.of({
    replayEvents: Effect.fn("WorkflowEventSourcing.replayEvents")((executionId, tenant, options) =>
      replayEvents(parts, { tenant, executionId }, options)
    ),
    createSnapshot: Effect.fn("WorkflowEventSourcing.createSnapshot")((executionId, tenant, state) =>
      createSnapshot(parts, { tenant, executionId }, state)
    )
  })
})

/** The execution's header, and the definition that it runs. */
const find = Effect.fnUntraced(function* ({ executions, workflows }: Parts, ref: ExecutionRef) {
  const { executionId, tenant } = ref
  yield* Effect.fromResult(Identifier.check({ tenant, executionId }))
  const header = yield* Effect.flatMap(
    executions.find({ tenant, executionId }),
    Option.match({ onNone: () => Effect.fail(new ExecutionNotFound({ executionId })), onSome: Effect.succeed })
  )
  return { header, workflow: yield* workflows.get(header.workflow.name, header.workflow.version) }
})

/** Refuses bounds that the execution does not reach. */
const checkReach = (
  { executionId, position: lastPosition, startedAt }: ExecutionHeader,
  { to, until }: Replay.Bounds
): Result.Result<void, ExecutionNotStarted | PositionNotReached> => {
  if (until !== undefined && until < startedAt) {
    return Result.fail(new ExecutionNotStarted({ executionId, startedAt }))
  }
  if (to !== undefined && to > lastPosition) {
    return Result.fail(new PositionNotReached({ executionId, position: to, lastPosition }))
  }
  return Result.void
}

/** The newest snapshot within the bounds, as a state; or why there is none to start from. */
const resume = Effect.fnUntraced(function* (
  { snapshots }: Parts,
  workflow: Workflow.Workflow,
  ref: ExecutionRef,
  bounds: Replay.Bounds
) {
  const { executionId, tenant } = ref
  const found = yield* snapshots.find({ tenant, executionId, fingerprint: workflow.fingerprint, ...bounds })
  if (Option.isNone(found)) return fromTheStart
  const restored = Snapshot.restore(workflow, found.value)
  if (Result.isSuccess(restored)) return { from: restored.success, fingerprintMismatch: false }
  if (restored.failure === "Damaged") {
    yield* Effect.logWarning("A snapshot is damaged and was ignored; `refold verify` finds such snapshots").pipe(
      Effect.annotateLogs({ executionId, position: found.value.position })
    )
  }
  return { from: undefined, fingerprintMismatch: restored.failure === "FingerprintMismatch" }
})

interface Resumed {
  readonly from: ExecutionState.ExecutionState | undefined
  readonly fingerprintMismatch: boolean
}

const fromTheStart: Resumed = { from: undefined, fingerprintMismatch: false }

const replayEvents = Effect.fnUntraced(function* (parts: Parts, ref: ExecutionRef, options: ReplayOptions = {}) {
  const startedAtMillis = yield* Clock.currentTimeMillis
  const { useSnapshots = true } = options
  const bounds = yield* Effect.fromResult(checkBounds(options))
  const { header, workflow } = yield* find(parts, ref)
  yield* Effect.fromResult(checkReach(header, bounds))
  const resumed = useSnapshots ? yield* resume(parts, workflow, ref, bounds) : fromTheStart
  const { from } = resumed
  const isWhole = bounds.until === undefined && bounds.to === undefined
  const tail = parts.events.read({
    tenant: header.tenant,
    executionId: header.executionId,
    after: from?.position ?? 0,
    // The end is known; events appended from here on are for the next replay.
    ...(isWhole ? { to: header.position } : bounds),
    ...(options.batchSize === undefined ? {} : { batchSize: options.batchSize })
  })
  const state = yield* Effect.flatMap(Replay.foldStream(workflow, from, tail, bounds), (folded) =>
    Effect.fromResult(checkWhole(header, bounds, folded))
  )
  const eventsProcessed = state.position - (from?.position ?? 0)
  const replayDurationMs = (yield* Clock.currentTimeMillis) - startedAtMillis
  yield* Metric.update(Metrics.eventsReplayed, eventsProcessed)
  yield* Metric.update(Metrics.replayDuration, Duration.millis(replayDurationMs))
  if (from !== undefined) yield* Metric.update(Metrics.snapshotHits, 1)
  // A replay of the past is no reason for a snapshot: the next replay of the present starts elsewhere.
  if (isWhole && useSnapshots && parts.writer.isDue(from ?? Snapshot.origin, state)) {
    yield* parts.writer.offer(workflow, state)
  }
  const replayed: Replayed =
    options.debug === true
      ? { executionState: state, debug: debugOf(resumed, eventsProcessed, replayDurationMs) }
      : { executionState: state }
  return replayed
})

/** Refuses a log that ends before its header says so. */
const checkWhole = (
  { executionId, position, tenant }: ExecutionHeader,
  { to, until }: Replay.Bounds,
  state: ExecutionState.ExecutionState | undefined
): Result.Result<ExecutionState.ExecutionState, Replay.CorruptHistory> => {
  // Events after an instant are not missing: all that is known is that the execution had started.
  const leastPosition = until === undefined ? (to ?? position) : 1
  return state !== undefined && state.position >= leastPosition
    ? Result.succeed(state)
    : Result.fail(
        new Replay.CorruptHistory({
          tenant,
          executionId,
          position: (state?.position ?? 0) + 1,
          reason: `the event is missing, though the execution is at position ${position}`
        })
      )
}

const debugOf = (
  { fingerprintMismatch, from }: Resumed,
  eventsProcessed: number,
  replayDurationMs: number
): ReplayDebug => ({
  eventsProcessed,
  replayDurationMs,
  fromSnapshot: from !== undefined,
  ...(from === undefined ? {} : { snapshotPosition: from.position }),
  ...(fingerprintMismatch ? { fingerprintMismatch } : {})
})

const createSnapshot = Effect.fnUntraced(function* (
  parts: Parts,
  ref: ExecutionRef,
  state?: ExecutionState.ExecutionState
) {
  const { executionId } = ref
  const { header, workflow } = yield* find(parts, ref)
  const diverges = (position: number) => new SnapshotDivergence({ executionId, position })
  if (state !== undefined && !isWholeWithin(state.position, header.position)) return yield* diverges(state.position)
  // From the log alone: a snapshot made from a snapshot would keep what is wrong with it.
  const { executionState } = yield* replayEvents(parts, ref, {
    useSnapshots: false,
    ...(state === undefined ? {} : { replayTo: state.position })
  })
  if (state !== undefined && !isSame(workflow, state, executionState)) return yield* diverges(state.position)
  return yield* parts.writer.store(workflow, executionState)
})

const isWholeWithin = (value: number, last: number): boolean => Number.isInteger(value) && value >= 1 && value <= last

/** Whether two states are equal in every field, their data as its schema encodes it. */
const isSame = (
  workflow: Workflow.Workflow,
  left: ExecutionState.ExecutionState,
  right: ExecutionState.ExecutionState
): boolean => {
  if (!workflow.isData(left.data) || left.isComplete !== right.isComplete) return false
  const [a, b] = [workflow.encodeData(left.data), workflow.encodeData(right.data)]
  return (
    Result.isSuccess(a) &&
    Result.isSuccess(b) &&
    ExecutionState.hash(left, a.success) === ExecutionState.hash(right, b.success)
  )
}

const checkBounds = ({
  batchSize,
  replayTo,
  replayUntil
}: ReplayOptions): Result.Result<Replay.Bounds, Identifier.InvalidInput | Instant.InvalidInstant> => {
  const refuse = (field: string, problem: string) => Result.fail(new Identifier.InvalidInput({ field, problem }))
  if (batchSize !== undefined && !isWholeWithin(batchSize, maxBatchSize)) {
    return refuse("batchSize", `must be a whole number from 1 to ${maxBatchSize}`)
  }
  if (replayTo !== undefined && !isWholeWithin(replayTo, maxPosition)) {
    return refuse("replayTo", "must be a position: a whole number from 1")
  }
  const to = replayTo === undefined ? {} : { to: replayTo }
  return replayUntil === undefined
    ? Result.succeed(to)
    : Result.map(Instant.parse(replayUntil), (until) => ({ ...to, until }))
}

const maxBatchSize = 10_000

/** The largest value of a position's column. */
const maxPosition = 2_147_483_647
