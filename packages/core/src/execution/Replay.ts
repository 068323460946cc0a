/**
 * Replay: folds events into a state, from nothing or from an earlier state, up to a bound.
 */
import { Effect, Result, Schema, Stream } from "effect"
import type { ExecutionState } from "./ExecutionState.ts"
import type { Instant } from "../event/Instant.ts"
import { type PlainHandler, Unfoldable, type Workflow } from "../workflow/Workflow.ts"
import { type WorkflowEvent, startedEventName } from "../event/WorkflowEvent.ts"

/** The end of a replay: an instant (events of that instant are included), a position, or the end of the log. */
export interface Bounds {
  readonly until?: Instant
  readonly to?: number
}

/** The event at this position cannot be folded. The state before it can still be replayed, with `to`. */
export class CorruptHistory extends Schema.TaggedError<CorruptHistory>()("CorruptHistory", {
  tenant: Schema.String,
  executionId: Schema.String,
  position: Schema.Int,
  reason: Schema.String
}) {
  override get message(): string {
    return `The log of execution "${this.executionId}" breaks at position ${this.position}: ${this.reason}`
  }
}

/**
 * Folds events into the state that they lead to.
 *
 * **Details**
 *
 * `from` is the state to start from, or undefined for the empty log; without an event to fold, the answer is `from`. Events
 * that are already folded and events beyond the bounds are skipped.
 *
 * **Errors**
 *
 * {@link CorruptHistory} at the first event that does not follow: after a gap, of another tenant or execution, with a payload
 * that no known version can read, or before a start where the definition leaves data to the start.
 */
export const fold = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined,
  events: ReadonlyArray<WorkflowEvent>,
  bounds: Bounds = {}
): Result.Result<ExecutionState<Data> | undefined, CorruptHistory> =>
  advance(workflow, from, ownData(workflow, from), events, bounds)

/** The same fold over a stream, in constant memory: it holds one state and one batch of events. */
export const foldStream = <State extends string, Data, E, R>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined,
  events: Stream.Stream<WorkflowEvent, E, R>,
  bounds: Bounds = {}
): Effect.Effect<ExecutionState<Data> | undefined, CorruptHistory | E, R> =>
  Effect.suspend(() => {
    let state = from
    let owned = ownData(workflow, from)
    return events.pipe(
      Stream.runForEachArray((batch) => {
        const advanced = advance(workflow, state, owned, batch, bounds)
        if (Result.isFailure(advanced)) return Effect.fail(advanced.failure)
        // Without an event to fold, the state is still `from`, whose data belongs to the caller.
        if (advanced.success !== undefined && advanced.success !== state) {
          state = advanced.success
          owned = state.data
        }
        return Effect.void
      }),
      Effect.map(() => state)
    )
  })

/** Folds a single event into a state. */
export const evolve = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data> | undefined,
  event: WorkflowEvent
): Result.Result<ExecutionState<Data> | undefined, CorruptHistory> => fold(workflow, state, [event])

/** The data that the fold starts with. The fold may change it until it returns a state. */
const ownData = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined
): Data | Unfoldable => {
  const data = from === undefined ? workflow.origin : from.data
  return data instanceof Unfoldable ? data : workflow.ownData(data)
}

/**
 * Folds events into data that it owns, and makes one state at the end. A replay spends its time in this loop.
 *
 * **Details**
 *
 * Events of one name often come in runs. For a run with a plain handler the inner loop calls nothing but the handler, so that
 * V8 can inline it. Every other event goes through `foldEvent`.
 */
const advance = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined,
  owned: Data | Unfoldable,
  events: ReadonlyArray<WorkflowEvent>,
  { to, until }: Bounds
): Result.Result<ExecutionState<Data> | undefined, CorruptHistory> => {
  const first = events[0]
  if (first === undefined) return Result.succeed(from)
  const tenant = from === undefined ? first.tenant : from.tenant
  const executionId = from === undefined ? first.execution_id : from.executionId
  const { plainHandlers } = workflow
  let data = owned
  let position = from === undefined ? 0 : from.position
  let last: WorkflowEvent | undefined
  let index = 0
  let eventName = startedEventName
  // The plain handler of `eventName`; the event that starts an execution has none.
  let plain: PlainHandler<Data> | undefined
  for (let event: WorkflowEvent | undefined = first; event !== undefined; event = events[index]) {
    if (event.event_name !== eventName) {
      eventName = event.event_name
      plain = plainHandlers.get(eventName)
    }
    if (plain !== undefined && !(data instanceof Unfoldable)) {
      const runStart = index
      let next: WorkflowEvent | undefined = event
      while (
        next !== undefined &&
        next.event_name === eventName &&
        next.tenant === tenant &&
        next.execution_id === executionId &&
        next.position === position + 1 &&
        next.schema_version === plain.schemaVersion &&
        !isBeyond(next, to, until)
      ) {
        data = plain.evolve(data, next.payload, next)
        position++
        last = next
        next = events[++index]
      }
      if (index > runStart) continue
    }
    index++
    if (event.tenant !== tenant || event.execution_id !== executionId) {
      return broken(event, "it is an event of another execution")
    }
    if (event.position <= position || isBeyond(event, to, until)) continue
    if (event.position !== position + 1) return broken(event, `it follows position ${position}`)
    const next = workflow.foldEvent(data, event)
    if (next instanceof Unfoldable) return broken(event, next.reason)
    data = next
    position = event.position
    last = event
  }
  if (last === undefined || data instanceof Unfoldable) return Result.succeed(from)
  return Result.succeed({
    tenant,
    executionId,
    workflow: workflow.ref,
    currentState: last.to_state,
    data,
    position,
    isComplete: workflow.finalStates.has(last.to_state),
    startedAt: from === undefined ? first.created_at : from.startedAt,
    updatedAt: last.created_at
  })
}

const isBeyond = (event: WorkflowEvent, to: number | undefined, until: Instant | undefined): boolean =>
  (to !== undefined && event.position > to) || (until !== undefined && event.created_at > until)

const broken = (event: WorkflowEvent, reason: string) =>
  Result.fail(
    new CorruptHistory({ tenant: event.tenant, executionId: event.execution_id, position: event.position, reason })
  )
