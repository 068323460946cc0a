/** One step through the queue of an execution: queued events decided in their order, up to the first that cannot be. */
import { Result } from "effect"
import * as Commit from "../execution/Commit.ts"
import * as Request from "../event/Request.ts"
import * as Decision from "../execution/Decision.ts"
import type { ExecutionState } from "../execution/ExecutionState.ts"
import type { Instant } from "../event/Instant.ts"
import type { QueuedEvent } from "./QueuedEvent.ts"
import type { Settlement } from "../execution/Settlement.ts"
import * as Replay from "../execution/Replay.ts"
import type { Workflow } from "../workflow/Workflow.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"

/** What a step leads to; its settlements belong to the first of the events it was given, in order. */
export interface Step {
  readonly events: ReadonlyArray<Commit.NewEvent>
  readonly settlements: ReadonlyArray<Settlement>
  /** Whether the state it leads to is final. */
  readonly isComplete: boolean
  /** Of the event after those settled: what its definition threw, or why its own evolve cannot read it. */
  readonly failure?: unknown
}

/**
 * Decides queued events on a state, each on the state that those before it lead to. Pure; what a definition throws is
 * part of the answer.
 *
 * **Details**
 *
 * `claimedAt` stands in for the instant that the store will stamp, `known` holds events that are in the log already under
 * the idempotency key of a queued one, by its `processingId`: a submission that came in between.
 *
 * **Gotchas**
 *
 * Of the events that one step appends, guards and `evolve` see `claimedAt` in place of the store's stamp, a few
 * milliseconds later, and offset 0. The log is folded anew from what the store stamped.
 */
export const step = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data>,
  queued: ReadonlyArray<QueuedEvent>,
  options: {
    readonly claimedAt: Instant
    readonly maxPayloadBytes?: number
    readonly known?: ReadonlyMap<string, WorkflowEvent>
  }
): Step => {
  const events: Array<Commit.NewEvent> = []
  const settlements: Array<Settlement> = []
  let state = from
  for (const each of queued) {
    const known = options.known?.get(each.processingId)
    if (known !== undefined) {
      settlements.push(settledBefore(each, known))
      continue
    }
    // Guards and evolve are the user's code: what they throw must not take the executions beside this one with it.
    const tried = Result.try({ try: () => settle(workflow, state, each, options), catch: (cause) => cause })
    if (Result.isFailure(tried)) return { events, settlements, isComplete: state.isComplete, failure: tried.failure }
    const settled = tried.success
    if (Result.isFailure(settled))
      return { events, settlements, isComplete: state.isComplete, failure: settled.failure }
    settlements.push(settled.success.settlement)
    events.push(...settled.success.events)
    state = settled.success.state
  }
  return { events, settlements, isComplete: state.isComplete }
}

interface Settled<Data> {
  readonly settlement: Settlement
  readonly events: ReadonlyArray<Commit.NewEvent>
  readonly state: ExecutionState<Data>
}

const settle = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data>,
  queued: QueuedEvent,
  options: { readonly claimedAt: Instant; readonly maxPayloadBytes?: number }
): Result.Result<Settled<Data>, Replay.CorruptHistory> => {
  const { currentState } = state
  const rejected = (error: string, reason: string): Result.Result<Settled<Data>> =>
    Result.succeed({ settlement: { _tag: "Rejected", error, reason, currentState }, events: [], state })
  const { submission } = queued
  const decided = Decision.decide(workflow, state, submission, options)
  if (Result.isFailure(decided)) return rejected(decided.failure._tag, decided.failure.message)
  const events = decided.success.events.map((event): Commit.NewEvent => ({
    ...event,
    event_id: queued.eventId,
    ...(queued.idempotencyKey === undefined ? {} : { idempotency_key: queued.idempotencyKey })
  }))
  return Result.map(preview(workflow, state, events, options.claimedAt), (after) => ({
    settlement: {
      _tag: "Applied",
      position: state.position + 1,
      previousState: currentState,
      currentState: after.currentState,
      actionsExecuted: after.isComplete ? ["append", "complete"] : ["append"]
    },
    events,
    state: after
  }))
}

/**
 * The state that events will lead to once they are committed, as far as can be known before: with `at` in place of the
 * store's stamp.
 */
export const preview = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data>,
  events: ReadonlyArray<Commit.NewEvent>,
  at: Instant
): Result.Result<ExecutionState<Data>, Replay.CorruptHistory> => {
  const stampedAt = at > state.updatedAt ? at : state.updatedAt
  const { executionId, position: expectedPosition, tenant } = state
  const stamped = Commit.stamp(
    { tenant, executionId, expectedPosition, events },
    { partition: 0, lastOffset: 0, stampedAt, now: at }
  )
  return Result.map(Replay.fold(workflow, state, stamped), (after) => after ?? state)
}

/** The idempotency key was used by a submission that the log holds: the same request has its result, another is refused. */
const settledBefore = (queued: QueuedEvent, event: WorkflowEvent): Settlement =>
  Request.isSame(event, queued.submission)
    ? {
        _tag: "Applied",
        position: event.position,
        previousState: event.from_state,
        currentState: event.to_state,
        actionsExecuted: []
      }
    : {
        _tag: "Rejected",
        error: "IdempotencyConflict",
        reason: `The idempotency key "${queued.idempotencyKey ?? ""}" was used for another request: use a new key`,
        currentState: event.to_state
      }
