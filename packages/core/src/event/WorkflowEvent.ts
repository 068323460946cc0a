/** The record of the log: one fact about one execution, appended once and never changed. */
import { Schema } from "effect"
import { Identifier } from "./Identifier.ts"
import { Instant } from "./Instant.ts"
import { Offset, PartitionNumber, Position } from "./Position.ts"

/** Links an event to its cause and to the trace it was written in. */
export const EventMetadata = Schema.Struct({
  correlation_id: Schema.optionalKey(Identifier),
  causation_id: Schema.optionalKey(Identifier),
  /** W3C trace context. */
  traceparent: Schema.optionalKey(Identifier)
})
export type EventMetadata = typeof EventMetadata.Type

/**
 * An event as the store returns it. One spelling everywhere: column, stream, JSON, TypeScript.
 *
 * **Details**
 *
 * `position` is the order of replay, never a clock. `created_at` never decreases within an execution; `recorded_at` is
 * when the store stamped the event and differs from it only after an import. `schema_version` is the version of the
 * payload's shape.
 */
export const WorkflowEvent = Schema.Struct({
  event_id: Identifier,
  tenant: Identifier,
  execution_id: Identifier,
  position: Position,
  event_name: Identifier,
  event_type: Identifier,
  from_state: Identifier,
  to_state: Identifier,
  user_id: Schema.optionalKey(Identifier),
  payload: Schema.optionalKey(Schema.Json),
  schema_version: Schema.Int.check(Schema.isGreaterThan(0)),
  created_at: Instant,
  recorded_at: Instant,
  partition: PartitionNumber,
  offset: Offset,
  metadata: EventMetadata
})
export type WorkflowEvent = typeof WorkflowEvent.Type

/** `event_type` of a submission without one. */
export const defaultEventType = "workflow"

/** `from_state` of the first event of an execution. */
export const noState = "none"

/** Name of the event that `startWorkflow` appends at position 1; its payload is the execution's first data. */
export const startedEventName = "workflow.started"
