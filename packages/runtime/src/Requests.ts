/** What callers ask of the runtime, and what it answers. */
import type { Decision, Identifier, QueuedEvent, StoreError, Submission, Workflow, WorkflowEvent } from "@refold/core"
import type { Schema } from "effect"
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

/** Ids of a queued event: of the event it becomes, and of its processing. */
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

export type StartError =
  | ReplayError
  | Decision.Rejection
  | ExecutionAlreadyExists
  | QueuedEvent.IdempotencyConflict
  | WorkflowNotFound

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
