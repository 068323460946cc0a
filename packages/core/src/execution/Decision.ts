/** `decide`: the only place that may refuse. Turns state and submission into events to append, or a typed rejection. */
import { type Array, Result, Schema } from "effect"
import type { ExecutionState } from "./ExecutionState.ts"
import * as Identifier from "../event/Identifier.ts"
import * as Json from "../event/Json.ts"
import type { Submission } from "../event/Submission.ts"
import { withoutUndefined } from "../event/WithoutUndefined.ts"
import { type Target, type Workflow, isOpen } from "../workflow/Workflow.ts"
import {
  type EventMetadata,
  type WorkflowEvent,
  defaultEventType,
  noState,
  startedEventName
} from "../event/WorkflowEvent.ts"

/** An event as decided, without the ids, positions and instants that it gets when it is committed. */
export type DecidedEvent = Omit<
  WorkflowEvent,
  "event_id" | "tenant" | "execution_id" | "position" | "partition" | "offset" | "created_at" | "recorded_at"
>

/** The events that an accepted submission appends. */
export interface Decision {
  readonly events: Array.NonEmptyReadonlyArray<DecidedEvent>
}

/**
 * The state does not accept the event; submit one of `allowed`.
 *
 * **Details**
 *
 * `guardReason` is the last reason that a guard gave, if `reason` is `GuardFailed` and a guard gave one.
 */
export class TransitionRejected extends Schema.TaggedError<TransitionRejected>()("TransitionRejected", {
  executionId: Schema.String,
  eventName: Schema.String,
  currentState: Schema.String,
  allowed: Schema.Array(Schema.String),
  reason: Schema.Literals(["NotAccepted", "GuardFailed", "OtherTarget"]),
  guardReason: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const where = `Execution "${this.executionId}" in state "${this.currentState}"`
    const allowed = this.allowed.length === 0 ? "no event" : this.allowed.join(", ")
    switch (this.reason) {
      case "NotAccepted":
        return `${where} does not accept ${this.eventName}; it accepts ${allowed}`
      case "GuardFailed":
        return `${where} accepts ${this.eventName}, but not with this data: ${this.guardReason ?? "no guard holds"}`
      case "OtherTarget":
        return `${where} accepts ${this.eventName}, but it does not lead to the state that was asked for`
    }
  }
}

/** The payload is refused by its schema or by the rules for stored JSON. `path` is a JSON pointer into it. */
export class PayloadInvalid extends Schema.TaggedError<PayloadInvalid>()("PayloadInvalid", {
  eventName: Schema.String,
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The payload of ${this.eventName}${this.path === "" ? "" : ` at ${this.path}`} ${this.problem}`
  }
}

/** The execution is in a final state and accepts nothing more. */
export class ExecutionComplete extends Schema.TaggedError<ExecutionComplete>()("ExecutionComplete", {
  executionId: Schema.String,
  currentState: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" is complete, in state "${this.currentState}"; start another one`
  }
}

/** The execution runs another workflow than the submission was made for; nothing was written. */
export class WorkflowMismatch extends Schema.TaggedError<WorkflowMismatch>()("WorkflowMismatch", {
  executionId: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" runs workflow "${this.actual}", not "${this.expected}"`
  }
}

export type Rejection =
  | TransitionRejected
  | PayloadInvalid
  | ExecutionComplete
  | WorkflowMismatch
  | Identifier.InvalidInput

/** Names of the events that the state accepts, guards aside. Empty for an open definition, which accepts every event. */
export const allowedEvents = (workflow: Workflow, currentState: string): ReadonlyArray<string> =>
  workflow.finalStates.has(currentState) ? [] : [...(workflow.transitions.get(currentState)?.keys() ?? [])]

/**
 * Decides a submission on a state. Pure; guards run here and nowhere else.
 *
 * **Details**
 *
 * The payload is checked before the guards see it: it has at most `maxPayloadBytes` of JSON (256 KiB by default), and its
 * schema accepts it. A key that the schema does not name is refused: it would be stored, but no reader would see it.
 */
export const decide = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState<Data>,
  submission: Submission,
  options: { readonly maxPayloadBytes?: number } = {}
): Result.Result<Decision, Rejection> => {
  const { executionId, currentState } = state
  const eventName = submission.event_name
  const names = checkNames(submission)
  if (Result.isFailure(names)) return Result.fail(names.failure)
  const mismatch = findMismatch(state, submission)
  if (mismatch !== undefined) return Result.fail(mismatch)
  if (state.isComplete) return Result.fail(new ExecutionComplete({ executionId, currentState }))
  const rejected = (reason: TransitionRejected["reason"], guardReason?: string) => {
    const allowed = allowedEvents(workflow, currentState)
    const refusal = { executionId, eventName, currentState, allowed, reason, ...withoutUndefined({ guardReason }) }
    return Result.fail(new TransitionRejected(refusal))
  }
  const targets = isOpen(workflow)
    ? [{ to: submission.to_state ?? currentState }]
    : workflow.transitions.get(currentState)?.get(eventName)
  if (targets === undefined) return rejected("NotAccepted")

  return Result.flatMap(checkPayload(workflow, submission, options.maxPayloadBytes), (payload) => {
    const target = choose(targets, state.data, payload, submission)
    if (typeof target !== "object") return rejected("GuardFailed", target)
    if (submission.to_state !== undefined && submission.to_state !== target.to) return rejected("OtherTarget")
    return Result.succeed({
      events: [
        decided(submission, {
          from_state: currentState,
          to_state: target.to,
          schema_version: workflow.schemaVersion(eventName)
        })
      ]
    })
  })
}

/** Length that a guard's reason is cut to, in UTF-16 code units. */
const maxGuardReasonLength = 500

/** The first target that applies; else the last reason that a guard gave, if any did. */
const choose = (
  targets: ReadonlyArray<Target<string, unknown, unknown>>,
  data: unknown,
  payload: unknown,
  submission: Submission
): Target<string, unknown, unknown> | string | undefined => {
  let reason: string | undefined
  for (const target of targets) {
    const answer = target.guard === undefined || target.guard(data, payload, submission)
    if (answer === true) return target
    if (typeof answer === "string" && answer !== "") reason = answer
  }
  return reason === undefined ? undefined : Json.toStorableText(reason.slice(0, maxGuardReasonLength))
}

/** The request to start an execution. */
export interface StartRequest {
  /** Merged shallowly over the definition's initial data; the result must satisfy the data's schema. */
  readonly data?: Schema.JsonObject
  readonly user_id?: string
  readonly metadata?: EventMetadata
}

/**
 * Decides the first event of an execution. Its payload is the whole first data, so that a later change of the definition's
 * initial data changes no execution.
 */
export const start = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  request: StartRequest,
  options: { readonly maxPayloadBytes?: number } = {}
): Result.Result<Decision, Rejection> => {
  const submission: Submission = { ...request, event_name: startedEventName }
  const names = checkNames(submission)
  if (Result.isFailure(names)) return Result.fail(names.failure)
  const refused = ({ path, problem }: Json.JsonProblem) =>
    new PayloadInvalid({ eventName: startedEventName, path, problem })
  return Json.check(workflow.firstData(request.data), options.maxPayloadBytes).pipe(
    Result.flatMap((data) => Result.map(workflow.checkData(data), () => data)),
    Result.mapError(refused),
    Result.map((payload) => ({
      events: [
        decided(
          { ...submission, payload },
          { from_state: noState, to_state: workflow.initial.state, schema_version: 1 }
        )
      ]
    }))
  )
}

/**
 * Refuses a submission that no state of the execution could accept: it was made for another workflow, has names that cannot be
 * stored, or a payload that the rules for stored JSON or, if the definition is given, its schema refuses.
 */
export const checkSubmission = (
  execution: Pick<ExecutionState, "executionId" | "workflow">,
  workflow: Workflow | undefined,
  submission: Submission,
  options: { readonly maxPayloadBytes?: number } = {}
): Result.Result<unknown, WorkflowMismatch | PayloadInvalid | Identifier.InvalidInput> => {
  const names = checkNames(submission)
  if (Result.isFailure(names)) return Result.fail(names.failure)
  const mismatch = findMismatch(execution, submission)
  if (mismatch !== undefined) return Result.fail(mismatch)
  return checkPayload(workflow, submission, options.maxPayloadBytes)
}

const findMismatch = (
  { executionId, workflow: { name } }: Pick<ExecutionState, "executionId" | "workflow">,
  { workflow }: Submission
): WorkflowMismatch | undefined =>
  workflow === undefined || workflow === name
    ? undefined
    : new WorkflowMismatch({ executionId, expected: workflow, actual: name })

const checkPayload = (
  workflow: Workflow | undefined,
  submission: Submission,
  maxBytes: number | undefined
): Result.Result<unknown, PayloadInvalid> => {
  const { event_name: eventName, payload } = submission
  const checked: Result.Result<Json.Json | undefined, Json.JsonProblem> =
    payload === undefined ? Result.succeed(undefined) : Json.check(payload, maxBytes)
  return checked.pipe(
    Result.flatMap((json) =>
      workflow === undefined ? Result.succeed<unknown>(json) : workflow.decodePayload(eventName, json)
    ),
    Result.mapError(({ path, problem }) => new PayloadInvalid({ eventName, path, problem }))
  )
}

const checkNames = (submission: Submission) =>
  Identifier.check({
    event_name: submission.event_name,
    event_type: submission.event_type,
    to_state: submission.to_state,
    user_id: submission.user_id,
    ...submission.metadata
  })

const decided = (
  submission: Submission,
  transition: Pick<DecidedEvent, "from_state" | "to_state" | "schema_version">
): DecidedEvent => ({
  event_name: submission.event_name,
  event_type: submission.event_type ?? defaultEventType,
  ...transition,
  ...(submission.user_id === undefined ? {} : { user_id: submission.user_id }),
  ...(submission.payload === undefined ? {} : { payload: submission.payload }),
  metadata: submission.metadata ?? {}
})
