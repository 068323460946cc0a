export {
  CompletionTimeout,
  ExecutionAlreadyExists,
  ExecutionBusy,
  ExecutionContended,
  ExecutionNotFound,
  ExecutionNotStarted,
  PositionNotReached,
  QueuedEventNotFound
} from "./ExecutionErrors.ts"
export { EventProcessor } from "./queue/EventProcessor.ts"
export type { ExecutionOutcome, Outcome } from "./queue/Outcome.ts"
export { SnapshotUnencodable, SnapshotWriter } from "./replay/SnapshotWriter.ts"
export { maxAttempts as maxSubmitAttempts } from "./execution/Executions.ts"
export { TypeScriptWorkflowRuntime } from "./TypeScriptWorkflowRuntime.ts"
export type { RuntimeOptions } from "./TypeScriptWorkflowRuntime.ts"
export type {
  EnqueueError,
  Enqueued,
  IdempotencyKeys,
  ProcessError,
  ProcessOptions,
  ProcessingResult,
  StartData,
  StartError,
  StartOptions,
  StateFor,
  SubmitError,
  SubmitOptions,
  WorkflowToStart
} from "./Requests.ts"
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
