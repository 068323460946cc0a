/** Queued events and calls of the queue port, for the checks of this folder. */
import {
  type Claim,
  type ExecutionRef,
  type FailurePolicy,
  Identifier,
  type QueuedEvent,
  type Settlement,
  type Settling,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  type WorkflowRef
} from "@refold/core"
import { Array, Duration, Effect, Option, Result, Stream } from "effect"
import { type Check, ConformanceFailure, equal } from "../Check.ts"
import { accepted, freshTenant, moves } from "../Sample.ts"

/** A check of the queue. It writes executions through the adapter's `WorkflowEventModel`. */
export type QueueCheck = Check<WorkflowEventModel | WorkflowExecutionModel | WorkflowEventProcessingModel>

/** Writes an execution with one event and an empty queue. */
export const started = Effect.fnUntraced(function* () {
  const at = { tenant: yield* freshTenant, executionId: "a" }
  yield* accepted(moves(at, 0, ["open"]))
  return at
})

/** Writes two such executions of one tenant. */
export const startedBoth = Effect.fnUntraced(function* () {
  const a = yield* started()
  const b = { ...a, executionId: "b" }
  yield* accepted(moves(b, 0, ["open"]))
  return [a, b] as const
})

/** A minimal event to queue. Its name must be unique within the execution. */
export const newEvent = ({ executionId, tenant }: ExecutionRef, name: string): QueuedEvent.NewQueuedEvent => ({
  tenant,
  executionId,
  processingId: `${executionId.slice(0, 100)} processing ${name}`.slice(0, Identifier.maxLength),
  eventId: `${executionId.slice(0, 100)} event ${name}`.slice(0, Identifier.maxLength),
  submission: { event_name: name }
})

/** Events to queue, with the names `1`, `2` … */
export const newEvents = (at: ExecutionRef, count: number): Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent> =>
  Array.makeBy(count, (n) => newEvent(at, String(n + 1)))

export const enqueued = Effect.fnUntraced(function* (
  ...events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>
) {
  const model = yield* WorkflowEventProcessingModel
  const entries = yield* model
    .enqueue(events)
    .pipe(
      Effect.catchTag(["IdempotencyConflict", "QueueClosed"], (refusal) =>
        Effect.fail(new ConformanceFailure({ what: "the events to be queued", actual: refusal.message }))
      )
    )
  yield* equal("number of entries", entries.length, events.length)
  return entries
})

/** The refusal of `enqueue`; undefined if the events were queued. */
export const notQueued = Effect.fnUntraced(function* (
  ...events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>
) {
  const model = yield* WorkflowEventProcessingModel
  return yield* model.enqueue(events).pipe(
    Effect.as(undefined),
    Effect.catchTags({
      IdempotencyConflict: ({ executionId, idempotencyKey }) => Effect.succeed({ executionId, idempotencyKey }),
      QueueClosed: ({ executionId, finalState }) => Effect.succeed({ executionId, finalState })
    })
  )
})

export const claimUpTo = Effect.fnUntraced(function* (
  limit: number,
  ...executions: Array.NonEmptyReadonlyArray<ExecutionRef>
) {
  const model = yield* WorkflowEventProcessingModel
  return yield* model.claim({ executions, limit })
})

export const claimed = (...executions: Array.NonEmptyReadonlyArray<ExecutionRef>) => claimUpTo(100, ...executions)

export const headerOf = Effect.fnUntraced(function* (at: ExecutionRef) {
  const executions = yield* WorkflowExecutionModel
  return Option.getOrUndefined(yield* executions.find(at))
})

export const applied = (position: number): Settlement => ({
  _tag: "Applied",
  position,
  previousState: "open",
  currentState: "paid",
  actionsExecuted: ["mail", "print"]
})

export const rejected: Settlement = {
  _tag: "Rejected",
  error: "NotAllowed",
  reason: "not in this state",
  currentState: "open"
}

/** A commit that moves through the states, and settles the queued events after the first `after`. */
export const settling = (
  at: ExecutionRef,
  expectedPosition: number,
  after: number,
  settlements: Settling["settlements"],
  states: ReadonlyArray<string>
) => ({
  ...moves(at, expectedPosition, ["none"]),
  events: Array.isReadonlyArrayNonEmpty(states) ? moves(at, expectedPosition, states).events : [],
  settles: { after, settlements }
})

export const settle = (
  at: ExecutionRef,
  expectedPosition: number,
  after: number,
  settlements: Settling["settlements"],
  states: ReadonlyArray<string> = [],
  isComplete = false
) => accepted({ ...settling(at, expectedPosition, after, settlements, states), isComplete })

/** The refusal of a commit, as plain fields. */
export const refusalOf = Effect.fnUntraced(function* (commit: ReturnType<typeof settling>) {
  const model = yield* WorkflowEventModel
  const [result] = yield* model.commit([commit])
  if (Result.isSuccess(result) || result.failure._tag !== "PositionConflict") return undefined
  const { _tag, actual, executionId, expected, tenant } = result.failure
  return { _tag, tenant, executionId, expected, actual }
})

export const inAnHour: FailurePolicy.AfterFailure = { _tag: "Retry", after: Duration.hours(1) }
export const atOnce: FailurePolicy.AfterFailure = { _tag: "Retry", after: Duration.zero }

export const fail = Effect.fnUntraced(function* (
  event: Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "queuePosition">,
  next: FailurePolicy.AfterFailure | "Block" | "Skip",
  attempt: { readonly attemptCount: number; readonly cause?: string }
) {
  const { cause = "it failed", attemptCount } = attempt
  const { executionId, queuePosition, tenant } = event
  const model = yield* WorkflowEventProcessingModel
  yield* model.fail({
    event: { tenant, executionId, queuePosition, attemptCount },
    cause,
    next: typeof next === "string" ? { _tag: next } : next
  })
})

/** Claims the next event of an execution and fails it. */
export const failNext = Effect.fnUntraced(function* (
  at: ExecutionRef,
  next: FailurePolicy.AfterFailure | "Block" | "Skip"
) {
  const [claim] = yield* claimUpTo(1, at)
  const event = claim?.events[0]
  if (event === undefined) {
    return yield* new ConformanceFailure({ what: "an event to be claimed", actual: claim })
  }
  yield* fail(event, next, event)
  return event
})

export const discardNext = Effect.fnUntraced(function* (at: ExecutionRef) {
  yield* discard(yield* failNext(at, "Block"))
})

export const markUnclaimed = Effect.fnUntraced(function* ({
  executionId,
  queuePosition,
  tenant
}: Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "queuePosition">) {
  const model = yield* WorkflowEventProcessingModel
  yield* model.markUnclaimed({ tenant, executionId, queuePosition })
})

export type Key = Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "processingId">

export const keyOf = ({ executionId, processingId, tenant }: Key): Key => ({ tenant, executionId, processingId })

export const find = Effect.fnUntraced(function* (key: Key) {
  const model = yield* WorkflowEventProcessingModel
  return Option.getOrUndefined(yield* model.find(keyOf(key)))
})

export const redrive = Effect.fnUntraced(function* (key: Key) {
  const model = yield* WorkflowEventProcessingModel
  return Option.getOrUndefined(yield* model.redrive(keyOf(key)))
})

export const discard = Effect.fnUntraced(function* (key: Key) {
  const model = yield* WorkflowEventProcessingModel
  return Option.getOrUndefined(yield* model.discard(keyOf(key)))
})

export const everyStatus = ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] as const

export const list = Effect.fnUntraced(function* (
  options: Partial<Parameters<WorkflowEventProcessingModel["Service"]["list"]>[0]>
) {
  const model = yield* WorkflowEventProcessingModel
  return yield* Stream.runCollect(model.list({ statuses: everyStatus, ...options }))
})

/** All entries of an execution. */
export const queueOf = ({ executionId, tenant }: ExecutionRef) => list({ tenant, executionId })

/** Ids of one tenant's executions among the found ones, in order. */
export const idsOf = (tenant: string) => (found: ReadonlyArray<ExecutionRef>) =>
  sorted(found.filter((ref) => ref.tenant === tenant).map((ref) => ref.executionId))

/** Ids of a tenant's ready executions, in all partitions. */
export const ready = Effect.fnUntraced(function* (tenant: string) {
  const model = yield* WorkflowEventProcessingModel
  const { partitionCount } = yield* WorkflowEventModel
  const of = Array.range(0, partitionCount - 1)
  return idsOf(tenant)(yield* model.findReady({ of, limitPerTenant: 1_000_000, except: [] }))
})

/** Ids of a tenant's executions with an unclaimed event. */
export const unclaimed = Effect.fnUntraced(function* (tenant: string, except: ReadonlyArray<WorkflowRef> = []) {
  const model = yield* WorkflowEventProcessingModel
  return idsOf(tenant)(yield* model.findReady({ of: "unclaimed", limitPerTenant: 1_000_000, except }))
})

export const attemptsOf = (at: ExecutionRef) =>
  Effect.map(queueOf(at), (entries) => entries.map((entry) => entry.attemptCount))

export const sorted = (texts: ReadonlyArray<string>) => texts.toSorted(Identifier.compare)

/** Fields that a claim does not change. */
export const identityOf = ({ processingId, queuePosition, queuedAt }: QueuedEvent.QueuedEvent) => ({
  processingId,
  queuePosition,
  queuedAt
})

/** A claim in one line. */
export const summaryOf = (claim: Claim | undefined): string => {
  if (claim === undefined) return "none"
  const events = claim.events.map(({ attemptCount, submission }) =>
    attemptCount === 0 ? submission.event_name : `${submission.event_name} (attempt ${attemptCount})`
  )
  const all = claim.hasMore ? [...events, "and more"] : events
  return `${claim.header.executionId} after ${claim.settledCount}: ${all.join(", ")}`
}

export const shown = (entry: QueuedEvent.QueueEntry) =>
  `${entry.executionId}${entry.queuePosition} ${entry.status._tag}`

export const positionsOf = (entries: ReadonlyArray<QueuedEvent.QueueEntry>) =>
  entries.map((entry) => `${entry.executionId}${entry.queuePosition}`).join(" ")
