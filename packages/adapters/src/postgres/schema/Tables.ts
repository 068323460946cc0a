/** The tables of a store. */
import type { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"

/** Names of the tables within their schema, as a statement has them. */
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

export const tablesOf = (sql: SqlClient.SqlClient, schema: string): Tables => {
  const named = (table: string) => sql`${sql(`${schema}.${table}`)}`
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

/** Other roles than the owner see the rows of one tenant: the one that `set refold.tenant` names, or none. */
export const rowSecurity = (sql: SqlClient.SqlClient, tables: ReadonlyArray<Fragment>) =>
  tables.flatMap((table) => [
    sql`alter table ${table} enable row level security`,
    sql`create policy one_tenant on ${table} using (tenant = current_setting('refold.tenant', true))`
  ])
