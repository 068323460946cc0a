/** Plays an execution from a script: a start, and submissions that are decided one by one. */
import type { ExecutionState, Workflow } from "@refold/core"
import {
  Decision,
  deepFreeze,
  Instant,
  Partition,
  Replay,
  Upcast,
  type WorkflowEvent,
  type Submission
} from "@refold/core"
import { Result, identity } from "effect"
import fc from "fast-check"
import { CannotGenerate } from "./CannotGenerate.ts"
import type { Drawn } from "./Draw.ts"
import type { Payload } from "./PayloadArbitrary.ts"

export type Sender = Pick<Submission, "user_id" | "event_type" | "metadata">

/** A submission that was tried on a state, and its decision. */
export interface Attempt<Data = unknown> {
  readonly before: ExecutionState.ExecutionState<Data>
  readonly submission: Submission
  /** The payload of an older version, from which the payload of the submission was upcast. */
  readonly stored?: Pick<WorkflowEvent, "payload" | "schema_version">
  /** Whether event and payload are arbitrary, as from a careless client, instead of ones that the state accepts. */
  readonly isCareless: boolean
  /** Absent when a guard or an upcaster threw. */
  readonly decision?: Result.Result<Decision.Decision, Decision.Rejection>
}

/** A submission to try, in any state. */
export interface Step {
  readonly eventName: string
  readonly toState: string | undefined
  readonly payload: Drawn<Payload>
  /** Version of the payload; undefined for a payload of the current version. */
  readonly oldVersion: number | undefined
  readonly sender: Drawn<Sender>
  readonly elapsedMillis: number
  readonly isCareless: boolean
}

export interface Script {
  readonly start: Drawn<Decision.StartRequest>
  readonly steps: ReadonlyArray<Step>
}

const tenant = "acme"
const executionId = "execution-1"
const partition = Partition.of(tenant, executionId, Partition.defaultCount)
const firstMillis = Instant.toEpochMillis("2025-03-01T12:00:00.000Z")

/** An execution that is played step by step. The definition gets frozen values, as if others used them too. */
export class Play<Data> {
  readonly events: Array<WorkflowEvent> = []
  readonly attempts: Array<Attempt<Data>> = []
  /** Undefined after a handler or a guard threw, or an event did not fold: the log ends there, and the laws find the reason. */
  state: ExecutionState.ExecutionState<Data> | undefined
  private readonly workflow: Workflow.Workflow<string, Data>
  private millis = firstMillis

  constructor(workflow: Workflow.Workflow<string, Data>, start: Decision.StartRequest) {
    this.workflow = workflow
    const decision = Decision.start(workflow, start)
    if (Result.isFailure(decision)) {
      const problem = `\`starts\` gives ${fc.stringify(start)}, which is refused: ${decision.failure.message}`
      throw new CannotGenerate({ workflow: workflow.name, problems: [problem] })
    }
    const [started] = decision.success.events
    const payload = asJson(started.payload)
    // Copied, because its payload may be the initial data of the definition, which must not be frozen.
    this.append({ ...started, ...(payload === undefined ? {} : { payload }) })
  }

  try({ elapsedMillis, eventName, isCareless, oldVersion, payload: drawn, sender, toState }: Step): void {
    const before = this.state
    if (before === undefined) return
    const payload = asJson(drawn.value.value)
    const stored =
      oldVersion === undefined || payload === undefined ? undefined : { payload, schema_version: oldVersion }
    const upcast = stored === undefined ? Result.succeed(payload) : this.upcast(eventName, stored)
    const submission: Submission = deepFreeze({
      ...sender.value.value,
      event_name: eventName,
      ...(toState === undefined ? {} : { to_state: toState }),
      ...(Result.isSuccess(upcast) && upcast.success !== undefined ? { payload: upcast.success } : {})
    })
    const attempt = { before, submission, isCareless, ...(stored === undefined ? {} : { stored }) }
    const tried = Result.flatMap(upcast, () => attemptTo(() => Decision.decide(this.workflow, before, submission)))
    if (Result.isFailure(tried)) {
      this.attempts.push(attempt)
      this.state = undefined
      return
    }
    const decision = tried.success
    this.attempts.push({ ...attempt, decision })
    if (Result.isFailure(decision)) return
    this.millis += elapsedMillis
    this.append({ ...decision.success.events[0], ...stored })
  }

  private upcast(eventName: string, stored: NonNullable<Attempt["stored"]>): Result.Result<Payload, unknown> {
    return Result.flatMap(
      attemptTo(() => upcastOf(this.workflow, eventName, stored)),
      identity
    )
  }

  private append(decided: Decision.DecidedEvent): void {
    const event = stamp(decided, this.events.length + 1, Instant.fromEpochMillis(this.millis))
    this.events.push(event)
    const before = this.state
    const evolved = attemptTo(() => Replay.evolve(this.workflow, before, event))
    this.state = deepFreeze(Result.getOrUndefined(Result.flatMap(evolved, identity)))
  }
}

/** A payload of an older version, upcast to the current one. */
export const upcastOf = (
  workflow: Workflow.Workflow,
  eventName: string,
  { payload, schema_version }: Pick<WorkflowEvent, "payload" | "schema_version">
): Result.Result<Payload, string> => {
  const event = new Map(Object.entries(workflow.events)).get(eventName)
  return event === undefined
    ? Result.succeed(payload)
    : Upcast.apply(Upcast.upcastersOf(event), schema_version, payload)
}

const attemptTo = <Value>(run: () => Value): Result.Result<Value, unknown> => Result.try({ try: run, catch: identity })

/** Plays the whole script. */
export const play = <Data>(workflow: Workflow.Workflow<string, Data>, { start, steps }: Script): Play<Data> => {
  const played = new Play(workflow, start.value.value)
  for (const step of steps) played.try(step)
  return played
}

/** The event as a store would return it. */
const stamp = (decided: Decision.DecidedEvent, position: number, createdAt: Instant.Instant): WorkflowEvent =>
  deepFreeze({
    event_id: `event-${position}`,
    tenant,
    execution_id: executionId,
    position,
    ...decided,
    created_at: createdAt,
    recorded_at: createdAt,
    partition,
    offset: position
  })

/** A frozen copy. */
const asJson = (payload: Payload): Payload =>
  payload === undefined ? undefined : deepFreeze(JSON.parse(JSON.stringify(payload)))
