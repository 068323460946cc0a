/** Starts and submissions: lock, load, decide, commit of one. */
import {
  type Decision,
  type ExecutionRef,
  type ExecutionState,
  Instant,
  QueuedEvent,
  Request,
  Step,
  type Submission,
  type Workflow,
  WorkflowEventModel,
  withoutUndefined
} from "@refold/core"
import { Array, Clock, Effect, Metric, Option, Result, Schedule } from "effect"
import type { SecureRandom } from "effect/crypto"
import { ExecutionAlreadyExists, ExecutionContended } from "../ExecutionErrors.ts"
import * as Metrics from "../Metrics.ts"
import { WorkflowEventSourcing } from "../replay/WorkflowEventSourcing.ts"
import * as Requests from "../Requests.ts"
import { Workflows } from "../Workflows.ts"
import { type Decided, Executions, type Loaded, type Move, type Moved, maxAttempts } from "./Executions.ts"

/** Dependencies of submissions. */
interface Parts {
  readonly events: WorkflowEventModel["Service"]
  readonly executions: Executions["Service"]
  readonly sourcing: WorkflowEventSourcing["Service"]
  readonly workflows: Workflows["Service"]
  readonly random: SecureRandom.SecureRandom["Service"]
  readonly limits: Requests.Limits
  readonly idempotencyKeys: Requests.IdempotencyKeys
}

export const make = Effect.fnUntraced(function* (
  random: SecureRandom.SecureRandom["Service"],
  limits: Requests.Limits,
  idempotencyKeys: Requests.IdempotencyKeys
) {
  const parts: Parts = {
    events: yield* WorkflowEventModel,
    executions: yield* Executions,
    sourcing: yield* WorkflowEventSourcing,
    workflows: yield* Workflows,
    random,
    limits,
    idempotencyKeys
  }
  // Only the overloads know the types: the execution runs the workflow that was started, or that the submission names.
  function startWorkflow<W extends Requests.WorkflowToStart>(
    options: Requests.StartOptions<W>
  ): Effect.Effect<Requests.StateFor<W>, Requests.StartError>
  function startWorkflow(
    options: Requests.StartOptions
  ): Effect.Effect<ExecutionState.ExecutionState, Requests.StartError> {
    return start(parts, options)
  }
  function submitEvent<W extends Workflow.Workflow>(
    options: Requests.SubmitOptions<W>
  ): Effect.Effect<Requests.StateFor<W>, Requests.SubmitError>
  function submitEvent(
    options: Requests.SubmitOptions
  ): Effect.Effect<ExecutionState.ExecutionState, Requests.SubmitError> {
    return submit(parts, options)
  }
  return { startWorkflow, submitEvent }
})

type Keyed = ExecutionRef & { readonly idempotencyKey?: string | undefined }

const start = Effect.fnUntraced(function* (parts: Parts, options: Requests.StartOptions) {
  const { data, executionId, metadata, tenant, userId } = options
  yield* Effect.fromResult(Requests.check(options, parts.idempotencyKeys))
  const workflow = yield* parts.workflows.get(options.workflow.name, options.workflow.version)
  const request: Decision.StartRequest = withoutUndefined({ data, user_id: userId, metadata })
  const ref = { tenant, executionId }
  const step = yield* Effect.fromResult(Step.start(workflow, ref, request, yield* stepOptions(parts, options)))
  const submission: Submission = { ...Array.headNonEmpty(step.events), workflow: workflow.name }
  const known = yield* firstResult(parts, options, submission)
  if (Option.isSome(known)) return known.value
  const [result] = yield* parts.executions.commit([moveOf(ref, workflow, undefined, step)])
  if (Result.isSuccess(result)) return yield* stateOf(result.success)
  // Another caller started it meanwhile; with the same key it was this very request.
  const first = yield* firstResult(parts, options, submission)
  return yield* Option.isSome(first)
    ? Effect.succeed(first.value)
    : Effect.fail(new ExecutionAlreadyExists({ executionId }))
})

const submit = Effect.fnUntraced(function* (parts: Parts, options: Requests.SubmitOptions) {
  const { executionId } = options
  yield* Effect.fromResult(Requests.check(options, parts.idempotencyKeys))
  const moved = parts.executions
    .move(options, (loaded) => decide(parts, options, loaded), pauses)
    .pipe(
      Effect.tapErrorTag(rejections, () => Metric.update(Metrics.submissionsRejected, 1)),
      Effect.catchTag("PositionConflict", () =>
        Effect.fail(new ExecutionContended({ executionId, attemptCount: maxAttempts }))
      )
    )
  const result = yield* parts.executions.exclusively(options, moved)
  return Result.isSuccess(result) ? yield* stateOf(result.success) : result.failure
})

/** The step to commit; or the first result of the idempotency key. */
const decide = (parts: Parts, options: Requests.SubmitOptions, loaded: Loaded) =>
  options.idempotencyKey === undefined
    ? take(parts, options, loaded)
    : // After the load: another writer that uses the key from here on moves the execution, which is a conflict.
      Effect.flatMap(
        firstResult(parts, options, options.submission),
        Option.match({
          onNone: () => take(parts, options, loaded),
          onSome: (state) => Effect.succeed<Decided<Move, ExecutionState.ExecutionState>>(Result.fail(state))
        })
      )

const take = (parts: Parts, options: Requests.SubmitOptions, { state, workflow }: Loaded) =>
  Effect.flatMap(stepOptions(parts, options), (stepped) =>
    Effect.fromResult(
      Result.map(
        Step.take(workflow, state, options.submission, stepped),
        (step): Decided<Move, ExecutionState.ExecutionState> => Result.succeed(moveOf(options, workflow, state, step))
      )
    )
  )

const moveOf = (
  { executionId, tenant }: ExecutionRef,
  workflow: Workflow.Workflow,
  from: ExecutionState.ExecutionState | undefined,
  { events, state }: Step.Step
): Move => ({ tenant, executionId, workflow, from, events, isComplete: state.isComplete })

const stepOptions = ({ limits, random }: Parts, { idempotencyKey }: Keyed) =>
  Effect.flatMap(Clock.currentTimeMillis, (millis) =>
    Effect.map(random.uuidV7(), (eventId) => ({
      ...limits,
      eventId,
      idempotencyKey,
      at: Instant.fromEpochMillis(millis)
    }))
  )

/** The first result of the key; none when the key is new. */
const firstResult = (parts: Parts, { executionId, idempotencyKey, tenant }: Keyed, submission: Submission) =>
  idempotencyKey === undefined
    ? Effect.succeedNone
    : resultOfKey(parts, { tenant, executionId, idempotencyKey }, submission)

const resultOfKey = Effect.fnUntraced(function* (
  { events, sourcing }: Parts,
  key: Parameters<Parts["events"]["findByIdempotencyKey"]>[0],
  submission: Submission
) {
  const { executionId, idempotencyKey, tenant } = key
  const found = yield* events.findByIdempotencyKey(key)
  if (Option.isNone(found)) return Option.none<ExecutionState.ExecutionState>()
  const { executionState } = yield* sourcing.replayEvents(executionId, tenant, { replayTo: found.value.position })
  return Request.isSame({ ...found.value, workflow: executionState.workflow.name }, submission)
    ? Option.some(executionState)
    : yield* new QueuedEvent.IdempotencyConflict({ executionId, idempotencyKey })
})

/** The preview has folded these events: a failure now is an `evolve` that is not pure, a defect. */
const stateOf = ({ state }: Moved): Effect.Effect<ExecutionState.ExecutionState> =>
  Effect.orDie(Effect.fromResult(state))

/** A little longer each time, jittered so that competing writers do not collide again. */
const pauses = Schedule.jittered(Schedule.exponential("2 millis"))

/** Tags of what `decide` refuses a submission with. */
const rejections = [
  "TransitionRejected",
  "PayloadInvalid",
  "ExecutionComplete",
  "WorkflowMismatch",
  "InvalidInput"
] as const
