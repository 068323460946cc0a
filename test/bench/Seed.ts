/** Writes millions of rows with SQL, as Refold would have left them. */
import { Partition } from "@refold/core"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Ledger, booking } from "./Ledger.ts"

export interface Size {
  readonly tenantCount: number
  readonly executionCount: number
  readonly eventsPerExecution: number
  /** Queued events that were settled long ago, and a tenth as many that are pending behind a dead letter. */
  readonly settledCount: number
}

/** The tenant of the execution with this number. */
export const tenantOf = (size: Pick<Size, "tenantCount">, execution: number): string =>
  `tenant ${execution % size.tenantCount}`

/** The id of the execution with this number. */
export const executionIdOf = (execution: number): string => `case ${execution}`

/**
 * Fills the tables of a schema.
 *
 * **Details**
 *
 * Executions are spread evenly over the partitions, whose feeds have no gap. They are not in the partitions of their
 * hashes, which does not matter because nothing more happens to them. At the end it vacuums and analyses the tables, so
 * that autovacuum does not do it during the measurement.
 */
export const seed = Effect.fnUntraced(function* (schema: string, size: Size) {
  const sql = yield* SqlClient.SqlClient
  const table = (name: string) => sql(`${schema}.${name}`)
  const { eventsPerExecution, executionCount, settledCount, tenantCount } = size
  const eventCount = executionCount * eventsPerExecution
  const partitionCount = Partition.defaultCount
  const started = sql`timestamptz '2025-01-01'`

  yield* sql`
    insert into ${table("executions")} (tenant, execution_id, partition, workflow_name, workflow_version, current_state,
      position, is_complete, started_at, updated_at)
    select 'tenant ' || n % ${tenantCount}::int, 'case ' || n, n % ${partitionCount}::int, ${Ledger.name},
      ${Ledger.version}, 'Open', ${eventsPerExecution}, false, ${started}, ${started} + interval '1 hour'
      from generate_series(0, ${executionCount - 1}::int) n`
  yield* sql`
    insert into ${table("events")} (tenant, execution_id, position, event_id, event_name, event_type, from_state, to_state,
      payload, schema_version, created_at, recorded_at, metadata, partition, "offset")
    select 'tenant ' || n / ${eventsPerExecution}::int % ${tenantCount}::int, 'case ' || n / ${eventsPerExecution}::int,
      1 + n % ${eventsPerExecution}::int, 'seeded ' || lpad(n::text, 10, '0'),
      case n % ${eventsPerExecution}::int when 0 then 'workflow.started' else 'Booked' end, 'workflow',
      case n % ${eventsPerExecution}::int when 0 then 'none' else 'Open' end, 'Open',
      (case n % ${eventsPerExecution}::int when 0 then ${JSON.stringify(Ledger.initial.data)}
        else ${JSON.stringify(booking)} end)::json,
      1, ${started}, ${started}, '{}', n % ${partitionCount}::int, 1 + n / ${partitionCount}::int
      from generate_series(0, ${eventCount - 1}::int) n`
  yield* sql`
    update ${table("partitions")} set last_offset = ${Math.ceil(eventCount / partitionCount)}`
  if (settledCount > 0) yield* seedQueue(schema, size)
  yield* sql`vacuum analyze`
  yield* sql`checkpoint`
})

/** Each execution of the schema has an equal share of the settled events. One in a hundred also has a dead letter. */
const seedQueue = Effect.fnUntraced(function* (schema: string, { executionCount, settledCount, tenantCount }: Size) {
  const sql = yield* SqlClient.SqlClient
  const table = (name: string) => sql(`${schema}.${name}`)
  const perExecution = Math.ceil(settledCount / executionCount)
  const blockedCount = Math.ceil(executionCount / 100)
  const waitingPerExecution = Math.ceil(settledCount / 10 / blockedCount)
  const submission = JSON.stringify({ event_name: "Booked", payload: booking })
  const insert = sql`insert into ${table("queue")} (tenant, execution_id, queue_position, partition, processing_id, event_id,
    submission, queued_at, attempt_count, status, outcome, settled_at)`
  const ids = (execution: string, partition: string, position: string) =>
    sql.literal(`
      'tenant ' || ${execution} % ${tenantCount}, 'case ' || ${execution}, ${position}, ${partition},
      'processing ' || ${execution} || ' ' || ${position}, 'queued ' || ${execution} || ' ' || ${position}`)
  yield* sql`
    ${insert}
    select ${ids("n", `n % ${Partition.defaultCount}`, "place")}, ${submission}::json, timestamptz '2025-01-01', 1,
      'Applied', '{"_tag":"Applied"}'::json, timestamptz '2025-01-01'
      from generate_series(0, ${executionCount - 1}::int) n, generate_series(1, ${perExecution}::int) place`
  yield* sql`
    ${insert}
    select ${ids("n", `n % ${Partition.defaultCount}`, "place")}, ${submission}::json, timestamptz '2025-01-01',
      case place when ${perExecution + 1} then 10 else 0 end,
      case place when ${perExecution + 1} then 'Dead' else 'Pending' end,
      case place when ${perExecution + 1} then '{"cause":"seeded"}'::json end, null
      from generate_series(0, ${blockedCount - 1}::int) n,
        generate_series(${perExecution + 1}::int, ${perExecution + 1 + waitingPerExecution}::int) place`
  yield* sql`update ${table("executions")} set settled_count = ${perExecution}`
  yield* sql`
    insert into ${table("queue_lengths")} (tenant, execution_id, length)
    select tenant, execution_id, max(queue_position) from ${table("queue")} group by tenant, execution_id`
})

/** Queues one more event for each execution, for a worker to claim. */
export const seedWaiting = Effect.fnUntraced(function* (schema: string) {
  const sql = yield* SqlClient.SqlClient
  const table = (name: string) => sql(`${schema}.${name}`)
  yield* sql`
    insert into ${table("queue_lengths")} as l (tenant, execution_id, length)
    select tenant, execution_id, 1 from ${table("executions")}
    on conflict (tenant, execution_id) do update set length = l.length + 1`
  yield* sql`
    insert into ${table("queue")} (tenant, execution_id, queue_position, partition, processing_id, event_id, submission,
      queued_at)
    select e.tenant, e.execution_id, l.length, e.partition, gen_random_uuid()::text, gen_random_uuid()::text,
      ${JSON.stringify({ event_name: "Booked", payload: booking })}::json, now()
      from ${table("executions")} e join ${table("queue_lengths")} l using (tenant, execution_id)`
  yield* sql`vacuum analyze`
})
