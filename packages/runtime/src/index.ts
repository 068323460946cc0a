export { ExecutionNotFound, ExecutionNotStarted, PositionNotReached } from "./ExecutionErrors.ts"
export { EventProcessor } from "./EventProcessor.ts"
export type { ExecutionTurn, Turn } from "./EventProcessor.ts"
export { SnapshotUnencodable, SnapshotWriter } from "./SnapshotWriter.ts"
export {
  CompletionTimeout,
  ExecutionAlreadyExists,
  ExecutionBusy,
  ExecutionContended,
  QueuedEventNotFound,
  TypeScriptWorkflowRuntime,
  maxSubmitAttempts
} from "./TypeScriptWorkflowRuntime.ts"
export type {
  EnqueueError,
  Enqueued,
  ProcessError,
  ProcessOptions,
  ProcessingResult,
  RuntimeOptions,
  StartData,
  StartError,
  StartOptions,
  SubmitError,
  SubmitOptions,
  WorkflowToStart
} from "./TypeScriptWorkflowRuntime.ts"
export { SnapshotDivergence, WorkflowEventSourcing } from "./WorkflowEventSourcing.ts"
export type { ReplayDebug, ReplayError, ReplayOptions, Replayed } from "./WorkflowEventSourcing.ts"
export { Sweeper } from "./Sweeper.ts"
export { WakeUps } from "./WakeUps.ts"
export { Worker } from "./Worker.ts"
export type { WorkerOptions } from "./Worker.ts"
export { WorkflowNotFound, Workflows } from "./Workflows.ts"
export * as EventLogImport from "./EventLogImport.ts"
export * as Histories from "./Histories.ts"
export * as Metrics from "./Metrics.ts"
export * as Verification from "./Verification.ts"
