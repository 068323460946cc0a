export { ExecutionNotFound, ExecutionNotStarted, PositionNotReached } from "./ExecutionErrors.ts"
export { SnapshotUnencodable, SnapshotWriter } from "./SnapshotWriter.ts"
export {
  CompletionTimeout,
  ExecutionAlreadyExists,
  ExecutionContended,
  IdempotencyConflict,
  TypeScriptWorkflowRuntime,
  WorkflowMismatch,
  maxAttempts
} from "./TypeScriptWorkflowRuntime.ts"
export type {
  StartData,
  StartError,
  StartOptions,
  SubmitError,
  SubmitOptions,
  WorkflowRef
} from "./TypeScriptWorkflowRuntime.ts"
export { SnapshotDivergence, WorkflowEventSourcing } from "./WorkflowEventSourcing.ts"
export type { ReplayDebug, ReplayError, ReplayOptions, Replayed } from "./WorkflowEventSourcing.ts"
export { WorkflowNotFound, Workflows } from "./Workflows.ts"
export * as EventLogImport from "./EventLogImport.ts"
export * as Verification from "./Verification.ts"
