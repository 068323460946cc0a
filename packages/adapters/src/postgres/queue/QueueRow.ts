/** Rows of the queue, and the queued events that they hold. */
import { type QueuedEvent, Settlement, Submission } from "@refold/core"
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import { instantText } from "../InstantText.ts"

/** In the client's types: `Date` for an instant, parsed JSON. */
export interface QueueRow {
  readonly tenant: string
  readonly execution_id: string
  readonly queue_position: number
  readonly processing_id: string
  readonly event_id: string
  readonly submission: unknown
  readonly idempotency_key: string | null
  readonly queued_at: Date
  readonly attempt_count: number
  readonly status: string
  /** The fields of the status, beside its tag. */
  readonly outcome: Readonly<Record<string, unknown>> | null
  readonly settled_at: Date | null
}

const queueColumns = [
  "tenant",
  "execution_id",
  "queue_position",
  "processing_id",
  "event_id",
  "submission",
  "idempotency_key",
  "queued_at",
  "attempt_count",
  "status",
  "outcome",
  "settled_at"
]

/** The columns of a {@link QueueRow}. */
export const columnsOf = (sql: SqlClient.SqlClient, alias: string): Fragment =>
  sql.literal(queueColumns.map((column) => `${alias}.${column}`).join(", "))

/** The same columns, all of them null but these. */
export const nullsExcept = (sql: SqlClient.SqlClient, columns: ReadonlyArray<string>): Fragment =>
  sql.literal(queueColumns.map((column) => (columns.includes(column) ? column : "null")).join(", "))

/** The columns that the store adds to a new event. */
export type NewColumns = Pick<QueueRow, "queue_position" | "queued_at">

export const toNewEntry = (event: QueuedEvent.NewQueuedEvent, row: NewColumns): QueuedEvent.QueueEntry => ({
  ...event,
  queuePosition: row.queue_position,
  queuedAt: instantText(row.queued_at),
  attemptCount: 0,
  status: { _tag: "Pending" }
})

const decodeSubmission = Schema.decodeUnknownEffect(Submission)
const decodeStatus = Schema.decodeUnknownEffect(
  Schema.Union([Schema.TaggedStruct("Pending", {}), Schema.TaggedStruct("Dead", { cause: Schema.String }), Settlement])
)

/** Dies for a row that Refold did not write. */
export const toQueuedEvent = (row: QueueRow): Effect.Effect<QueuedEvent.QueuedEvent> =>
  Effect.map(Effect.orDie(decodeSubmission(row.submission)), (submission) => ({
    tenant: row.tenant,
    executionId: row.execution_id,
    queuePosition: row.queue_position,
    processingId: row.processing_id,
    eventId: row.event_id,
    submission,
    ...(row.idempotency_key === null ? {} : { idempotencyKey: row.idempotency_key }),
    queuedAt: instantText(row.queued_at),
    attemptCount: row.attempt_count
  }))

/** Dies for a row that Refold did not write. */
export const toQueueEntry = Effect.fnUntraced(function* (row: QueueRow) {
  const queued = yield* toQueuedEvent(row)
  const status = yield* Effect.orDie(decodeStatus({ ...row.outcome, _tag: row.status }))
  const entry: QueuedEvent.QueueEntry = { ...queued, status }
  return row.settled_at === null ? entry : { ...entry, settledAt: instantText(row.settled_at) }
})
