/**
 * Replay: events folded into a state, from nothing or from where an earlier fold paused, up to a bound.
 */
import { Effect, Result, Schema, Stream } from "effect"
import type { ExecutionState } from "./ExecutionState.ts"
import type { Instant } from "./Instant.ts"
import { type PlainHandler, Unfoldable, type Workflow } from "./Workflow.ts"
import { type WorkflowEvent, startedEventName } from "./WorkflowEvent.ts"

/** Where a replay ends: at an instant (events of that instant included), at a position, or at the end of the log. */
export interface Bounds {
  readonly until?: Instant
  readonly to?: number
}

/** The log cannot be folded at this position; the state before it can still be replayed with `to`. */
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
 * Folds events into the state they lead to.
 *
 * **Details**
 *
 * `from` is the state to go on from, or undefined for the empty log; without any event the answer is `from` again.
 * Events already folded are skipped, events beyond the bounds as well.
 *
 * **Errors**
 *
 * {@link CorruptHistory} at the first event that does not follow: a gap, another tenant's or execution's event, a payload
 * that no known version can read.
 */
export const fold = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined,
  events: Iterable<WorkflowEvent>,
  bounds: Bounds = {}
): Result.Result<ExecutionState<Data> | undefined, CorruptHistory> => {
  const folding = begin(workflow, from)
  const broken = advance(workflow, folding, events, bounds)
  return broken === undefined ? Result.succeed(finish(workflow, folding)) : Result.fail(broken)
}

/** The same fold over a stream, in constant memory: it holds one state, never the events. */
export const foldStream = <State extends string, Data, E, R>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined,
  events: Stream.Stream<WorkflowEvent, E, R>,
  bounds: Bounds = {}
): Effect.Effect<ExecutionState<Data> | undefined, CorruptHistory | E, R> =>
  Effect.suspend(() => {
    const folding = begin(workflow, from)
    return events.pipe(
      Stream.runForEachArray((batch) => {
        const broken = advance(workflow, folding, batch, bounds)
        return broken === undefined ? Effect.void : Effect.fail(broken)
      }),
      Effect.map(() => finish(workflow, folding))
    )
  })

/** One event into a state: the fold over a single event. */
export const evolve = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data> | undefined,
  event: WorkflowEvent
): Result.Result<ExecutionState<Data> | undefined, CorruptHistory> => fold(workflow, state, [event])

/** A fold under way: its data is its own to change until the state is handed out. */
interface Folding<Data> {
  readonly from: ExecutionState<Data> | undefined
  tenant: string
  executionId: string
  startedAt: Instant
  data: Data
  position: number
  /** The event at `position`, where this fold has come to it. */
  last: WorkflowEvent | undefined
}

const begin = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined
): Folding<Data> => ({
  from,
  tenant: from === undefined ? "" : from.tenant,
  executionId: from === undefined ? "" : from.executionId,
  startedAt: from === undefined ? "" : from.startedAt,
  data: workflow.ownData(from === undefined ? workflow.initial.data : from.data),
  position: from === undefined ? 0 : from.position,
  last: undefined
})

/** Folds more events in. Works on local copies: this loop is what a replay costs. */
const advance = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  folding: Folding<Data>,
  events: Iterable<WorkflowEvent>,
  { to, until }: Bounds
): CorruptHistory | undefined => {
  const { plainHandlers } = workflow
  const isBounded = to !== undefined || until !== undefined
  let { data, executionId, last, position, tenant } = folding
  // Events of one name often come in runs: the handler is looked up once for each. None is for the first event of all.
  let eventName = startedEventName
  let plain: PlainHandler<Data> | undefined
  for (const event of events) {
    if (position === 0) {
      tenant = event.tenant
      executionId = event.execution_id
      folding.startedAt = event.created_at
    } else if (event.tenant !== tenant || event.execution_id !== executionId) {
      return broken(event, "it is an event of another execution")
    }
    if (event.position <= position) continue
    if (isBounded && isBeyond(event, to, until)) continue
    if (event.position !== position + 1) return broken(event, `it follows position ${position}`)
    if (event.event_name !== eventName) {
      eventName = event.event_name
      plain = plainHandlers.get(eventName)
    }
    if (plain !== undefined && plain.schemaVersion === event.schema_version) {
      data = plain.evolve(data, event.payload, event)
    } else {
      const next = workflow.foldEvent(data, event)
      if (next instanceof Unfoldable) return broken(event, next.reason)
      data = next
    }
    position = event.position
    last = event
  }
  folding.tenant = tenant
  folding.executionId = executionId
  folding.data = data
  folding.position = position
  folding.last = last
  return undefined
}

const isBeyond = (event: WorkflowEvent, to: number | undefined, until: Instant | undefined): boolean =>
  (to !== undefined && event.position > to) || (until !== undefined && event.created_at > until)

const finish = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  { data, executionId, from, last, position, startedAt, tenant }: Folding<Data>
): ExecutionState<Data> | undefined =>
  last === undefined
    ? from
    : {
        tenant,
        executionId,
        workflow: workflow.ref,
        currentState: last.to_state,
        data,
        position,
        isComplete: workflow.finalStates.has(last.to_state),
        startedAt,
        updatedAt: last.created_at
      }

const broken = (event: WorkflowEvent, reason: string): CorruptHistory =>
  new CorruptHistory({ tenant: event.tenant, executionId: event.execution_id, position: event.position, reason })
