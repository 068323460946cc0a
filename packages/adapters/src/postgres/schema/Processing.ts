/**
 * The second migration: the queue, and the workers that process it.
 *
 * **Details**
 *
 * The row of an execution in `queue_lengths` hands out the positions of its queue. Its lock lasts until the writer
 * commits, so positions become visible in their order. It is not the header of the execution, so that a long
 * transaction of a caller holds up only other writers to the same queue.
 */
import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { type Tables, rowSecurity, tablesOf } from "./Tables.ts"

type Statements = ReadonlyArray<Effect.Effect<unknown, SqlError>>

export const processing = (sql: SqlClient.SqlClient, schema: string): Statements => {
  const tables = tablesOf(sql, schema)
  return [
    sql`alter table ${tables.executions} add column settled_count int not null default 0`,
    queueLengthsTable(sql, tables),
    queueTable(sql, tables),
    ...queueIndexes(sql, tables),
    ...leasesTables(sql, tables),
    ...rowSecurity(sql, [tables.queue, tables.queueLengths])
  ]
}

const queueLengthsTable = (sql: SqlClient.SqlClient, { queueLengths }: Tables) =>
  sql`create table ${queueLengths} (
    tenant text collate "C" not null,
    execution_id text collate "C" not null,
    length int not null,
    primary key (tenant, execution_id)
  ) with (fillfactor = 70)`

const queueTable = (sql: SqlClient.SqlClient, { queue }: Tables) =>
  sql`create table ${queue} (
    tenant text collate "C" not null,
    execution_id text collate "C" not null,
    queue_position int not null,
    partition int not null,
    processing_id text collate "C" not null,
    event_id text collate "C" not null,
    submission json not null,
    idempotency_key text collate "C",
    request_hash text,
    queued_at timestamptz not null,
    attempt_count int not null default 0,
    due_at timestamptz,
    is_unclaimed boolean not null default false,
    status text collate "C" not null default 'Pending',
    outcome json,
    settled_at timestamptz,
    primary key (tenant, execution_id, queue_position)
  ) with (fillfactor = 70)`

const queueIndexes = (sql: SqlClient.SqlClient, { queue }: Tables): Statements => [
  // As one text, for the reason that `executions_by_state` has.
  sql`create index queue_by_processing_id on ${queue} ((tenant || ' ' || processing_id))`,
  sql`create unique index queue_by_idempotency_key on ${queue} (tenant, execution_id, idempotency_key)
    where idempotency_key is not null`,
  // Does not begin with the tenant: workers look for work across the tenants of a partition.
  sql`create index queue_pending on ${queue} (partition, tenant, execution_id, queue_position)
    where status = 'Pending'`,
  sql`create index queue_unclaimed on ${queue} (partition, tenant, execution_id) where is_unclaimed`,
  sql`create index queue_dead on ${queue} (tenant, execution_id, queue_position) where status in ('Dead', 'Skipped')`
]

const leasesTables = (sql: SqlClient.SqlClient, { leases, workers }: Tables): Statements => [
  sql`create table ${leases} (
    partition int primary key,
    owner text collate "C" not null,
    expires_at timestamptz not null
  ) with (fillfactor = 20)`,
  sql`create table ${workers} (
    worker_id text collate "C" primary key,
    expires_at timestamptz not null
  ) with (fillfactor = 20)`
]
