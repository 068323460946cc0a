/** The schema of a store: migrations, forward only, and the check that they were applied. */
import { Partition, StoreError } from "@refold/core"
import { Effect } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { sqlState, toStoreError } from "./PostgresFailure.ts"

export interface SchemaOptions {
  /** Schema that holds the tables; one namespace each. 1 to 63 bytes without a full stop, `refold` by default. */
  readonly schema?: string
}

/** Names of the tables within their schema, as they stand in a statement. */
export interface Tables {
  readonly events: Fragment
  readonly executions: Fragment
  readonly snapshots: Fragment
  readonly partitions: Fragment
  readonly queue: Fragment
  readonly queueLengths: Fragment
  readonly leases: Fragment
  readonly workers: Fragment
}

export const defaultSchema = "refold"

/** PostgreSQL cuts a longer name, to one that may be another store's; a full stop would separate two names. */
export const isSchemaName = (name: string): boolean =>
  name !== "" && Buffer.byteLength(name) <= 63 && !name.includes(".")

const checkName = (schema: string, operation: string): Effect.Effect<void, StoreError> =>
  isSchemaName(schema) ? Effect.void : Effect.fail(failure(schema, operation, "SchemaName"))

const failure = (
  schema: string,
  operation: string,
  _tag: "SchemaName" | "SchemaMissing" | "SchemaOlder" | "SchemaNewer"
): StoreError => new StoreError({ operation, reason: { _tag, detail: `schema "${schema}"` } })

export const tables = (sql: SqlClient.SqlClient, options: SchemaOptions): Tables => {
  const named = (table: string) => sql`${sql(`${options.schema ?? defaultSchema}.${table}`)}`
  return {
    events: named("events"),
    executions: named("executions"),
    snapshots: named("snapshots"),
    partitions: named("partitions"),
    queue: named("queue"),
    queueLengths: named("queue_lengths"),
    leases: named("leases"),
    workers: named("workers")
  }
}

/**
 * Creates the schema, or brings an older one up to date. Safe to run again, and from several processes at once.
 *
 * **Details**
 *
 * `partitionCount` holds for a new namespace alone: an existing one keeps the count it was made with. Returns the names
 * of the migrations that were applied.
 */
export const migrate = Effect.fn("PostgresStore.migrate")(function* (
  options: SchemaOptions & { readonly partitionCount?: number } = {}
) {
  const sql = yield* SqlClient.SqlClient
  const schema = options.schema ?? defaultSchema
  const operation = "Migrating the schema"
  yield* checkName(schema, operation)
  const statements = [initial(sql, schema, options.partitionCount ?? Partition.defaultCount), processing(sql, schema)]
  const applied = yield* sql`create schema if not exists ${sql(schema)}`.pipe(
    // Two first migrations at once: one of them may lose the race to the catalogue, after which the schema is there.
    Effect.retry({
      times: 3,
      while: (error) => error.reason._tag === "UniqueViolation" || sqlState(error) === duplicateSchema
    }),
    Effect.andThen(
      Migrator.make({})({
        table: `${schema}.migrations`,
        loader: Migrator.fromRecord(
          Object.fromEntries(
            statements.map((each, place) => [
              migrationNames[place] ?? "",
              Effect.forEach(each, (statement) => statement, { discard: true })
            ])
          )
        )
      })
    ),
    Effect.catchTags({
      SqlError: (error) => Effect.fail(toStoreError(operation)(error)),
      MigrationError: (error) =>
        Effect.fail(
          new StoreError({
            operation,
            reason: { _tag: "Refused", isRetryable: false, detail: error.message, cause: error }
          })
        )
    })
  )
  return applied.map(([id, name]) => `${String(id).padStart(4, "0")}_${name}`)
})

/** SQLSTATE of a schema that is there already. */
const duplicateSchema = "42P06"

/** The migrations, in order; a released one never changes. */
const migrationNames: ReadonlyArray<string> = ["0001_initial", "0002_processing"]

/** Fails unless the schema is of exactly this version; answers with the count of partitions of the namespace. */
export const checkSchema = Effect.fnUntraced(function* (options: SchemaOptions) {
  const sql = yield* SqlClient.SqlClient
  const schema = options.schema ?? defaultSchema
  const operation = "Opening the store"
  const wrong = (tag: Parameters<typeof failure>[2]) => failure(schema, operation, tag)
  yield* checkName(schema, operation)
  const version = yield* sql<{ version: number | null }>`
    select max(migration_id) as version from ${sql(`${schema}.migrations`)}
  `.pipe(
    Effect.mapError(toStoreError(operation)),
    Effect.catchReason("StoreError", "SchemaMissing", () => Effect.fail(wrong("SchemaMissing")))
  )
  const applied = version[0]?.version ?? 0
  if (applied < migrationNames.length) return yield* wrong(applied === 0 ? "SchemaMissing" : "SchemaOlder")
  if (applied > migrationNames.length) return yield* wrong("SchemaNewer")
  const counted = yield* sql<{ count: number }>`
    select count(*)::int as count from ${tables(sql, options).partitions}
  `.pipe(Effect.mapError(toStoreError(operation)))
  return counted[0]?.count ?? 0
})

/**
 * Every key begins with `tenant`, but for the feed, which runs across the tenants of a partition. Text is compared by
 * byte, so that order is the same on every machine. `json` keeps what was written: no key moves, no number is rounded.
 *
 * No column has a `check`: the server would compile it anew for every statement. What it would say is so by how the store
 * counts, and `Verification` sees to it.
 */
const initial = (
  sql: SqlClient.SqlClient,
  schema: string,
  partitionCount: number
): ReadonlyArray<Effect.Effect<unknown, SqlError>> => {
  const { events, executions, partitions, snapshots } = tables(sql, { schema })
  const refuseChange = sql(`${schema}.refuse_change`)
  return [
    sql`create table ${partitions} (
      partition int primary key,
      last_offset bigint not null default 0
    ) with (fillfactor = 20)`,
    sql`insert into ${partitions} (partition) select generate_series(0, ${partitionCount}::int - 1)`,
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
    // Of values of its own, so that no look-up by tenant and execution can take it: of indexes that hold what it needs, a
    // plan made while the table is small takes any, and is kept.
    sql`create index executions_by_state on ${executions} ((tenant || ' ' || current_state), (execution_id || ''))`,
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
    sql`create unique index events_by_offset on ${events} (partition, "offset")`,
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
    )`,
    sql`create function ${refuseChange}() returns trigger language plpgsql as $$
      begin
        raise exception '% are kept: % is not allowed', tg_table_name, tg_op using errcode = 'restrict_violation';
      end $$`,
    sql`create trigger append_only before update or delete on ${events}
      for each row execute function ${refuseChange}()`,
    sql`create trigger append_only_truncate before truncate on ${events}
      for each statement execute function ${refuseChange}()`,
    // In place of foreign keys, whose check of every event is a third of what an append costs: the one statement that
    // writes events writes their header and moves their partition too, and neither can go.
    ...[executions, partitions].flatMap((table) => [
      sql`create trigger kept before delete on ${table} for each row execute function ${refuseChange}()`,
      sql`create trigger kept_truncate before truncate on ${table} for each statement execute function ${refuseChange}()`
    ]),
    // Other roles than the owner see one tenant: the one that `set refold.tenant` names, or none.
    ...[executions, events, snapshots].flatMap((table) => [
      sql`alter table ${table} enable row level security`,
      sql`create policy one_tenant on ${table} using (tenant = current_setting('refold.tenant', true))`
    ])
  ]
}

/**
 * The queue, and who works on it. The place of an event is handed out by the row of its execution in `queue_lengths`, whose
 * lock lasts until the writer commits: places become visible in their order. That row is not the execution's header, so
 * that a long transaction of a caller holds up nothing but other writers to the same queue.
 */
const processing = (sql: SqlClient.SqlClient, schema: string): ReadonlyArray<Effect.Effect<unknown, SqlError>> => {
  const { executions, leases, queue, queueLengths, workers } = tables(sql, { schema })
  return [
    sql`alter table ${executions} add column settled_count int not null default 0`,
    sql`create table ${queueLengths} (
      tenant text collate "C" not null,
      execution_id text collate "C" not null,
      length int not null,
      primary key (tenant, execution_id)
    ) with (fillfactor = 70)`,
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
    ) with (fillfactor = 70)`,
    // As one value, for the reason that `executions_by_state` has.
    sql`create index queue_by_processing_id on ${queue} ((tenant || ' ' || processing_id))`,
    sql`create unique index queue_by_idempotency_key on ${queue} (tenant, execution_id, idempotency_key)
      where idempotency_key is not null`,
    // Not led by the tenant: workers look for work across the tenants of a partition.
    sql`create index queue_waiting on ${queue} (partition, tenant, execution_id, queue_position)
      where status = 'Pending'`,
    sql`create index queue_left on ${queue} (partition, tenant, execution_id) where is_unclaimed`,
    sql`create index queue_dead on ${queue} (tenant, execution_id, queue_position) where status in ('Dead', 'Skipped')`,
    sql`create table ${leases} (
      partition int primary key,
      owner text collate "C" not null,
      expires_at timestamptz not null
    ) with (fillfactor = 20)`,
    sql`create table ${workers} (
      worker_id text collate "C" primary key,
      expires_at timestamptz not null
    ) with (fillfactor = 20)`,
    ...[queue, queueLengths].flatMap((table) => [
      sql`alter table ${table} enable row level security`,
      sql`create policy one_tenant on ${table} using (tenant = current_setting('refold.tenant', true))`
    ])
  ]
}
