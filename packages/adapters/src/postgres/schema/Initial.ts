/**
 * The first migration: the log, its headers, and the snapshots.
 *
 * **Details**
 *
 * Every key begins with `tenant`, except the one of the feed, which crosses the tenants of a partition. Text is
 * compared by byte, so that the order is the same on every machine. `json` keeps what was written: no key moves, no
 * number is rounded.
 *
 * No column has a `check`, because the server would compile it for every statement. The way in which the store counts
 * ensures what it would check, and `Verification` finds violations.
 */
import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { type Tables, rowSecurity, tablesOf } from "./Tables.ts"

type Statements = ReadonlyArray<Effect.Effect<unknown, SqlError>>

export const initial = (sql: SqlClient.SqlClient, schema: string, partitionCount: number): Statements => {
  const tables = tablesOf(sql, schema)
  return [
    ...partitionsTable(sql, tables, partitionCount),
    ...executionsTable(sql, tables),
    ...eventsTable(sql, tables),
    snapshotsTable(sql, tables),
    ...triggers(sql, schema, tables),
    ...rowSecurity(sql, [tables.executions, tables.events, tables.snapshots])
  ]
}

const partitionsTable = (sql: SqlClient.SqlClient, { partitions }: Tables, partitionCount: number): Statements => [
  sql`create table ${partitions} (
    partition int primary key,
    last_offset bigint not null default 0
  ) with (fillfactor = 20)`,
  sql`insert into ${partitions} (partition) select generate_series(0, ${partitionCount}::int - 1)`
]

/**
 * The index of states has values of its own, so that no look-up by tenant and execution can take it: a plan made while
 * the table is small takes any index that fits, and is kept.
 */
const executionsTable = (sql: SqlClient.SqlClient, { executions }: Tables): Statements => [
  sql`create table ${executions} (
    tenant text collate "C" not null,
    execution_id text collate "C" not null,
    partition int not null,
    workflow_name text not null,
    workflow_version int not null,
    current_state text collate "C" not null,
    position int not null,
    is_complete boolean not null,
    started_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (tenant, execution_id)
  ) with (fillfactor = 70)`,
  sql`create index executions_by_state on ${executions} ((tenant || ' ' || current_state), (execution_id || ''))`
]

const eventsTable = (sql: SqlClient.SqlClient, { events }: Tables): Statements => [
  sql`create table ${events} (
    tenant text collate "C" not null,
    execution_id text collate "C" not null,
    position int not null,
    event_id text collate "C" not null,
    event_name text not null,
    event_type text not null,
    from_state text not null,
    to_state text not null,
    user_id text,
    payload json,
    schema_version int not null,
    created_at timestamptz not null,
    recorded_at timestamptz not null,
    metadata json not null,
    idempotency_key text collate "C",
    partition int not null,
    "offset" bigint not null,
    primary key (tenant, execution_id, position)
  )`,
  sql`create unique index events_by_id on ${events} (tenant, event_id)`,
  sql`create unique index events_by_idempotency_key on ${events} (tenant, execution_id, idempotency_key)
    where idempotency_key is not null`,
  sql`create unique index events_by_offset on ${events} (partition, "offset")`
]

const snapshotsTable = (sql: SqlClient.SqlClient, { executions, snapshots }: Tables) =>
  sql`create table ${snapshots} (
    tenant text collate "C" not null,
    execution_id text collate "C" not null,
    position int not null,
    current_state text not null,
    data json not null,
    fingerprint text not null,
    state_hash text not null,
    started_at timestamptz not null,
    updated_at timestamptz not null,
    created_at timestamptz not null,
    primary key (tenant, execution_id, position),
    foreign key (tenant, execution_id) references ${executions}
  )`

/**
 * Events never change. Headers and partitions are never deleted: that replaces foreign keys, whose check for every
 * event is a third of the cost of an append. The one statement that writes events also writes their header and their
 * partition.
 */
const triggers = (sql: SqlClient.SqlClient, schema: string, { events, executions, partitions }: Tables): Statements => {
  const refuseChange = sql(`${schema}.refuse_change`)
  return [
    sql`create function ${refuseChange}() returns trigger language plpgsql as $$
      begin
        raise exception '% are kept: % is not allowed', tg_table_name, tg_op using errcode = 'restrict_violation';
      end $$`,
    sql`create trigger append_only before update or delete on ${events}
      for each row execute function ${refuseChange}()`,
    sql`create trigger append_only_truncate before truncate on ${events}
      for each statement execute function ${refuseChange}()`,
    ...[executions, partitions].flatMap((table) => [
      sql`create trigger kept before delete on ${table} for each row execute function ${refuseChange}()`,
      sql`create trigger kept_truncate before truncate on ${table} for each statement execute function ${refuseChange}()`
    ])
  ]
}
