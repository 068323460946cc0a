/** Starts executions and submits events to them: load, decide, append. */
import {
  type Commit,
  Decision,
  type ExecutionState,
  Json,
  Replay,
  Snapshot,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel,
  defaultEventType
} from "@refold/core"
import { Array, Context, type Duration, Effect, Layer, Metric, Option, Result, Schedule, Schema } from "effect"
import { SecureRandom } from "effect/crypto"
import * as Metrics from "./Metrics.ts"
import { SnapshotWriter } from "./SnapshotWriter.ts"
import { type ReplayError, WorkflowEventSourcing, checkIds } from "./WorkflowEventSourcing.ts"
import { type WorkflowNotFound, Workflows } from "./Workflows.ts"

/** The execution id is taken; nothing was written. */
export class ExecutionAlreadyExists extends Schema.TaggedError<ExecutionAlreadyExists>()("ExecutionAlreadyExists", {
  executionId: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" exists already: choose another id, or submit an event to it`
  }
}

/** The idempotency key was used for another request; nothing was written. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", {
  executionId: Schema.String,
  idempotencyKey: Schema.String
}) {
  override get message(): string {
    return `The idempotency key "${this.idempotencyKey}" of execution "${this.executionId}" was used for another request: use a new key`
  }
}

/** The submission was made for another workflow than the execution runs; nothing was written. */
export class WorkflowMismatch extends Schema.TaggedError<WorkflowMismatch>()("WorkflowMismatch", {
  executionId: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" runs workflow "${this.actual}", not "${this.expected}"`
  }
}

/** Other writers were faster at every attempt; nothing was written, and the same call may work later. */
export class ExecutionContended extends Schema.TaggedError<ExecutionContended>()("ExecutionContended", {
  executionId: Schema.String,
  attemptCount: Schema.Int
}) {
  override get message(): string {
    return `Execution "${this.executionId}" moved at each of ${this.attemptCount} attempts: submit again, or enqueue`
  }
}

/** The execution was not complete in time; it goes on. */
export class CompletionTimeout extends Schema.TaggedError<CompletionTimeout>()("CompletionTimeout", {
  executionId: Schema.String,
  currentState: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" is not complete yet: it is in state "${this.currentState}"`
  }
}

/** A workflow by name, or a definition: the newest registered version is started, or the one named. */
export interface WorkflowRef {
  readonly name: string
  readonly version?: number
}

/** Data that a start may bring: any of the fields of the definition's data, as JSON. */
export type StartData<W extends WorkflowRef> =
  W extends Workflow.Workflow<infer _State, infer Data> ? Partial<Data> & Schema.JsonObject : Schema.JsonObject

export interface StartOptions<W extends WorkflowRef = WorkflowRef> {
  readonly workflow: W
  readonly tenant: string
  readonly executionId: string
  /** Merged over the definition's initial data. */
  readonly data?: StartData<W> | undefined
  readonly userId?: string | undefined
  readonly idempotencyKey?: string | undefined
  readonly metadata?: WorkflowEvent["metadata"] | undefined
}

export interface SubmitOptions {
  readonly tenant: string
  readonly executionId: string
  /** Made by `Workflow.submission`, which checks it at compile time, or plain data, checked when it is decided. */
  readonly submission: Workflow.Submission
  readonly idempotencyKey?: string | undefined
}

export type StartError =
  | ReplayError
  | Decision.Rejection
  | ExecutionAlreadyExists
  | IdempotencyConflict
  | WorkflowNotFound

export type SubmitError = ReplayError | Decision.Rejection | IdempotencyConflict | WorkflowMismatch | ExecutionContended

export class TypeScriptWorkflowRuntime extends Context.Service<
  TypeScriptWorkflowRuntime,
  {
    /** Starts an execution and returns its first state. */
    readonly startWorkflow: <W extends WorkflowRef>(
      options: StartOptions<W>
    ) => Effect.Effect<ExecutionState.ExecutionState, StartError>

    /**
     * Decides an event and appends it at once; returns the state it led to.
     *
     * **Details**
     *
     * When another writer was faster it loads and decides anew, at most {@link maxAttempts} times in all. With an
     * idempotency key, the same submission gives the first result ever after; a rejected one leaves no trace and is
     * decided again.
     */
    readonly submitEvent: (options: SubmitOptions) => Effect.Effect<ExecutionState.ExecutionState, SubmitError>

    /** The state of an execution now. */
    readonly getExecutionState: (options: {
      readonly tenant: string
      readonly executionId: string
    }) => Effect.Effect<ExecutionState.ExecutionState, ReplayError>

    /** Waits until the execution is in a final state, and returns that; asks at growing intervals of up to a second. */
    readonly waitForCompletion: (options: {
      readonly tenant: string
      readonly executionId: string
      readonly timeout: Duration.Input
    }) => Effect.Effect<ExecutionState.ExecutionState, ReplayError | CompletionTimeout>
  }
>()("@refold/runtime/TypeScriptWorkflowRuntime") {
  /** With a bound of one's own on the size of payloads, in bytes of JSON; 256 KiB by default. */
  static readonly layerWith = (options: { readonly maxPayloadBytes?: number }) =>
    Layer.effect(
      TypeScriptWorkflowRuntime,
      Effect.suspend(() => make(options))
    ).pipe(Layer.provide(SecureRandom.layerWebCrypto))

  static readonly layer = TypeScriptWorkflowRuntime.layerWith({})
}

/** Attempts of one submission against faster writers. */
export const maxAttempts = 10

const make = Effect.fnUntraced(function* (limits: { readonly maxPayloadBytes?: number }) {
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  const sourcing = yield* WorkflowEventSourcing
  const snapshots = yield* SnapshotWriter
  const workflows = yield* Workflows
  const random = yield* SecureRandom.SecureRandom

  /** What the key led to the first time it was used; none when it is new. */
  const firstResult = Effect.fnUntraced(function* (
    options: Pick<SubmitOptions, "tenant" | "executionId" | "idempotencyKey">,
    request: Workflow.Submission
  ) {
    const { executionId, idempotencyKey, tenant } = options
    if (idempotencyKey === undefined) return Option.none<ExecutionState.ExecutionState>()
    const found = yield* events.findByIdempotencyKey({ tenant, executionId, idempotencyKey })
    if (Option.isNone(found)) return Option.none<ExecutionState.ExecutionState>()
    const conflict = new IdempotencyConflict({ executionId, idempotencyKey })
    if (!isSameEvent(found.value, request)) return yield* conflict
    const { executionState } = yield* sourcing.replayEvents(executionId, tenant, { replayTo: found.value.position })
    if (request.workflow !== undefined && request.workflow !== executionState.workflow.name) return yield* conflict
    return Option.some(executionState)
  })

  /** Commits a decision made on `state`, and returns the state it leads to. */
  const append = Effect.fnUntraced(function* <State extends string, Data>(
    workflow: Workflow.Workflow<State, Data>,
    state: ExecutionState.ExecutionState<Data> | undefined,
    decision: Decision.Decision,
    options: Pick<SubmitOptions, "tenant" | "executionId" | "idempotencyKey">
  ) {
    const { executionId, idempotencyKey, tenant } = options
    const identified = yield* Effect.forEach(decision.events, (event) =>
      Effect.map(random.uuidV7(), (event_id): Commit.NewEvent => ({ ...event, event_id }))
    )
    const commit: Commit.Commit = {
      tenant,
      executionId,
      workflow,
      expectedPosition: state?.position ?? 0,
      events: identified,
      isComplete: workflow.finalStates.has(Array.lastNonEmpty(decision.events).to_state),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey })
    }
    const [written] = yield* events.commit([commit])
    const committed = yield* Effect.fromResult(written).pipe(
      // Only an import brings instants of its own.
      Effect.catchTag("TimeReversed", (error) => Effect.die(error))
    )
    yield* Metric.update(Metrics.eventsAppended, committed.events.length)
    const before = state ?? Snapshot.origin
    const folded = yield* Effect.fromResult(Replay.fold(workflow, state, committed.events))
    // One event at least was committed, so there is a state.
    const after = yield* Effect.orDie(Effect.fromNullishOr(folded))
    yield* snapshots.offer(workflow, before, after)
    return after
  })

  const startWorkflow = Effect.fn("TypeScriptWorkflowRuntime.startWorkflow")(function* <W extends WorkflowRef>(
    options: StartOptions<W>
  ) {
    const { data, executionId, idempotencyKey, metadata, tenant, userId } = options
    yield* checkIds({ tenant, executionId, idempotencyKey })
    const workflow = yield* workflows.get(options.workflow.name, options.workflow.version)
    const decision = yield* Effect.fromResult(
      Decision.start(
        workflow,
        {
          ...(data === undefined ? {} : { data }),
          ...(userId === undefined ? {} : { user_id: userId }),
          ...(metadata === undefined ? {} : { metadata })
        },
        limits
      )
    )
    const request: Workflow.Submission = { ...Array.headNonEmpty(decision.events), workflow: workflow.name }
    const first = yield* firstResult(options, request)
    if (Option.isSome(first)) return first.value
    return yield* append(workflow, undefined, decision, options).pipe(
      // Somebody else started it meanwhile; with the same key it was this very request.
      Effect.catchTag("PositionConflict", () =>
        Effect.flatMap(
          firstResult(options, request),
          Option.match({
            onSome: Effect.succeed,
            onNone: () => Effect.fail(new ExecutionAlreadyExists({ executionId }))
          })
        )
      )
    )
  })

  const attempt = Effect.fnUntraced(function* (options: SubmitOptions) {
    const { executionId, submission, tenant } = options
    const { executionState } = yield* sourcing.replayEvents(executionId, tenant)
    // After the replay: a rival that uses the key from here on moves the execution, and that is a conflict.
    const first = yield* firstResult(options, submission)
    if (Option.isSome(first)) return first.value
    const { name, version } = executionState.workflow
    if (submission.workflow !== undefined && submission.workflow !== name) {
      return yield* new WorkflowMismatch({ executionId, expected: submission.workflow, actual: name })
    }
    const workflow = yield* workflows.get(name, version)
    const decided = Decision.decide(workflow, executionState, submission, limits)
    if (Result.isFailure(decided)) yield* Metric.update(Metrics.submissionsRejected, 1)
    return yield* append(workflow, executionState, yield* Effect.fromResult(decided), options)
  })

  const submitEvent = Effect.fn("TypeScriptWorkflowRuntime.submitEvent")(function* (options: SubmitOptions) {
    const { executionId, idempotencyKey, tenant } = options
    yield* checkIds({ tenant, executionId, idempotencyKey })
    return yield* attempt(options).pipe(
      Effect.tapErrorTag("PositionConflict", () => Metric.update(Metrics.positionConflicts, 1)),
      Effect.retry({ while: (error) => error._tag === "PositionConflict", schedule: backOff }),
      Effect.catchTag("PositionConflict", () =>
        Effect.fail(new ExecutionContended({ executionId, attemptCount: maxAttempts }))
      )
    )
  })

  const getExecutionState = Effect.fn("TypeScriptWorkflowRuntime.getExecutionState")(function* (options: {
    readonly tenant: string
    readonly executionId: string
  }) {
    const { executionState } = yield* sourcing.replayEvents(options.executionId, options.tenant)
    return executionState
  })

  const waitForCompletion = Effect.fn("TypeScriptWorkflowRuntime.waitForCompletion")(function* (options: {
    readonly tenant: string
    readonly executionId: string
    readonly timeout: Duration.Input
  }) {
    const { executionId, tenant, timeout } = options
    // Its first answer also refuses an execution that is not there, before any waiting.
    const first = yield* getExecutionState(options)
    if (first.isComplete) return first
    const isComplete = Effect.map(
      executions.find({ tenant, executionId }),
      Option.exists((header) => header.isComplete)
    )
    yield* isComplete.pipe(
      Effect.repeat({ until: (complete) => complete, schedule: polling }),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () =>
          Effect.flatMap(getExecutionState(options), ({ currentState }) =>
            Effect.fail(new CompletionTimeout({ executionId, currentState }))
          )
      })
    )
    return yield* getExecutionState(options)
  })

  return TypeScriptWorkflowRuntime.of({ startWorkflow, submitEvent, getExecutionState, waitForCompletion })
})

/** Between attempts: at once first, then a little longer each time, spread so that rivals do not meet again. */
const backOff = Schedule.exponential("2 millis").pipe(Schedule.jittered, Schedule.upTo({ times: maxAttempts - 1 }))

const polling = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])

/** Whether the event is what the request would append: an idempotency key stands for one request. */
const isSameEvent = (event: WorkflowEvent, request: Workflow.Submission): boolean => {
  const payload = Json.check(request.payload ?? null, Number.POSITIVE_INFINITY)
  return (
    event.event_name === request.event_name &&
    event.event_type === (request.event_type ?? defaultEventType) &&
    event.user_id === request.user_id &&
    (request.to_state === undefined || event.to_state === request.to_state) &&
    Result.isSuccess(payload) &&
    Json.canonical(event.payload ?? null) === Json.canonical(payload.success)
  )
}
