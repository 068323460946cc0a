/** Appends a single event to an execution under way, as most commits do. */
import { type Commit, Partition, type Settling } from "@refold/core"
import { texts } from "../Arrays.ts"
import type { Database, Named } from "../Database.ts"
import { isWithin } from "../PlannerHints.ts"
import type { StampRow } from "./StampRow.ts"

/**
 * Does what `appendMany` does, in a statement with fewer parts that takes half the time.
 *
 * **Gotchas**
 *
 * The clock is read in a query around the one that locks: a `select … for update` reads its own columns before it has
 * the lock.
 */
export const appendOne = ({ partitionCount, sql, tables }: Database, commit: Commit.Commit, event: Commit.NewEvent) => {
  const { events, executions, partitions } = tables
  const { executionId, expectedPosition, isComplete, settles, tenant } = commit
  const partition = Partition.of(tenant, executionId, partitionCount)
  return sql<StampRow>`
    with moved as (
      update ${executions} e
         set position = e.position + 1, current_state = ${event.to_state}, is_complete = ${isComplete},
             settled_count = e.settled_count + ${settles?.settlements.length ?? 0}::int,
             updated_at = greatest(stamp.now, e.updated_at)
        from (
          select date_trunc('milliseconds', clock_timestamp()) as now
            from (select from ${partitions} where partition = ${partition} for update) locked
        ) stamp
       where e.tenant = ${tenant} and e.execution_id = ${executionId} and e.position = ${expectedPosition}::int
         ${settles === undefined ? sql`` : sql`and e.settled_count = ${settles.after}::int`}
      returning e.updated_at, stamp.now
    ), advanced as (
      update ${partitions} p set last_offset = p.last_offset + 1 from moved where p.partition = ${partition}
      returning p.last_offset - 1 as base, moved.updated_at, moved.now
    ), inserted as (
      insert into ${events} (tenant, execution_id, position, event_id, event_name, event_type, from_state, to_state,
        user_id, payload, schema_version, created_at, recorded_at, metadata, idempotency_key, partition, "offset")
      select ${tenant}, ${executionId}, ${expectedPosition}::int + 1, ${event.event_id}, ${event.event_name},
        ${event.event_type}, ${event.from_state}, ${event.to_state}, ${event.user_id ?? null}::text,
        ${event.payload === undefined ? null : JSON.stringify(event.payload)}::json, ${event.schema_version}::int,
        updated_at, updated_at, ${JSON.stringify(event.metadata)}::json, ${event.idempotency_key ?? null}::text,
        ${partition}::int, base + 1
        from advanced
    )${settles === undefined ? sql`` : settle({ sql, tables }, commit, settles)}
    select 1 as ordinal, base, updated_at, now from advanced`
}

const settle = (
  { sql, tables: { queue } }: Named,
  { executionId, tenant }: Commit.Commit,
  { after, settlements }: Settling
) =>
  sql`, settled as (
      update ${queue} q
         set status = s.status, outcome = s.outcome::json, settled_at = advanced.now, is_unclaimed = false
        from unnest(
          ${texts(settlements.map((settlement) => settlement._tag))},
          ${texts(settlements.map((settlement) => JSON.stringify(settlement)))}
        ) with ordinality as s (status, outcome, ordinal), advanced
       where q.tenant = ${tenant} and q.execution_id = ${executionId} and q.queue_position = ${after}::int + s.ordinal
         and ${isWithin(sql, after, settlements.length)}
    )`
