export { ExecutionNotFound, ExecutionNotStarted, PositionNotReached } from "./ExecutionErrors.ts"
export { EventProcessor } from "./queue/EventProcessor.ts"
export type { ExecutionTurn, Turn } from "./queue/EventProcessor.ts"
export { SnapshotUnencodable, SnapshotWriter } from "./replay/SnapshotWriter.ts"
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
export { SnapshotDivergence, WorkflowEventSourcing } from "./replay/WorkflowEventSourcing.ts"
export type { ReplayDebug, ReplayError, ReplayOptions, Replayed } from "./replay/WorkflowEventSourcing.ts"
export { Sweeper } from "./queue/Sweeper.ts"
export { WakeUps } from "./queue/WakeUps.ts"
export { Worker } from "./worker/Worker.ts"
export type { WorkerOptions } from "./worker/Worker.ts"
export { WorkflowNotFound, Workflows } from "./Workflows.ts"
export * as EventLogImport from "./import/EventLogImport.ts"
export * as Metrics from "./Metrics.ts"
export * as Verification from "./Verification.ts"
