/** One pass over the queue of an execution: decides queued events in order, up to the first one that fails. */
import { Result } from "effect"
import type { Instant } from "../event/Instant.ts"
import * as Request from "../event/Request.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import type * as Commit from "../execution/Commit.ts"
import type { ExecutionState } from "../execution/ExecutionState.ts"
import type { Settlement } from "../execution/Settlement.ts"
import * as Step from "../execution/Step.ts"
import type { Workflow } from "../workflow/Workflow.ts"
import { IdempotencyConflict, type QueuedEvent } from "./QueuedEvent.ts"

/** The result of a pass. Settlement `i` belongs to queued event `i`. */
export interface QueuePass<Data = unknown> {
  readonly events: ReadonlyArray<Commit.NewEvent>
  readonly settlements: ReadonlyArray<Settlement>
  /** The state after the events, as far as it can be known before the store stamps them. */
  readonly state: ExecutionState<Data>
  /** Why the event after the settled ones could not be decided: what its definition threw, or that it cannot be folded. */
  readonly failure?: unknown
}

/**
 * **Details**
 *
 * `claimedAt` stands in for the instant that the store will stamp. `known` holds, by `processingId`, events that the log
 * already has under the idempotency key of a queued one: submissions that came in between.
 */
export interface Options {
  readonly claimedAt: Instant
  readonly maxPayloadBytes?: number
  readonly known?: ReadonlyMap<string, WorkflowEvent>
}

/** Decides queued events, each on the state after the earlier ones. Pure and total: catches exceptions of the definition. */
export const run = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data>,
  queued: ReadonlyArray<QueuedEvent>,
  options: Options
): QueuePass<Data> => {
  const events: Array<Commit.NewEvent> = []
  const settlements: Array<Settlement> = []
  let state = from
  for (const each of queued) {
    const known = options.known?.get(each.processingId)
    if (known !== undefined) {
      settlements.push(settlementOf(each, known))
      continue
    }
    // Guards and evolve are the user's code: what they throw is a failure of this execution, never of its neighbours.
    const tried = Result.try({ try: () => settle(workflow, state, each, options), catch: (cause) => cause })
    if (Result.isFailure(tried)) return { events, settlements, state, failure: tried.failure }
    const settled = tried.success
    if (Result.isFailure(settled)) return { events, settlements, state, failure: settled.failure }
    settlements.push(settled.success.settlement)
    events.push(...settled.success.events)
    state = settled.success.state
  }
  return { events, settlements, state }
}

interface Settled<Data> extends Pick<QueuePass<Data>, "events" | "state"> {
  readonly settlement: Settlement
}

const settle = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data>,
  { eventId, idempotencyKey, submission }: QueuedEvent,
  { claimedAt, ...limits }: Options
) => {
  const { currentState } = state
  const taken = Step.take(workflow, state, submission, { ...limits, eventId, idempotencyKey, at: claimedAt })
  if (Result.isSuccess(taken)) {
    const { events, state: after } = taken.success
    const settlement: Settlement = {
      _tag: "Applied",
      position: state.position + 1,
      previousState: currentState,
      currentState: after.currentState,
      actionsExecuted: after.isComplete ? ["append", "complete"] : ["append"]
    }
    return Result.succeed<Settled<Data>>({ settlement, events, state: after })
  }
  if (taken.failure._tag === "CorruptHistory") return Result.fail(taken.failure)
  const { _tag: error, message: reason } = taken.failure
  return Result.succeed<Settled<Data>>({
    settlement: { _tag: "Rejected", error, reason, currentState },
    events: [],
    state
  })
}

/** The log has the key: the same request has its result, another one is refused. */
const settlementOf = (queued: QueuedEvent, event: WorkflowEvent): Settlement =>
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
        reason: new IdempotencyConflict({
          executionId: event.execution_id,
          idempotencyKey: queued.idempotencyKey ?? ""
        }).message,
        currentState: event.to_state
      }
