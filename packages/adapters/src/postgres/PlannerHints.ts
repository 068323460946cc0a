/**
 * SQL that is written so that PostgreSQL finds the right plan.
 *
 * **Details**
 *
 * The server keeps generic plans, also those that it made while a table was small. Then it takes any index whose
 * columns fit, or none. Each function here leaves it no wrong choice, and each looks as if it could be written more
 * simply.
 *
 * **Gotchas**
 *
 * `test/integration/PostgresPlans.integration.test.ts` counts the rows that each operation reads. It also puts the
 * simple form in the place of these, one by one, and shows which operation then reads too much ("without the hint
 * isPending …").
 */
import type { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"

/**
 * A limit that no row is beyond, for the first rows of a join. A plan does not know the number, so it expects few rows
 * and looks each of them up by key. Without a limit it expects thousands, and reads all of the other table.
 */
export const expectFewRows = (sql: SqlClient.SqlClient, count: number): Fragment => sql`limit ${count}`

/**
 * Whether a queued event that is looked up by its position is pending. The concatenation hides the condition from the
 * index of pending events, which would be read from end to end.
 */
export const isPending = (sql: SqlClient.SqlClient, alias: string): Fragment =>
  sql.literal(`${alias}.status || '' = 'Pending'`)

/**
 * The position after the settled ones, of the row `header`. As a value: for a join the plan would go through the whole
 * queue to find the one row.
 */
export const nextPosition = (sql: SqlClient.SqlClient): Fragment =>
  sql.literal("(select settled_count + 1 from header)")

/**
 * Whether a queued event is among the `count` events after a position. The join beside it says so already, but only by
 * these bounds does the plan look the events up; it would read the whole queue.
 */
export const isWithin = (sql: SqlClient.SqlClient, after: number, count: number): Fragment =>
  sql`q.queue_position between ${after + 1}::int and ${after + count}::int`

interface ProcessingKey {
  readonly tenant: string
  readonly processingId: string
}

/**
 * A queued event by its id. The index of ids holds tenant and id as one text, so that no look-up by tenant and
 * execution can take it.
 */
export const hasProcessingId = (sql: SqlClient.SqlClient, { processingId, tenant }: ProcessingKey): Fragment =>
  sql`q.tenant || ' ' || q.processing_id = ${`${tenant} ${processingId}`} and q.processing_id = ${processingId}`

/**
 * The same within an execution. The concatenations hide tenant and execution from the primary key, which would be read
 * from the first entry of the execution to the last.
 */
export const isEntry = (
  sql: SqlClient.SqlClient,
  { executionId, processingId, tenant }: ProcessingKey & { readonly executionId: string }
): Fragment => sql`${hasProcessingId(sql, { tenant, processingId })}
  and tenant || '' = ${tenant} and execution_id || '' = ${executionId}`

/**
 * An idempotency key, beside tenant and execution. The order makes the plan take the index of keys, whatever other
 * index begins with the same two columns. With the indexes of today, PostgreSQL 18 takes it for a simple `=` as well.
 */
export const hasIdempotencyKey = (sql: SqlClient.SqlClient, key: Fragment): Fragment =>
  sql`idempotency_key >= ${key} and idempotency_key <= ${key} order by idempotency_key`

/**
 * Executions of a tenant in one state, after an id. The index of states holds tenant and state as one text, so that no
 * look-up by tenant and execution can take it; the primary key would be read through all of the tenant's executions.
 * Two tenants may make the same text with their states, which the last condition tells apart.
 */
export const isInState = (
  sql: SqlClient.SqlClient,
  { after, state, tenant }: { readonly tenant: string; readonly state: string; readonly after: string }
): Fragment =>
  sql`tenant || ' ' || current_state = ${`${tenant} ${state}`} and execution_id || '' > ${after}
   and current_state = ${state}`
