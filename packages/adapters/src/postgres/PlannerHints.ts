/**
 * SQL that is written so that PostgreSQL finds the right plan.
 *
 * **Details**
 *
 * The server keeps generic plans, also those that it made while a table was small. Then it takes any index whose columns fit,
 * or none. Each function here leaves it no wrong choice, and each looks as if it could be written more simply.
 *
 * **Gotchas**
 *
 * `test/integration/PostgresPlans.integration.test.ts` counts the rows that each operation reads. It also replaces each of
 * these by its simple form, and shows which operation then reads too much.
 */
import type { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"

/**
 * A limit that is never reached, for the first rows of a join. The plan does not know the number, so it expects few rows and
 * looks each of them up by key. Without a limit it expects thousands, and reads all of the other table.
 */
export const expectFewRows = (sql: SqlClient.SqlClient, count: number): Fragment => sql`limit ${count}`

/**
 * Whether a queued event that is looked up by its position is pending. The concatenation hides the condition from the index of
 * pending events, which would be read from end to end.
 */
export const isPending = (sql: SqlClient.SqlClient, alias: string): Fragment =>
  sql.literal(`${alias}.status || '' = 'Pending'`)

/** A queued event by its id, by the index of ids: that index holds tenant and id as one text, which no other look-up uses. */
export const hasProcessingId = (sql: SqlClient.SqlClient, { processingId, tenant }: ProcessingKey): Fragment =>
  sql`q.tenant || ' ' || q.processing_id = ${`${tenant} ${processingId}`} and q.processing_id = ${processingId}`

/**
 * The same within one execution. The concatenations hide tenant and execution from the primary key, which would be read from
 * the first entry of the execution to the last.
 */
export const isEntry = (
  sql: SqlClient.SqlClient,
  { executionId, processingId, tenant }: ProcessingKey & { readonly executionId: string }
): Fragment => sql`${hasProcessingId(sql, { tenant, processingId })}
  and tenant || '' = ${tenant} and execution_id || '' = ${executionId}`

interface ProcessingKey {
  readonly tenant: string
  readonly processingId: string
}

/**
 * An idempotency key, beside tenant and execution. The order makes the server take the index of keys: other indexes begin with
 * the same two columns, and would be read through the whole execution.
 */
export const hasIdempotencyKey = (sql: SqlClient.SqlClient, key: Fragment): Fragment =>
  sql`idempotency_key >= ${key} and idempotency_key <= ${key} order by idempotency_key`
