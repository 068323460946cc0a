export * as Commit from "./execution/Commit.ts"
export * as Decision from "./execution/Decision.ts"
export { deepFreeze } from "./execution/DeepFreeze.ts"
export { type ExecutionRef, executionKey } from "./execution/ExecutionRef.ts"
export * as ExecutionState from "./execution/ExecutionState.ts"
export * as FailurePolicy from "./queue/FailurePolicy.ts"
export * as Identifier from "./event/Identifier.ts"
export type { ImportedRow } from "./event/ImportedRow.ts"
export * as Instant from "./event/Instant.ts"
export * as Json from "./event/Json.ts"
export * as Lease from "./partition/Lease.ts"
export * as Partition from "./partition/Partition.ts"
export * as Step from "./queue/Step.ts"
export * as QueuedEvent from "./queue/QueuedEvent.ts"
export * as Request from "./event/Request.ts"
export * as Replay from "./execution/Replay.ts"
export { Settlement, type Settling } from "./execution/Settlement.ts"
export * as Snapshot from "./execution/Snapshot.ts"
export { Submission } from "./event/Submission.ts"
export * as Upcast from "./event/Upcast.ts"
export * as Workflow from "./workflow/Workflow.ts"
export {
  EventMetadata,
  Place,
  WorkflowEvent,
  defaultEventType,
  noState,
  startedEventName
} from "./event/WorkflowEvent.ts"
export { WakeUpChannel, WakeUpChannelError } from "./ports/WakeUpChannel.ts"
export type { Delivery, WakeUpReader, Received, WakeUp } from "./ports/WakeUpChannel.ts"
export { PartitionLeases } from "./ports/PartitionLeases.ts"
export { StoreError } from "./ports/StoreError.ts"
export { WorkflowEventModel } from "./ports/WorkflowEventModel.ts"
export { WorkflowEventProcessingModel } from "./ports/WorkflowEventProcessingModel.ts"
export type { Claim, PartitionLag, WorkflowRef } from "./ports/WorkflowEventProcessingModel.ts"
export { ExecutionHeader, WorkflowExecutionModel } from "./ports/WorkflowExecutionModel.ts"
export { WorkflowSnapshotModel } from "./ports/WorkflowSnapshotModel.ts"
