/** Rows of the table of executions, and the headers that they hold. */
import type { ExecutionHeader } from "@refold/core"
import { instantText } from "../InstantText.ts"

/** In the client's types, without the columns that only the queue uses. */
export interface HeaderRow {
  readonly tenant: string
  readonly execution_id: string
  readonly workflow_name: string
  readonly workflow_version: number
  readonly current_state: string
  readonly position: number
  readonly is_complete: boolean
  readonly started_at: Date
  readonly updated_at: Date
}

export const headerColumns = [
  "tenant",
  "execution_id",
  "workflow_name",
  "workflow_version",
  "current_state",
  "position",
  "is_complete",
  "started_at",
  "updated_at"
]

export const toHeader = (row: HeaderRow): ExecutionHeader => ({
  tenant: row.tenant,
  executionId: row.execution_id,
  workflow: { name: row.workflow_name, version: row.workflow_version },
  currentState: row.current_state,
  position: row.position,
  isComplete: row.is_complete,
  startedAt: instantText(row.started_at),
  updatedAt: instantText(row.updated_at)
})
