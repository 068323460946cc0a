/** Reads of the queue: one entry, entries by status, and how much each partition has. */
import type { PartitionLag, QueuedEvent, StoreError, WorkflowEventProcessingModel } from "@refold/core"
import { Array, Effect, Option, Stream } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Database } from "../Database.ts"
import { instantText } from "../InstantText.ts"
import { pages } from "../Pages.ts"
import { isEntry } from "../PlannerHints.ts"
import { toStoreError } from "../PostgresFailure.ts"
import { type QueueRow, columnsOf, toQueueEntry } from "./QueueRow.ts"

type Port = WorkflowEventProcessingModel["Service"]

/** The entry of the first row, if there is one. */
export const firstEntry = (operation: string, rows: Effect.Effect<ReadonlyArray<QueueRow>, SqlError>) =>
  rows.pipe(
    Effect.mapError(toStoreError(operation)),
    Effect.flatMap((found) => Effect.transposeOption(Option.map(Array.head(found), toQueueEntry)))
  )

export const find = (
  { sql, tables }: Database,
  { executionId, tenant, ...by }: Parameters<Port["find"]>[0]
): ReturnType<Port["find"]> =>
  firstEntry(
    "Finding a queued event",
    sql<QueueRow>`select ${columnsOf(sql, "q")} from ${tables.queue} q where ${
      "processingId" in by
        ? isEntry(sql, { tenant, executionId, processingId: by.processingId })
        : sql`tenant = ${tenant} and execution_id = ${executionId} and idempotency_key = ${by.idempotencyKey}`
    }`
  )

const defaultBatchSize = 1000

/**
 * Statuses go into the statement as text, not as parameters: of a parameter the server could not know that the index of
 * some statuses has them all.
 */
const statusTexts: Readonly<Record<QueuedEvent.Status["_tag"], string>> = {
  Pending: "'Pending'",
  Applied: "'Applied'",
  Rejected: "'Rejected'",
  Dead: "'Dead'",
  Skipped: "'Skipped'",
  Discarded: "'Discarded'"
}

export const list = (
  { sql, tables }: Database,
  { batchSize = defaultBatchSize, executionId, statuses, tenant }: Parameters<Port["list"]>[0]
): ReturnType<Port["list"]> =>
  pages({
    first: { tenant: "", executionId: "", queuePosition: 0 },
    batchSize,
    page: (last) => sql<QueueRow>`
      select ${columnsOf(sql, "q")} from ${tables.queue} q
       where (tenant, execution_id, queue_position) > (${last.tenant}, ${last.executionId}, ${last.queuePosition})
         and status in (${sql.literal(statuses.map((each) => statusTexts[each]).join(", "))})
         ${tenant === undefined ? sql`` : sql`and tenant = ${tenant}`}
         ${executionId === undefined ? sql`` : sql`and execution_id = ${executionId}`}
       order by tenant, execution_id, queue_position limit ${batchSize}`,
    next: (row) => ({ tenant: row.tenant, executionId: row.execution_id, queuePosition: row.queue_position })
  }).pipe(Stream.mapError(toStoreError("Listing queued events")), Stream.mapEffect(toQueueEntry))

interface LagRow {
  readonly partition: number
  readonly pending_count: number
  readonly oldest_queued_at: Date | null
  readonly dead_count: number
  readonly unclaimed_count: number
}

/** Two selects, because each has an index with exactly its rows. */
export const lag = ({ sql, tables: { queue } }: Database): Effect.Effect<ReadonlyArray<PartitionLag>, StoreError> =>
  sql<LagRow>`
    select partition, count(*) filter (where status = 'Pending')::int as pending_count,
           min(queued_at) filter (where status = 'Pending') as oldest_queued_at,
           count(*) filter (where status <> 'Pending')::int as dead_count,
           count(*) filter (where is_unclaimed)::int as unclaimed_count
      from (
        select partition, status, queued_at, is_unclaimed from ${queue} where status = 'Pending'
        union all
        select partition, status, queued_at, is_unclaimed from ${queue} where status in ('Dead', 'Skipped')
      ) unsettled
     group by partition order by partition`.pipe(
    Effect.map((rows) => rows.map(toLag)),
    Effect.mapError(toStoreError("Measuring the lag"))
  )

const toLag = (row: LagRow): PartitionLag => ({
  partition: row.partition,
  pendingCount: row.pending_count,
  ...(row.oldest_queued_at === null ? {} : { oldestQueuedAt: instantText(row.oldest_queued_at) }),
  deadCount: row.dead_count,
  unclaimedCount: row.unclaimed_count
})
