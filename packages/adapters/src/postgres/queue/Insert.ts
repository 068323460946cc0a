/** Queues events: the two statements, for many events and for one. */
import { Partition, type QueuedEvent, Request } from "@refold/core"
import { type Array, Effect } from "effect"
import type { Fragment } from "effect/sql/Statement"
import { ints, texts } from "../Arrays.ts"
import type { Database } from "../Database.ts"
import { hasIdempotencyKey } from "../PlannerHints.ts"
import { type NewColumns, type QueueRow, columnsOf, nullsExcept } from "./QueueRow.ts"

/**
 * The answer to one event: it was queued, or there is an entry with its key, or it is refused and nothing was queued.
 */
export type InsertedRow = {
  /** Which of the events, counted from 1. */
  readonly ordinal: number
  readonly refusal: string | null
  readonly final_state: string | null
} & (({ readonly is_new: true } & NewColumns) | ({ readonly is_new: false } & QueueRow))

/** Queues the events, none of which repeats the key of another. */
export const insert = (database: Database, events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) => {
  const [first, ...others] = events
  return others.length > 0 || first.idempotencyKey !== undefined
    ? insertMany(database, events)
    : Effect.flatMap(insertOne(database, first), (rows) =>
        rows.length > 0 ? Effect.succeed(rows) : insertMany(database, events)
      )
}

/**
 * Queues all of the events or none.
 *
 * **Details**
 *
 * The parts of the statement, in order: `known` are events whose key the queue knows, and whether the request is
 * another one: a target or a workflow that one of the two leaves out is no difference. `closed` are events of executions that are complete or do not exist, unless the log knows their key. If
 * there is one of another request or one that is closed, `fresh` is empty; otherwise it is what the queue does not
 * know. `counted` takes their positions from the lengths of the queues, in one order, so that two calls never deadlock.
 */
const insertMany = (database: Database, events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) => {
  const { sql, tables } = database
  const { executions, queue, queueLengths } = tables
  const inputKey = sql.literal("i.idempotency_key")
  return sql<InsertedRow>`
    with input as (
      select * from ${inputRows(database, events)}
    ), known as (
      select i.ordinal, q.*, q.request_hash <> i.request_hash
          or coalesce(q.submission ->> 'to_state' <> i.submission::json ->> 'to_state', false)
          or coalesce(q.submission ->> 'workflow' <> i.submission::json ->> 'workflow', false) as is_conflict
        from input i
        cross join lateral (
          select * from ${queue}
           where tenant = i.tenant and execution_id = i.execution_id and ${hasIdempotencyKey(sql, inputKey)} limit 1
        ) q
       where i.idempotency_key is not null
    ), closed as (
      select i.ordinal, e.current_state as final_state
        from input i
        left join lateral (
          select is_complete, current_state from ${executions}
           where tenant = i.tenant and execution_id = i.execution_id limit 1
        ) e on true
        left join lateral (
          select true as is_known from ${tables.events}
           where tenant = i.tenant and execution_id = i.execution_id and ${hasIdempotencyKey(sql, inputKey)} limit 1
        ) l on true
       where e.is_complete is not false and l.is_known is null and i.ordinal not in (select ordinal from known)
    ), fresh as (
      select *, row_number() over of_execution as nth, count(*) over (partition by tenant, execution_id) as event_count
        from input
       where ordinal not in (select ordinal from known) and not exists (select from known where is_conflict)
         and not exists (select from closed)
      window of_execution as (partition by tenant, execution_id order by ordinal)
    ), counted as (
      insert into ${queueLengths} as l (tenant, execution_id, length)
      select tenant, execution_id, event_count from fresh where nth = 1 order by tenant, execution_id
      on conflict (tenant, execution_id) do update set length = l.length + excluded.length
      returning tenant, execution_id, length
    ), inserted as (
      insert into ${queue} as q (tenant, execution_id, queue_position, partition, processing_id, event_id, submission,
        idempotency_key, request_hash, queued_at)
      select f.tenant, f.execution_id, c.length - f.event_count + f.nth, f.partition, f.processing_id, f.event_id,
        f.submission::json, f.idempotency_key, f.request_hash, date_trunc('milliseconds', clock_timestamp())
        from fresh f join counted c using (tenant, execution_id)
      returning q.tenant, q.processing_id, q.queue_position, q.queued_at
    )
    select k.ordinal::int, false as is_new, case when k.is_conflict then 'conflict' end as refusal, null as final_state,
           ${columnsOf(sql, "k")}
      from known k
    union all
    select f.ordinal::int, true, null, null, ${nullsExcept(sql, ["queue_position", "queued_at"])}
      from inserted n join fresh f on f.tenant = n.tenant and f.processing_id = n.processing_id
    union all
    select ordinal::int, false, 'closed', final_state, ${nullsExcept(sql, [])} from closed
  `
}

const inputRows = (
  { partitionCount, sql }: Database,
  events: ReadonlyArray<QueuedEvent.NewQueuedEvent>
): Fragment => sql`unnest(
    ${texts(events.map((event) => event.tenant))},
    ${texts(events.map((event) => event.executionId))},
    ${ints(events.map((event) => Partition.of(event.tenant, event.executionId, partitionCount)))},
    ${texts(events.map((event) => event.processingId))},
    ${texts(events.map((event) => event.eventId))},
    ${texts(events.map((event) => JSON.stringify(event.submission)))},
    ${texts(events.map((event) => event.idempotencyKey ?? null))},
    ${texts(events.map((event) => (event.idempotencyKey === undefined ? null : Request.hash(event.submission))))}
  ) with ordinality as i (tenant, execution_id, partition, processing_id, event_id, submission, idempotency_key,
    request_hash, ordinal)`

/**
 * Queues a single event without a key, as most come, to an execution that is open; otherwise writes nothing, and has no
 * row in the answer. Takes less than half the time of `insertMany`.
 */
const insertOne = ({ partitionCount, sql, tables }: Database, event: QueuedEvent.NewQueuedEvent) => {
  const { executions, queue, queueLengths } = tables
  const { eventId, executionId, processingId, submission, tenant } = event
  return sql<InsertedRow>`
    with counted as (
      insert into ${queueLengths} as l (tenant, execution_id, length)
      select tenant, execution_id, 1 from ${executions}
       where tenant = ${tenant} and execution_id = ${executionId} and not is_complete
      on conflict (tenant, execution_id) do update set length = l.length + 1
      returning length
    )
    insert into ${queue} (tenant, execution_id, queue_position, partition, processing_id, event_id, submission,
      queued_at)
    select ${tenant}, ${executionId}, length, ${Partition.of(tenant, executionId, partitionCount)}::int,
      ${processingId}, ${eventId}, ${JSON.stringify(submission)}::json, date_trunc('milliseconds', clock_timestamp())
      from counted
    returning 1 as ordinal, true as is_new, null as refusal, null as final_state, queue_position, queued_at`
}
