/** Reads of the log: one execution, a tenant, a feed, an idempotency key. */
import { Partition, type WorkflowEventModel } from "@refold/core"
import { Array, Effect, Option, Stream } from "effect"
import type { Database } from "../Database.ts"
import { pages } from "../Pages.ts"
import { hasIdempotencyKey } from "../PlannerHints.ts"
import { toStoreError } from "../PostgresFailure.ts"
import { awaitWriters } from "./AwaitWriters.ts"
import { type EventRow, type OwnColumns, allColumns, ownColumns, toEvent, toEventOf } from "./EventRow.ts"

type Port = WorkflowEventModel["Service"]
type OptionsOf<Operation extends "read" | "readTenant" | "readFeed" | "findByIdempotencyKey"> = Parameters<
  Port[Operation]
>[0]

const defaultBatchSize = 1000

export const read = (
  database: Database,
  { after = 0, batchSize = defaultBatchSize, executionId, tenant, to, until }: OptionsOf<"read">
): ReturnType<Port["read"]> => {
  const { partitionCount, sql, tables } = database
  const partition = Partition.of(tenant, executionId, partitionCount)
  const events = pages({
    first: after,
    batchSize,
    page: (last) => sql<OwnColumns>`
      select ${sql.literal(ownColumns)} from ${tables.events}
       where tenant = ${tenant} and execution_id = ${executionId} and position > ${last}
         ${to === undefined ? sql`` : sql`and position <= ${to}`}
         ${until === undefined ? sql`` : sql`and created_at <= ${until}::timestamptz`}
       order by position limit ${batchSize}`,
    next: (row) => row.position,
    isLast: (row) => row.position === to
  })
  const settled =
    until === undefined ? events : Stream.unwrap(Effect.as(awaitWriters(database, { until, partition }), events))
  const execution = { tenant, execution_id: executionId, partition }
  return settled.pipe(
    Stream.map((row) => toEventOf(execution, row)),
    Stream.mapError(toStoreError("Reading events"))
  )
}

export const readTenant = (
  { sql, tables }: Database,
  { batchSize = defaultBatchSize, fromExecutionId = "", tenant, toExecutionId }: OptionsOf<"readTenant">
): ReturnType<Port["readTenant"]> =>
  pages({
    first: { executionId: fromExecutionId, position: 0 },
    batchSize,
    page: (last) => sql<EventRow>`
      select ${sql.literal(allColumns)} from ${tables.events}
       where tenant = ${tenant} and (execution_id, position) > (${last.executionId}, ${last.position})
         ${toExecutionId === undefined ? sql`` : sql`and execution_id <= ${toExecutionId}`}
       order by execution_id, position limit ${batchSize}`,
    next: (row) => ({ executionId: row.execution_id, position: row.position })
  }).pipe(Stream.map(toEvent), Stream.mapError(toStoreError("Reading events")))

export const readFeed = (
  { sql, tables }: Database,
  { after, limit, partition }: OptionsOf<"readFeed">
): ReturnType<Port["readFeed"]> =>
  sql<EventRow>`
    select ${sql.literal(allColumns)} from ${tables.events} where partition = ${partition} and "offset" > ${after}
     order by "offset" limit ${limit}`.pipe(
    Effect.map((rows) => rows.map(toEvent)),
    Effect.mapError(toStoreError("Reading the feed"))
  )

export const findByIdempotencyKey = (
  { sql, tables }: Database,
  { executionId, idempotencyKey, tenant }: OptionsOf<"findByIdempotencyKey">
): ReturnType<Port["findByIdempotencyKey"]> =>
  sql<EventRow>`
    select ${sql.literal(allColumns)} from ${tables.events}
     where tenant = ${tenant} and execution_id = ${executionId}
       and ${hasIdempotencyKey(sql, sql`${idempotencyKey}`)} limit 1`.pipe(
    Effect.map((rows) => Option.map(Array.head(rows), toEvent)),
    Effect.mapError(toStoreError("Finding an idempotency key"))
  )
