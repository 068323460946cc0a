/**
 * Replay: events folded into a state, from nothing or from where an earlier fold paused, up to a bound.
 */
import { Effect, Result, Schema, Stream } from "effect"
import type { ExecutionState } from "./ExecutionState.ts"
import type { Instant } from "./Instant.ts"
import { Unfoldable, type Workflow } from "./Workflow.ts"
import type { WorkflowEvent } from "./WorkflowEvent.ts"

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
  const folding = new Folding(workflow, from, bounds)
  for (const event of events) {
    const broken = folding.push(event)
    if (broken !== undefined) return Result.fail(broken)
  }
  return Result.succeed(folding.state())
}

/** The same fold over a stream, in constant memory: it holds one state, never the events. */
export const foldStream = <State extends string, Data, E, R>(
  workflow: Workflow<State, Data>,
  from: ExecutionState<Data> | undefined,
  events: Stream.Stream<WorkflowEvent, E, R>,
  bounds: Bounds = {}
): Effect.Effect<ExecutionState<Data> | undefined, CorruptHistory | E, R> =>
  Effect.suspend(() => {
    const folding = new Folding(workflow, from, bounds)
    return events.pipe(
      Stream.runForEachArray((batch) => {
        for (const event of batch) {
          const broken = folding.push(event)
          if (broken !== undefined) return Effect.fail(broken)
        }
        return Effect.void
      }),
      Effect.map(() => folding.state())
    )
  })

/** One event into a state: the fold over a single event. */
export const evolve = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data> | undefined,
  event: WorkflowEvent
): Result.Result<ExecutionState<Data> | undefined, CorruptHistory> => fold(workflow, state, [event])

/** The accumulator of a fold. It owns what it changes, and hands out states that it never changes afterwards. */
class Folding<State extends string, Data> {
  readonly #workflow: Workflow<State, Data>
  readonly #until: Instant | undefined
  readonly #to: number
  readonly #from: ExecutionState<Data> | undefined
  #tenant: string
  #executionId: string
  #data: Data
  #currentState: string
  #position: number
  #startedAt: Instant
  #updatedAt: Instant

  constructor(workflow: Workflow<State, Data>, from: ExecutionState<Data> | undefined, bounds: Bounds) {
    this.#workflow = workflow
    this.#until = bounds.until
    this.#to = bounds.to ?? Number.POSITIVE_INFINITY
    this.#from = from
    this.#tenant = from?.tenant ?? ""
    this.#executionId = from?.executionId ?? ""
    this.#data = workflow.ownData(from === undefined ? workflow.initial.data : from.data)
    this.#currentState = from?.currentState ?? ""
    this.#position = from?.position ?? 0
    this.#startedAt = from?.startedAt ?? ""
    this.#updatedAt = from?.updatedAt ?? ""
  }

  push(event: WorkflowEvent): CorruptHistory | undefined {
    if (this.#position === 0) {
      this.#tenant = event.tenant
      this.#executionId = event.execution_id
      this.#startedAt = event.created_at
    } else if (event.tenant !== this.#tenant || event.execution_id !== this.#executionId) {
      return this.#broken(event, "it is an event of another execution")
    }
    if (event.position <= this.#position) return undefined
    if (event.position > this.#to || (this.#until !== undefined && event.created_at > this.#until)) return undefined
    if (event.position !== this.#position + 1) return this.#broken(event, `it follows position ${this.#position}`)
    const data = this.#workflow.foldEvent(this.#data, event)
    if (data instanceof Unfoldable) return this.#broken(event, data.reason)
    this.#data = data
    this.#currentState = event.to_state
    this.#position = event.position
    this.#updatedAt = event.created_at
    return undefined
  }

  state(): ExecutionState<Data> | undefined {
    if (this.#position === (this.#from?.position ?? 0)) return this.#from
    const workflow = this.#workflow
    return {
      tenant: this.#tenant,
      executionId: this.#executionId,
      workflow: { name: workflow.name, version: workflow.version },
      currentState: this.#currentState,
      data: this.#data,
      position: this.#position,
      isComplete: workflow.finalStates.has(this.#currentState),
      startedAt: this.#startedAt,
      updatedAt: this.#updatedAt
    }
  }

  #broken(event: WorkflowEvent, reason: string): CorruptHistory {
    return new CorruptHistory({
      tenant: event.tenant,
      executionId: event.execution_id,
      position: event.position,
      reason
    })
  }
}
