/** Rows of the table of events, and the events that they hold. */
import type { EventMetadata, Json, WorkflowEvent } from "@refold/core"
import type { Types } from "effect"
import { instantText } from "../InstantText.ts"

/** The columns that all events of an execution share. */
export interface ExecutionColumns {
  readonly tenant: string
  readonly execution_id: string
  readonly partition: number
}

/** The other columns, in the client's types: `Date` for an instant, `bigint` for a `bigint`, parsed JSON. */
export interface OwnColumns {
  readonly position: number
  readonly event_id: string
  readonly event_name: string
  readonly event_type: string
  readonly from_state: string
  readonly to_state: string
  readonly user_id: string | null
  readonly payload: Json.Json
  /** SQL's null and JSON's null both arrive as `null`. */
  readonly has_payload: boolean
  readonly schema_version: number
  readonly created_at: Date
  readonly recorded_at: Date
  readonly metadata: EventMetadata
  readonly offset: bigint
}

export type EventRow = ExecutionColumns & OwnColumns

/** Reading one execution needs no more: the columns that its events share cost a tenth of a replay. */
export const ownColumns = `position, event_id, event_name, event_type, from_state, to_state, user_id, payload,
  payload is not null as has_payload, schema_version, created_at, recorded_at, metadata, "offset"`

export const allColumns = `tenant, execution_id, partition, ${ownColumns}`

export const toEvent = (row: EventRow): WorkflowEvent => toEventOf(row, row)

export const toEventOf = ({ execution_id, partition, tenant }: ExecutionColumns, row: OwnColumns): WorkflowEvent => {
  const event: Types.Mutable<WorkflowEvent> = {
    event_id: row.event_id,
    tenant,
    execution_id,
    position: row.position,
    event_name: row.event_name,
    event_type: row.event_type,
    from_state: row.from_state,
    to_state: row.to_state,
    schema_version: row.schema_version,
    created_at: instantText(row.created_at),
    recorded_at: instantText(row.recorded_at),
    partition,
    offset: Number(row.offset),
    metadata: row.metadata
  }
  if (row.user_id !== null) event.user_id = row.user_id
  if (row.has_payload) event.payload = row.payload
  return event
}
