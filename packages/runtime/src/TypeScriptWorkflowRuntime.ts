/** The runtime: starts executions, submits and enqueues events, processes what is queued, answers for the current state. */
import { type ExecutionState, FailurePolicy, type Workflow, WorkflowExecutionModel } from "@refold/core"
import { Array, Context, type Duration, Effect, Layer, Option, Schedule } from "effect"
import { SecureRandom } from "effect/crypto"
import { Executions } from "./execution/Executions.ts"
import * as PooledRandom from "./execution/PooledRandom.ts"
import * as Submissions from "./execution/Submissions.ts"
import { CompletionTimeout } from "./ExecutionErrors.ts"
import * as Enqueueing from "./queue/Enqueueing.ts"
import { EventProcessor } from "./queue/EventProcessor.ts"
import * as ProcessQueuedEvent from "./queue/ProcessQueuedEvent.ts"
import { WakeUps } from "./queue/WakeUps.ts"
import { type ReplayError, WorkflowEventSourcing } from "./replay/WorkflowEventSourcing.ts"
import type {
  EnqueueError,
  Enqueued,
  IdempotencyKeys,
  Limits,
  ProcessError,
  ProcessOptions,
  ProcessingResult,
  StartError,
  StartOptions,
  StateFor,
  SubmitError,
  SubmitOptions,
  WorkflowToStart
} from "./Requests.ts"

export interface RuntimeOptions extends Limits {
  /** What follows a failed attempt at a queued event; by default ten attempts, after which the execution waits. */
  readonly failurePolicy?: FailurePolicy.FailurePolicy
  /** Executions whose last state is kept in memory, so that their next event needs no replay; 1,000 by default. */
  readonly maxCachedStates?: number
  /**
   * Whether starts, submissions and queued events may come without an idempotency key; by default they may. With `required`,
   * a request without one fails as `InvalidInput`, so that no caller can forget to make its retries safe.
   */
  readonly idempotencyKeys?: IdempotencyKeys
}

export class TypeScriptWorkflowRuntime extends Context.Service<
  TypeScriptWorkflowRuntime,
  {
    /**
     * Starts an execution and returns its first state, with the types of the definition that is given.
     *
     * **Details**
     *
     * The data is merged over the definition's initial data; a definition that leaves out fields there requires them here.
     */
    readonly startWorkflow: <W extends WorkflowToStart>(
      options: StartOptions<W>
    ) => Effect.Effect<StateFor<W>, StartError>

    /**
     * Decides an event and appends it at once; returns the state that it leads to.
     *
     * **Details**
     *
     * Submissions to one execution are decided one after another. When a writer in another process is faster, the runtime
     * loads and decides again, at most `maxSubmitAttempts` times in all. The data of the state is frozen. With an
     * idempotency key, the same submission always gives the first result; a rejected one leaves no trace and is decided
     * again.
     *
     * **Gotchas**
     *
     * Inside a caller's transaction on the same SQL client, the event joins it, and the partition is locked until its end.
     *
     * A submission of `Workflow.submission` types the state by its definition. An execution keeps the version it was started
     * with: while executions of another version are alive, narrow the state with `ExecutionState.is`.
     */
    readonly submitEvent: <W extends Workflow.Workflow = Workflow.Workflow>(
      options: SubmitOptions<W>
    ) => Effect.Effect<StateFor<W>, SubmitError>

    /**
     * Persists an event, to be decided later by a worker. Succeeds while the wake-up channel is down.
     *
     * **Details**
     *
     * Refuses at once what no later state could accept: an execution that is not there or complete, a name or a payload that
     * its definition, if it is registered here, cannot read. A worker decides whether the state accepts the event. The same
     * request under an idempotency key always gives the first answer. Inside a caller's transaction on the same SQL client,
     * the event joins it; workers then find it by their sweep, within seconds of the commit.
     */
    readonly enqueueEvent: (options: SubmitOptions) => Effect.Effect<Enqueued, EnqueueError>

    /** Persists many events, all or none; events of one execution are processed in this order. */
    readonly enqueueEvents: (
      options: Array.NonEmptyReadonlyArray<SubmitOptions>
    ) => Effect.Effect<Array.NonEmptyReadonlyArray<Enqueued>, EnqueueError>

    /**
     * Processes a queued event now, after those before it in the queue of its execution. Called again, it gives the first
     * result. Workers process queued events by themselves.
     */
    readonly processQueuedEvent: (options: ProcessOptions) => Effect.Effect<ProcessingResult, ProcessError>

    /** The current state of an execution. */
    readonly getExecutionState: (options: {
      readonly tenant: string
      readonly executionId: string
    }) => Effect.Effect<ExecutionState.ExecutionState, ReplayError>

    /** Waits until the execution is in a final state, and returns that; polls at growing intervals of up to a second. */
    readonly waitForCompletion: (
      options: CompletionOptions
    ) => Effect.Effect<ExecutionState.ExecutionState, ReplayError | CompletionTimeout>
  }
>()("@refold/runtime/TypeScriptWorkflowRuntime") {
  static readonly layerWith = ({
    failurePolicy = FailurePolicy.defaultPolicy,
    idempotencyKeys = "optional",
    maxCachedStates,
    ...limits
  }: RuntimeOptions) =>
    Layer.effect(
      TypeScriptWorkflowRuntime,
      Effect.suspend(() => make(limits, idempotencyKeys))
    ).pipe(
      Layer.provideMerge(EventProcessor.layer({ failurePolicy, ...limits })),
      Layer.provide(Executions.layer({ maxCachedStates })),
      Layer.provideMerge(WakeUps.layer),
      Layer.provide(PooledRandom.layer)
    )

  static readonly layer = TypeScriptWorkflowRuntime.layerWith({})
}

interface CompletionOptions {
  readonly tenant: string
  readonly executionId: string
  readonly timeout: Duration.Input
}

const make = Effect.fnUntraced(function* (limits: Limits, idempotencyKeys: IdempotencyKeys) {
  const random = yield* SecureRandom.SecureRandom
  const sourcing = yield* WorkflowEventSourcing
  const executions = yield* WorkflowExecutionModel
  const { startWorkflow, submitEvent } = yield* Submissions.make(random, limits, idempotencyKeys)
  const enqueueEvents = yield* Enqueueing.make(random, limits, idempotencyKeys)
  const processQueuedEvent = yield* ProcessQueuedEvent.make

  return TypeScriptWorkflowRuntime.of({
    startWorkflow: Effect.fn("TypeScriptWorkflowRuntime.startWorkflow")(startWorkflow),
    submitEvent: (options) => Effect.withSpan(submitEvent(options), "TypeScriptWorkflowRuntime.submitEvent"),
    enqueueEvent: (options) =>
      Effect.map(
        Effect.withSpan(enqueueEvents([options]), "TypeScriptWorkflowRuntime.enqueueEvents"),
        Array.headNonEmpty
      ),
    enqueueEvents: (options) => Effect.withSpan(enqueueEvents(options), "TypeScriptWorkflowRuntime.enqueueEvents"),
    processQueuedEvent: Effect.fn("TypeScriptWorkflowRuntime.processQueuedEvent")(function* (options) {
      yield* Effect.annotateCurrentSpan({ workerId: options.workerId })
      return yield* processQueuedEvent(options)
    }),
    getExecutionState: Effect.fn("TypeScriptWorkflowRuntime.getExecutionState")((options) =>
      getExecutionState(sourcing, options)
    ),
    waitForCompletion: Effect.fn("TypeScriptWorkflowRuntime.waitForCompletion")((options) =>
      waitForCompletion(sourcing, executions, options)
    )
  })
})

const getExecutionState = (
  sourcing: WorkflowEventSourcing["Service"],
  { executionId, tenant }: { readonly tenant: string; readonly executionId: string }
) => Effect.map(sourcing.replayEvents(executionId, tenant), ({ executionState }) => executionState)

const waitForCompletion = Effect.fnUntraced(function* (
  sourcing: WorkflowEventSourcing["Service"],
  executions: WorkflowExecutionModel["Service"],
  options: CompletionOptions
) {
  const { executionId, tenant, timeout } = options
  const current = getExecutionState(sourcing, options)
  // The first answer also refuses an execution that is not there, before any waiting.
  const first = yield* current
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
        Effect.flatMap(current, ({ currentState }) => Effect.fail(new CompletionTimeout({ executionId, currentState })))
    })
  )
  return yield* current
})

const polling = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])
