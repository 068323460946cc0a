/** An operator's answers to dead and skipped events. */
import type { WorkflowEventProcessingModel } from "@refold/core"
import { Effect } from "effect"
import type { Database } from "../Database.ts"
import { hasProcessingId } from "../PlannerHints.ts"
import { firstEntry } from "./Entries.ts"
import { giveUp } from "./Fail.ts"
import { type QueueRow, columnsOf } from "./QueueRow.ts"

type Port = WorkflowEventProcessingModel["Service"]
type EntryKey = Parameters<Port["redrive"]>[0]

export const redrive = (database: Database, key: EntryKey): ReturnType<Port["redrive"]> =>
  firstEntry(
    "Redriving a queued event",
    Effect.flatMap(redriveDead(database, key), (rows) =>
      rows.length > 0 ? Effect.succeed(rows) : redriveSkipped(database, key)
    )
  )

/** A dead event keeps its position: the queue waits for it. */
const redriveDead = (database: Database, key: EntryKey) => {
  const { sql, tables } = database
  return sql<QueueRow>`
    update ${tables.queue} q set ${pendingAgain(database)} where ${hasKey(database, key)} and status = 'Dead'
    returning ${columnsOf(sql, "q")}`
}

/**
 * A skipped event gets a position at the end. The statement takes that position only for an event that it has locked
 * and found skipped: an unused position would be a gap, at which the execution would wait for ever.
 */
const redriveSkipped = (database: Database, key: EntryKey) => {
  const { sql, tables } = database
  return sql<QueueRow>`
    with skipped as (
      select tenant, execution_id from ${tables.queue} q where ${hasKey(database, key)} and status = 'Skipped' for update
    ), counted as (
      update ${tables.queueLengths} l set length = l.length + 1 from skipped s
       where l.tenant = s.tenant and l.execution_id = s.execution_id
      returning l.length
    )
    update ${tables.queue} q set ${pendingAgain(database)}, queue_position = counted.length
      from counted where ${hasKey(database, key)} and status = 'Skipped' returning ${columnsOf(sql, "q")}`
}

const pendingAgain = ({ sql }: Database) =>
  sql`status = 'Pending', outcome = null, settled_at = null, attempt_count = 0, due_at = null`

const hasKey = ({ sql }: Database, key: EntryKey) =>
  sql`tenant = ${key.tenant} and execution_id = ${key.executionId} and ${hasProcessingId(sql, key)}`

/** The cause stays as it is written: PostgreSQL can keep a JSON text with NUL, but not look into it. */
export const discard = (database: Database, key: EntryKey): ReturnType<Port["discard"]> => {
  const { sql } = database
  return firstEntry(
    "Discarding a queued event",
    giveUp(database, key, {
      isEvent: sql`${hasProcessingId(sql, key)} and q.status in ('Dead', 'Skipped')`,
      status: "Discarded",
      outcome: sql`q.outcome`
    })
  )
}
