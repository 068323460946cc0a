/** Ends attempts without a result: an event is retried, blocks its execution, is skipped, or is left unclaimed. */
import type { ExecutionRef, QueuedEvent, WorkflowEventProcessingModel } from "@refold/core"
import { Duration, Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import type { Database } from "../Database.ts"
import { isPending } from "../PlannerHints.ts"
import { toStoreError } from "../PostgresFailure.ts"
import { type QueueRow, columnsOf } from "./QueueRow.ts"

type Port = WorkflowEventProcessingModel["Service"]
type Failure = Parameters<Port["fail"]>[0]

export const fail = (database: Database, failure: Failure): ReturnType<Port["fail"]> =>
  failed(database, failure).pipe(Effect.asVoid, Effect.mapError(toStoreError("Recording a failed attempt")))

const failed = (database: Database, { cause, event, next }: Failure): Effect.Effect<unknown, SqlError> => {
  const { sql, tables } = database
  const { attemptCount, executionId, queuePosition, tenant } = event
  const isAttempt = sql`q.queue_position = ${queuePosition} and ${isPending(sql, "q")}
    and q.attempt_count = ${attemptCount}`
  const isNextOfExecution = sql`q.tenant = ${tenant} and q.execution_id = ${executionId}
    and exists (
      select from ${tables.executions} e
       where e.tenant = q.tenant and e.execution_id = q.execution_id and e.settled_count = q.queue_position - 1
    )`
  const outcome = sql`${JSON.stringify({ cause })}::json`
  switch (next._tag) {
    case "Retry":
      return sql`update ${tables.queue} q
        set due_at = clock_timestamp() + ${Duration.toMillis(next.after)}::float8 * interval '1 millisecond'
        where ${isNextOfExecution} and ${isAttempt}`
    case "Block":
      return sql`update ${tables.queue} q
        set status = 'Dead', outcome = ${outcome}, is_unclaimed = false
        where ${isNextOfExecution} and ${isAttempt}`
    case "Skip":
      return giveUp(database, event, { isEvent: isAttempt, status: "Skipped", outcome })
  }
}

export const markUnclaimed = (
  { sql, tables }: Database,
  { executionId, queuePosition, tenant }: Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "queuePosition">
): ReturnType<Port["markUnclaimed"]> =>
  sql`update ${tables.queue} q set attempt_count = greatest(attempt_count - 1, 0), is_unclaimed = true
       where tenant = ${tenant} and execution_id = ${executionId} and queue_position = ${queuePosition}
         and ${isPending(sql, "q")}`.pipe(Effect.asVoid, Effect.mapError(toStoreError("Marking an event as unclaimed")))

/**
 * Settles an event without applying it. The execution continues with the next one.
 *
 * **Details**
 *
 * Locks in the order of a commit: the execution, then the event. It looks at the event once the execution is locked: a
 * claim or a redrive in progress must not leave a pending event behind the queue cursor. So the cursor moves to where
 * the event was settled, which may be another position than when the statement began: a redrive may have given it a new
 * one since.
 */
export const giveUp = (
  { sql, tables }: Database,
  { executionId, tenant }: ExecutionRef,
  {
    isEvent,
    outcome,
    status
  }: {
    readonly isEvent: Fragment
    readonly status: "Skipped" | "Discarded"
    readonly outcome: Fragment
  }
) => sql<QueueRow>`
  with execution as (
    select * from ${tables.executions} where tenant = ${tenant} and execution_id = ${executionId} for update
  ), settled as (
    update ${tables.queue} q
       set status = ${status}, outcome = ${outcome}, is_unclaimed = false,
           settled_at = date_trunc('milliseconds', clock_timestamp())
      from execution e
     where q.tenant = e.tenant and q.execution_id = e.execution_id
       and ${isEvent} and (q.status = 'Skipped' or q.queue_position = e.settled_count + 1)
    returning q.*
  ), moved as (
    update ${tables.executions} e set settled_count = greatest(e.settled_count, s.queue_position) from settled s
     where e.tenant = s.tenant and e.execution_id = s.execution_id
  )
  select ${columnsOf(sql, "q")} from settled q`
