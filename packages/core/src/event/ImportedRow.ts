/**
 * A row of a foreign event log, already mapped to our words: what an event log reader yields and an import takes.
 *
 * **Details**
 *
 * `line` and `column` are 1-based places in the unpacked file, for messages. `place` is the row's ordinal in the file
 * (1, 2, 3 …): rows of one execution with equal instants keep this order.
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
