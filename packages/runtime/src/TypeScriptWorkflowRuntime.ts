/** Starts executions and submits events to them: load, decide, append. */
import {
  type Commit,
  Decision,
  type ExecutionHeader,
  type ExecutionState,
  FailurePolicy,
  Instant,
  Step,
  QueuedEvent,
  Replay,
  Request,
  Snapshot,
  type Workflow,
  type StoreError,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  executionKey,
  Identifier,
  type Submission
} from "@refold/core"
import {
  Array,
  Clock,
  Context,
  type Duration,
  Effect,
  Layer,
  Metric,
  Option,
  Predicate,
  Result,
  Schedule,
  Schema
} from "effect"
import { SecureRandom } from "effect/crypto"
import { EventProcessor } from "./queue/EventProcessor.ts"
import { LruCache } from "./execution/LruCache.ts"
import { ExecutionNotFound } from "./ExecutionErrors.ts"
import * as Metrics from "./Metrics.ts"
import * as PooledRandom from "./execution/PooledRandom.ts"
import { StateCache, defaultCapacity } from "./execution/StateCache.ts"
import { SnapshotWriter } from "./replay/SnapshotWriter.ts"
import { KeyedLock } from "./execution/KeyedLock.ts"
import { type ReplayError, WorkflowEventSourcing } from "./replay/WorkflowEventSourcing.ts"
import { WakeUps } from "./queue/WakeUps.ts"
import { WorkflowNotFound, Workflows } from "./Workflows.ts"

/** The execution id is taken; nothing was written. */
export class ExecutionAlreadyExists extends Schema.TaggedError<ExecutionAlreadyExists>()("ExecutionAlreadyExists", {
  executionId: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" exists already: choose another id, or submit an event to it`
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
export interface WorkflowToStart {
  readonly name: string
  readonly version?: number
}

/** Data that a start may bring: any of the fields of the definition's data, as JSON. */
export type StartData<W extends WorkflowToStart> =
  W extends Workflow.Workflow<infer _State, infer Data> ? Partial<Data> & Schema.JsonObject : Schema.JsonObject

export interface StartOptions<W extends WorkflowToStart = WorkflowToStart> {
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
  readonly submission: Submission
  readonly idempotencyKey?: string | undefined
}

/** What `enqueueEvent` answers with: the id of the event it becomes, and of its processing. */
export interface Enqueued {
  readonly eventId: string
  readonly processingId: string
}

export interface ProcessOptions extends Enqueued {
  readonly tenant: string
  readonly executionId: string
  /** Who processes; for spans and logs. */
  readonly workerId: string
}

/**
 * What processing led to. `errorMessage` says why it did not succeed: a rejection, or the cause of a dead letter, which
 * are settled, or of a failed attempt, after which the next call tries again.
 */
export interface ProcessingResult {
  readonly success: boolean
  readonly errorMessage?: string
  readonly previousState?: string
  readonly currentState?: string
  readonly actionsExecuted: ReadonlyArray<string>
}

/** There is no such queued event of this execution; another tenant's gives the same answer. */
export class QueuedEventNotFound extends Schema.TaggedError<QueuedEventNotFound>()("QueuedEventNotFound", {
  executionId: Schema.String,
  processingId: Schema.String
}) {
  override get message(): string {
    return `Execution "${this.executionId}" has no queued event "${this.processingId}": check the ids and the tenant`
  }
}

/** The event cannot be processed now: an earlier one of its execution is a dead letter, or another worker is at it. */
export class ExecutionBusy extends Schema.TaggedError<ExecutionBusy>()("ExecutionBusy", {
  executionId: Schema.String,
  processingId: Schema.String
}) {
  override get message(): string {
    return `The queued event "${this.processingId}" of execution "${this.executionId}" cannot be processed yet: an earlier one is a dead letter, to be redriven or discarded, or another worker is at it`
  }
}

export type EnqueueError =
  | Identifier.InvalidInput
  | Decision.PayloadInvalid
  | Decision.ExecutionComplete
  | Decision.WorkflowMismatch
  | ExecutionNotFound
  | QueuedEvent.IdempotencyConflict
  | StoreError

export type ProcessError = Identifier.InvalidInput | QueuedEventNotFound | ExecutionBusy | WorkflowNotFound | StoreError

export type StartError =
  | ReplayError
  | Decision.Rejection
  | ExecutionAlreadyExists
  | QueuedEvent.IdempotencyConflict
  | WorkflowNotFound

export type SubmitError = ReplayError | Decision.Rejection | QueuedEvent.IdempotencyConflict | ExecutionContended

export interface RuntimeOptions {
  /** Bytes of JSON that a payload may have; 256 KiB by default. */
  readonly maxPayloadBytes?: number
  /** What follows a failed attempt at a queued event; by default ten attempts, after which the execution waits. */
  readonly failurePolicy?: FailurePolicy.FailurePolicy
  /** Executions whose last state is kept in memory, so that their next event needs no replay; 1,000 by default. */
  readonly maxCachedStates?: number
}

export class TypeScriptWorkflowRuntime extends Context.Service<
  TypeScriptWorkflowRuntime,
  {
    /** Starts an execution and returns its first state. */
    readonly startWorkflow: <W extends WorkflowToStart>(
      options: StartOptions<W>
    ) => Effect.Effect<ExecutionState.ExecutionState, StartError>

    /**
     * Decides an event and appends it at once; returns the state it led to.
     *
     * **Details**
     *
     * Submissions to one execution are decided one after another; when a writer elsewhere was faster it loads and decides
     * anew, at most {@link maxSubmitAttempts} times in all. The data of the state is frozen. With an idempotency key, the same
     * submission gives the first result ever after; a rejected one leaves no trace and is decided again.
     *
     * **Gotchas**
     *
     * In a transaction of the caller's on the same SQL client the event is part of it, and the partition is locked until
     * its end.
     */
    readonly submitEvent: (options: SubmitOptions) => Effect.Effect<ExecutionState.ExecutionState, SubmitError>

    /**
     * Persists an event, to be decided later by a worker. Succeeds while the stream is down.
     *
     * **Details**
     *
     * What can be refused now is refused now: an execution that is not there or complete, a name or a payload that its
     * definition, if it is registered here, cannot read. Whether the state accepts the event is decided when its turn
     * comes. An idempotency key gives the first answer ever after. In a transaction of the caller's on the same SQL client
     * the event is part of it; workers then find it by sweeping, within seconds of the commit.
     */
    readonly enqueueEvent: (options: SubmitOptions) => Effect.Effect<Enqueued, EnqueueError>

    /** Persists many, all or none; those of one execution are processed in this order. */
    readonly enqueueEvents: (
      options: Array.NonEmptyReadonlyArray<SubmitOptions>
    ) => Effect.Effect<Array.NonEmptyReadonlyArray<Enqueued>, EnqueueError>

    /**
     * Processes a queued event now, after those before it in the queue of its execution; called again, it gives the first
     * result. Workers do so by themselves.
     */
    readonly processQueuedEvent: (options: ProcessOptions) => Effect.Effect<ProcessingResult, ProcessError>

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
  static readonly layerWith = ({
    failurePolicy = FailurePolicy.defaultPolicy,
    maxCachedStates = defaultCapacity,
    ...limits
  }: RuntimeOptions) =>
    Layer.effect(
      TypeScriptWorkflowRuntime,
      Effect.suspend(() => make(limits))
    ).pipe(
      Layer.provideMerge(EventProcessor.layer({ failurePolicy, ...limits })),
      Layer.provide(StateCache.layer(maxCachedStates)),
      Layer.provideMerge(WakeUps.layer),
      Layer.provide(PooledRandom.layer)
    )

  static readonly layer = TypeScriptWorkflowRuntime.layerWith({})
}

/** What `decide` refuses a submission with. */
const rejections = [
  "TransitionRejected",
  "PayloadInvalid",
  "ExecutionComplete",
  "WorkflowMismatch",
  "InvalidInput"
] as const

/** Executions whose workflow is remembered, for what is enqueued to them. */
const maxWorkflowRefs = 10_000

/** Attempts of one submission against faster writers. */
export const maxSubmitAttempts = 10

const make = Effect.fnUntraced(function* (limits: { readonly maxPayloadBytes?: number }) {
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  const sourcing = yield* WorkflowEventSourcing
  const snapshots = yield* SnapshotWriter
  const workflows = yield* Workflows
  const queue = yield* WorkflowEventProcessingModel
  const processor = yield* EventProcessor
  const wakeUps = yield* WakeUps
  const random = yield* SecureRandom.SecureRandom
  const states = yield* StateCache
  const lock = new KeyedLock()
  const refs = new LruCache<ExecutionHeader["workflow"]>(maxWorkflowRefs)

  /** What the key led to the first time it was used; none when it is new. */
  const firstResult = (
    { executionId, idempotencyKey, tenant }: Pick<SubmitOptions, "tenant" | "executionId" | "idempotencyKey">,
    request: Submission
  ) =>
    idempotencyKey === undefined ? Effect.succeedNone : resultOfKey({ tenant, executionId, idempotencyKey }, request)

  const resultOfKey = Effect.fnUntraced(function* (
    { executionId, idempotencyKey, tenant }: Parameters<typeof events.findByIdempotencyKey>[0],
    request: Submission
  ) {
    const found = yield* events.findByIdempotencyKey({ tenant, executionId, idempotencyKey })
    if (Option.isNone(found)) return Option.none<ExecutionState.ExecutionState>()
    const conflict = new QueuedEvent.IdempotencyConflict({ executionId, idempotencyKey })
    if (!Request.isSame(found.value, request)) return yield* conflict
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
    const [first, ...others] = decision.events
    const key = idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }
    const identified: Array.NonEmptyArray<Commit.NewEvent> = [{ ...first, event_id: yield* random.uuidV7(), ...key }]
    for (const event of others) identified.push({ ...event, event_id: yield* random.uuidV7() })
    if (state !== undefined) {
      // What evolve throws, or cannot read, must show before it is in the log for ever.
      const now = Instant.fromEpochMillis(yield* Clock.currentTimeMillis)
      yield* Effect.fromResult(Step.preview(workflow, state, identified, now))
    }
    const commit: Commit.Commit = {
      tenant,
      executionId,
      workflow,
      expectedPosition: state?.position ?? 0,
      events: identified,
      isComplete: workflow.finalStates.has(Array.lastNonEmpty(decision.events).to_state)
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
    yield* states.set(after)
    yield* snapshots.offer(workflow, before, after)
    return after
  })

  const startWorkflow = Effect.fn("TypeScriptWorkflowRuntime.startWorkflow")(function* <W extends WorkflowToStart>(
    options: StartOptions<W>
  ) {
    const { data, executionId, idempotencyKey, metadata, tenant, userId } = options
    yield* Effect.fromResult(Identifier.check({ tenant, executionId, idempotencyKey }))
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
    const request: Submission = { ...Array.headNonEmpty(decision.events), workflow: workflow.name }
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

  const submitOn = Effect.fnUntraced(function* (state: ExecutionState.ExecutionState, options: SubmitOptions) {
    const { submission } = options
    // After the state: a rival that uses the key from here on moves the execution, and that is a conflict.
    const first = yield* firstResult(options, submission)
    if (Option.isSome(first)) return first.value
    const { name, version } = state.workflow
    const workflow = yield* workflows.get(name, version)
    const decision = yield* Effect.fromResult(Decision.decide(workflow, state, submission, limits))
    return yield* append(workflow, state, decision, options)
  })

  /** On the state that is remembered, if there is one; where another process has moved the execution, on the log's. */
  const attempt = Effect.fnUntraced(function* (options: SubmitOptions) {
    const onLog = Effect.suspend(() =>
      Effect.flatMap(sourcing.replayEvents(options.executionId, options.tenant), ({ executionState }) =>
        submitOn(executionState, options)
      )
    )
    const remembered = states.get(options)
    if (remembered === undefined) return yield* onLog
    return yield* Effect.catchTag(submitOn(remembered, options), ["PositionConflict", "TransitionRejected"], () => {
      states.delete(options)
      return onLog
    })
  })

  // This and `enqueueEvents` name their span themselves: `Effect.fn` would also take down a stack for each call, which costs
  // a tenth of it.
  const submitEvent = Effect.fnUntraced(function* (options: SubmitOptions) {
    const { executionId, idempotencyKey, tenant } = options
    yield* Effect.fromResult(Identifier.check({ tenant, executionId, idempotencyKey }))
    const attempted = attempt(options).pipe(
      Effect.tapErrorTag(rejections, () => Metric.update(Metrics.submissionsRejected, 1)),
      Effect.tapErrorTag("PositionConflict", () => Metric.update(Metrics.positionConflicts, 1))
    )
    // The schedule is for rivals alone: to set it up takes a while.
    const submitted = Effect.catchTag(attempted, "PositionConflict", () =>
      attempted.pipe(
        Effect.retry({ while: (error) => error._tag === "PositionConflict", schedule: backOff }),
        Effect.catchTag("PositionConflict", () =>
          Effect.fail(new ExecutionContended({ executionId, attemptCount: maxSubmitAttempts }))
        )
      )
    )
    // A caller that holds locks must not wait for one that waits for those.
    return yield* (yield* events.isInTransaction) ? submitted : lock.run(options, submitted)
  }, Effect.withSpan("TypeScriptWorkflowRuntime.submitEvent"))

  /** Whether the key was used before: then it has its answer, whatever the execution has come to since. */
  const isKeyKnown = ({ executionId, idempotencyKey, tenant }: SubmitOptions) =>
    idempotencyKey === undefined
      ? Effect.succeed(false)
      : Effect.map(queue.find({ tenant, executionId, idempotencyKey }), Option.isSome)

  /** The workflows that executions run; of those not there, nothing. They never change, so they are asked for once. */
  const workflowsOf = Effect.fnUntraced(function* (options: ReadonlyArray<SubmitOptions>) {
    const found = new Map<string, ExecutionHeader["workflow"]>()
    const unknownByTenant = new Map<string, Set<string>>()
    for (const { executionId, tenant } of options) {
      const ref = refs.get({ tenant, executionId })
      if (ref !== undefined) found.set(executionKey({ tenant, executionId }), ref)
      else unknownByTenant.set(tenant, (unknownByTenant.get(tenant) ?? new Set()).add(executionId))
    }
    for (const [tenant, ids] of unknownByTenant) {
      const mayBeRolledBack = yield* events.isInTransaction
      for (const header of yield* executions.findMany({ tenant, executionIds: [...ids] })) {
        if (!mayBeRolledBack) refs.set(header, header.workflow)
        found.set(executionKey(header), header.workflow)
      }
    }
    return found
  })

  const toQueue = Effect.fnUntraced(function* (options: SubmitOptions, ref: ExecutionHeader["workflow"] | undefined) {
    const { executionId, idempotencyKey, submission, tenant } = options
    if (ref === undefined) return yield* new ExecutionNotFound({ executionId })
    const workflow = yield* Effect.option(workflows.get(ref.name, ref.version))
    const execution = { executionId, workflow: ref }
    const checked = Decision.checkSubmission(execution, Option.getOrUndefined(workflow), submission, limits)
    if (Result.isFailure(checked) && (isMismatch(checked.failure) || !(yield* isKeyKnown(options)))) {
      return yield* Effect.fail(checked.failure)
    }
    const event: QueuedEvent.NewQueuedEvent = {
      tenant,
      executionId,
      submission,
      eventId: yield* random.uuidV7(),
      processingId: yield* random.uuidV7(),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey })
    }
    return event
  })

  const enqueueEvents = Effect.fnUntraced(function* (options: Array.NonEmptyReadonlyArray<SubmitOptions>) {
    for (const { executionId, idempotencyKey, tenant } of options) {
      yield* Effect.fromResult(Identifier.check({ tenant, executionId, idempotencyKey }))
    }
    const workflowOf = yield* workflowsOf(options)
    const events = yield* Effect.forEach(options, (each) => toQueue(each, workflowOf.get(executionKey(each))))
    const entries = yield* queue
      .enqueue(events)
      .pipe(
        Effect.catchTag("QueueClosed", ({ executionId, finalState }) =>
          Effect.fail(
            finalState === undefined
              ? new ExecutionNotFound({ executionId })
              : new Decision.ExecutionComplete({ executionId, currentState: finalState })
          )
        )
      )
    yield* Metric.update(Metrics.eventsQueued, entries.length)
    yield* wakeUps.offer(
      entries.flatMap(({ executionId, status, tenant }) => (status._tag === "Pending" ? [{ tenant, executionId }] : []))
    )
    return Array.map(entries, ({ eventId, processingId }): Enqueued => ({ eventId, processingId }))
  }, Effect.withSpan("TypeScriptWorkflowRuntime.enqueueEvents"))

  const processQueuedEvent = Effect.fn("TypeScriptWorkflowRuntime.processQueuedEvent")(function* (
    options: ProcessOptions
  ) {
    const { eventId, executionId, processingId, tenant, workerId } = options
    yield* Effect.fromResult(Identifier.check({ tenant, executionId, processingId, eventId, workerId }))
    yield* Effect.annotateCurrentSpan({ workerId })
    // A turn settles one event at least, unless a faster writer did.
    for (let turnCount = 0; turnCount < maxTurns; turnCount++) {
      const found = yield* queue.find({ tenant, executionId, processingId })
      if (Option.isNone(found) || found.value.eventId !== eventId) {
        return yield* new QueuedEventNotFound({ executionId, processingId })
      }
      const result = resultOf(found.value.status)
      if (result !== undefined) return result
      const [turned] = yield* processor.process({
        executions: [{ tenant, executionId }],
        limit: eventsPerTurn,
        ignoreDelay: true
      })
      if (turned === undefined) {
        // Settled by another since, perhaps.
        const again = yield* queue.find({ tenant, executionId, processingId })
        const settled = Option.isNone(again) ? undefined : resultOf(again.value.status)
        return settled ?? (yield* new ExecutionBusy({ executionId, processingId }))
      }
      const { turn } = turned
      if (turn._tag === "Left") return yield* new WorkflowNotFound(turn.workflow)
      if (turn._tag === "Failed" && turn.processingId === processingId) return failure(turn.cause)
      if (turn._tag === "Failed") break
    }
    return yield* new ExecutionBusy({ executionId, processingId })
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

  return TypeScriptWorkflowRuntime.of({
    startWorkflow,
    submitEvent,
    enqueueEvent: (options) => Effect.map(enqueueEvents([options]), Array.headNonEmpty),
    enqueueEvents,
    processQueuedEvent,
    getExecutionState,
    waitForCompletion
  })
})

/** A key is for one execution, so it stands for no request that was made for another workflow. */
const isMismatch = Predicate.isTagged("WorkflowMismatch")

/** Queued events settled in one turn of `processQueuedEvent`, and its turns: a longer queue is a worker's job. */
const eventsPerTurn = 16
const maxTurns = 1000

const failure = (errorMessage: string): ProcessingResult => ({ success: false, errorMessage, actionsExecuted: [] })

/** The result of an event that is settled or dead; undefined while it waits. */
const resultOf = (status: QueuedEvent.Status): ProcessingResult | undefined => {
  switch (status._tag) {
    case "Pending":
      return undefined
    case "Applied": {
      const { actionsExecuted, currentState, previousState } = status
      return { success: true, previousState, currentState, actionsExecuted }
    }
    case "Rejected": {
      const { currentState, reason } = status
      return { ...failure(reason), previousState: currentState, currentState }
    }
    case "Dead":
    case "Skipped":
    case "Discarded":
      return failure(status.cause)
  }
}

/** After the second attempt, which is made at once: a little longer each time, spread so that rivals do not meet again. */
const backOff = Schedule.exponential("2 millis").pipe(
  Schedule.jittered,
  Schedule.upTo({ times: maxSubmitAttempts - 2 })
)

const polling = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])
