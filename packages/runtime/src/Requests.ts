/** Requests to the runtime, and its answers. */
import {
  type Decision,
  type ExecutionRef,
  type ExecutionState,
  Identifier,
  type QueuedEvent,
  type StoreError,
  type Workflow,
  type WorkflowEvent
} from "@refold/core"
import { Result, type Schema } from "effect"
import type {
  ExecutionAlreadyExists,
  ExecutionBusy,
  ExecutionContended,
  ExecutionNotFound,
  QueuedEventNotFound
} from "./ExecutionErrors.ts"
import type { ReplayError } from "./replay/WorkflowEventSourcing.ts"
import type { WorkflowNotFound } from "./Workflows.ts"

/** A workflow by name, or a definition: the newest registered version is started, or the one named. */
export interface WorkflowToStart {
  readonly name: string
  readonly version?: number
}

/** Data that a start brings, as JSON: of a definition what its initial data leaves out, of a name any object. */
export type StartData<W extends WorkflowToStart> = W extends Workflow.Workflow
  ? Workflow.StartDataOf<W>
  : Schema.JsonObject

/** The state of an execution: typed by a definition, of any data and state by a name. */
export type StateFor<W extends WorkflowToStart> = W extends Workflow.Workflow
  ? ExecutionState.ExecutionState<Workflow.DataOf<W>, Workflow.StateOf<W>>
  : ExecutionState.ExecutionState

export type StartOptions<W extends WorkflowToStart = WorkflowToStart> = ExecutionRef & {
  readonly workflow: W
  readonly userId?: string | undefined
  readonly idempotencyKey?: string | undefined
  readonly metadata?: WorkflowEvent["metadata"] | undefined
} & DataField<StartData<W>>

/** Merged over the definition's initial data; required if this leaves out a field that the data must have. */
type DataField<Data> = {} extends Data ? { readonly data?: Data | undefined } : { readonly data: Data }

export interface SubmitOptions<W extends Workflow.Workflow = Workflow.Workflow> extends ExecutionRef {
  /** Made by `Workflow.submission`, which checks it at compile time, or plain data, checked when it is decided. */
  readonly submission: Workflow.TypedSubmission<W>
  readonly idempotencyKey?: string | undefined
}

/** Ids of a queued event: of the event it becomes, and of its processing. */
export interface Enqueued {
  readonly eventId: string
  readonly processingId: string
}

export interface ProcessOptions extends Enqueued, ExecutionRef {
  /** The worker that processes it; for spans and logs. */
  readonly workerId: string
}

/**
 * The result of processing a queued event. `errorMessage` says why it did not succeed: a rejection or the cause of a dead
 * letter, which are settled, or a failed attempt, after which the next call tries again.
 */
export interface ProcessingResult {
  readonly success: boolean
  readonly errorMessage?: string
  readonly previousState?: string
  readonly currentState?: string
  readonly actionsExecuted: ReadonlyArray<string>
}

/** Bounds of what is submitted. */
export interface Limits {
  /** Bytes of JSON that a payload may have; 256 KiB by default. */
  readonly maxPayloadBytes?: number
}

/** Whether a request may come without an idempotency key. */
export type IdempotencyKeys = "optional" | "required"

/** Refuses names and keys that cannot be stored, and a missing key where one is required. */
export const check = (
  { executionId, idempotencyKey, tenant }: ExecutionRef & { readonly idempotencyKey?: string | undefined },
  idempotencyKeys: IdempotencyKeys
): Result.Result<void, Identifier.InvalidInput> =>
  idempotencyKey === undefined && idempotencyKeys === "required"
    ? Result.fail(new Identifier.InvalidInput({ field: "idempotencyKey", problem: keyRequired }))
    : Identifier.check({ tenant, executionId, idempotencyKey })

const keyRequired =
  "is absent, but this runtime requires one: give each request a key of its own, and the same key when you repeat it"

export type StartError = ReplayError | Decision.Rejection | ExecutionAlreadyExists | QueuedEvent.IdempotencyConflict

export type SubmitError = ReplayError | Decision.Rejection | QueuedEvent.IdempotencyConflict | ExecutionContended

export type EnqueueError =
  | Identifier.InvalidInput
  | Decision.PayloadInvalid
  | Decision.ExecutionComplete
  | Decision.WorkflowMismatch
  | ExecutionNotFound
  | QueuedEvent.IdempotencyConflict
  | StoreError

export type ProcessError = Identifier.InvalidInput | QueuedEventNotFound | ExecutionBusy | WorkflowNotFound | StoreError
