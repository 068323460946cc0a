/**
 * A row of a foreign event log, with the fields of an event. Event log readers yield rows; an import takes them.
 *
 * **Details**
 *
 * `line` is the 1-based line in the unpacked file, for messages. `place` is the ordinal of the row in the file (1, 2, 3 …).
 * Rows of one execution with equal instants keep this order.
 */
import type { Schema } from "effect"
import type { Instant } from "./Instant.ts"

export interface ImportedRow {
  readonly execution_id: string
  readonly event_name: string
  /** The lifecycle transition, or `workflow` where the log has none. */
  readonly event_type: string
  readonly user_id?: string
  /** The other columns; absent when the row has none. */
  readonly payload?: Schema.JsonObject
  readonly created_at: Instant
  readonly place: number
  readonly line: number
}
