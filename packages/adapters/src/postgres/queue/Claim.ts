/** Claims: counts an attempt of the first pending event of each execution, and reads the next ones. */
import type { Claim, ExecutionRef, WorkflowEventProcessingModel } from "@refold/core"
import { Array, Effect } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { texts } from "../Arrays.ts"
import { whereInTransaction } from "../CallerTransaction.ts"
import type { Database } from "../Database.ts"
import { instantText } from "../InstantText.ts"
import { expectFewRows, isPending, nextPosition } from "../PlannerHints.ts"
import { type HeaderRow, headerColumns, toHeader } from "../executions/HeaderRow.ts"
import { toStoreError } from "../PostgresFailure.ts"
import { type QueueRow, columnsOf, toQueuedEvent } from "./QueueRow.ts"

type ClaimOptions = Parameters<WorkflowEventProcessingModel["Service"]["claim"]>[0]

/** A pending event of an execution that was claimed, with the header of the execution. */
interface ClaimedRow extends HeaderRow, QueueRow {
  readonly settled_count: number
  /** Attempts of the execution's first event, this one included. */
  readonly now_attempt_count: number
  readonly claimed_at: Date
}

export const claim = (database: Database, options: ClaimOptions) =>
  whereInTransaction(database.sql, {
    inside: () => claimRows(database, options, true),
    outside: () => claimRows(database, options, false)
  }).pipe(
    Effect.mapError(toStoreError("Claiming queued events")),
    Effect.flatMap((rows) =>
      Effect.forEach(Array.isReadonlyArrayNonEmpty(rows) ? Array.groupWith(rows, isSameExecution) : [], (group) =>
        toClaim(group, options.limit)
      )
    )
  )

const isSameExecution = (left: ClaimedRow, right: ClaimedRow): boolean =>
  left.tenant === right.tenant && left.execution_id === right.execution_id

/**
 * After an attempt that never ended, the event is claimed alone. One row more than the limit tells whether there is
 * more.
 */
const toClaim = Effect.fnUntraced(function* (rows: Array.NonEmptyReadonlyArray<ClaimedRow>, limit: number) {
  const [first] = rows
  const count = first.now_attempt_count > 1 ? 1 : limit
  const head = yield* toQueuedEvent({ ...first, attempt_count: first.now_attempt_count })
  const others = yield* Effect.forEach(rows.slice(1, count), toQueuedEvent)
  const claimed: Claim = {
    header: toHeader(first),
    settledCount: first.settled_count,
    events: [head, ...others],
    hasMore: rows.length > count,
    claimedAt: instantText(first.claimed_at)
  }
  return claimed
})

/**
 * Counts the attempts and reads the events, in one statement.
 *
 * **Details**
 *
 * The statement reads the events as they were when it began, so it must not count an event that became pending since.
 * The count need not survive a crash of the server, whose sessions the work would not survive either: the commit does
 * not wait for the disk, unless it is the caller's.
 */
const claimRows = (database: Database, options: ClaimOptions, isInCallersTransaction: boolean) => {
  const { sql, tables } = database
  const { executions: refs, ignoreDelay = false, limit } = options
  const isToCount = sql`${isPending(sql, "q")} and (${ignoreDelay} or q.due_at is null or q.due_at <= clock_timestamp())
    ${isInCallersTransaction ? sql`` : sql`and (select set_config('synchronous_commit', 'off', true)) = 'off'`}`
  return sql<ClaimedRow>`
    ${refs.length === 1 ? countOne(database, refs[0], isToCount) : countMany(database, refs, isToCount)}
    select ${sql.literal(headerColumns.map((column) => `h.${column}`).join(", "))}, h.settled_count,
           c.attempt_count as now_attempt_count, clock_timestamp() as claimed_at, ${columnsOf(sql, "q")}
      from counted c join header h using (tenant, execution_id)
      cross join lateral (
        select * from ${tables.queue} q
         where q.tenant = c.tenant and q.execution_id = c.execution_id and q.queue_position >= c.queue_position
           and ${isPending(sql, "q")}
         order by q.queue_position limit ${limit + 1}
      ) q
     order by q.tenant, q.execution_id, q.queue_position`
}

/** Gives `header`, and `counted`: the events whose attempt was counted, the first of each queue. */
const countOne = ({ sql, tables }: Database, { executionId, tenant }: ExecutionRef, isToCount: Fragment) => sql`
  with header as (
    select * from ${tables.executions} where tenant = ${tenant} and execution_id = ${executionId}
  ), counted as (
    update ${tables.queue} q set attempt_count = q.attempt_count + 1
     where q.tenant = ${tenant} and q.execution_id = ${executionId}
       and q.queue_position = ${nextPosition(sql)} and ${isToCount}
    returning q.tenant, q.execution_id, q.queue_position, q.attempt_count
  )`

/** The same for many executions. Rows are locked in one order, which commits that settle them follow: none deadlock. */
const countMany = ({ sql, tables }: Database, refs: ReadonlyArray<ExecutionRef>, isToCount: Fragment) => sql`
  with header as (
    select e.* from (
      select distinct * from unnest(
        ${texts(refs.map((ref) => ref.tenant))}, ${texts(refs.map((ref) => ref.executionId))}
      ) as w (tenant, execution_id)
    ) w
    cross join lateral (
      select * from ${tables.executions} where tenant = w.tenant and execution_id = w.execution_id limit 1
    ) e
  ), next as (
    select q.tenant, q.execution_id, q.queue_position
      from (select * from header order by tenant, execution_id ${expectFewRows(sql, refs.length)}) h
      cross join lateral (
        select * from ${tables.queue} q
         where q.tenant = h.tenant and q.execution_id = h.execution_id and q.queue_position > h.settled_count
         order by q.queue_position limit 1 for update
      ) q
     where q.queue_position = h.settled_count + 1
  ), counted as (
    update ${tables.queue} q set attempt_count = q.attempt_count + 1
      from (select * from next ${expectFewRows(sql, refs.length)}) n
     where q.tenant = n.tenant and q.execution_id = n.execution_id and q.queue_position = n.queue_position
       and ${isToCount}
    returning q.tenant, q.execution_id, q.queue_position, q.attempt_count
  )`
