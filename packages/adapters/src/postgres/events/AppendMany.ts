/** Appends commits of different executions in one statement. */
import { Commit, Partition, type Settlement } from "@refold/core"
import type { Array } from "effect"
import type { SqlClient } from "effect/sql"
import type { Fragment } from "effect/sql/Statement"
import { bools, ints, texts } from "../Arrays.ts"
import type { Database, Named } from "../Database.ts"
import { expectFewRows } from "../PlannerHints.ts"
import type { StampRow } from "./StampRow.ts"

/**
 * An event or a settlement, with the number of its commit and its own number within the commit, both counted from 1.
 */
interface Numbered<A> {
  readonly commitOrdinal: number
  readonly ordinal: number
  readonly value: A
}

const numbered = <A>(
  commits: ReadonlyArray<Commit.Commit>,
  valuesOf: (commit: Commit.Commit) => ReadonlyArray<A>
): ReadonlyArray<Numbered<A>> =>
  commits.flatMap((commit, commitIndex) =>
    valuesOf(commit).map((value, index) => ({ commitOrdinal: commitIndex + 1, ordinal: index + 1, value }))
  )

/**
 * The whole append: a commit whose execution is where it expects it is written, and has a row in the answer; another
 * writes nothing, and has none.
 *
 * **Details**
 *
 * One statement is one round trip, and one transaction without a `begin` and a `commit`. Its parts, in order: `commit`
 * is the input. `locked` takes the partitions, always in the same order, so that appends never deadlock. `stamp` reads
 * the clock, once all are locked. `started` and `moved` write the headers of new and of existing executions, where
 * their position is the expected one: that is the compare-and-set. `written` are the commits that passed. `advanced`
 * takes their offsets from the partitions' counters, and `placed` gives each commit its own. `inserted` are their
 * events, and `settled` the queued events that they answer.
 */
export const appendMany = (
  { partitionCount, sql, tables }: Database,
  commits: Array.NonEmptyReadonlyArray<Commit.Commit>
) => {
  const { events, executions, partitions } = tables
  const partitionOf = commits.map((commit) => Partition.of(commit.tenant, commit.executionId, partitionCount))
  const settlements = numbered(commits, ({ settles }) => settles?.settlements ?? [])
  return sql<StampRow>`
    with commit as (
      select * from ${commitRows(sql, commits, partitionOf)}
    ), locked as (
      select partition from ${partitions} where partition = any (${ints(partitionOf)}) order by partition for update
    ), stamp as (
      -- Counted, so that the clock is read when all are locked.
      select date_trunc('milliseconds', clock_timestamp()) as now, count(*) as locked_count from locked
    ), started as (
      insert into ${executions} (tenant, execution_id, partition, workflow_name, workflow_version, current_state,
        position, is_complete, started_at, updated_at)
      select c.tenant, c.execution_id, c.partition, c.workflow_name, c.workflow_version, c.current_state,
        c.event_count, c.is_complete, coalesce(c.first_created_at, stamp.now),
        coalesce(c.last_created_at, stamp.now)
        from commit c, stamp where c.expected = 0 and c.event_count > 0
      on conflict do nothing
      returning tenant, execution_id, updated_at
    ), moved as (
      update ${executions} e
         set position = e.position + c.event_count, current_state = coalesce(c.current_state, e.current_state),
             is_complete = c.is_complete, settled_count = e.settled_count + c.settling_count,
             updated_at = case when c.event_count = 0 then e.updated_at
                               else coalesce(c.last_created_at, greatest(stamp.now, e.updated_at)) end
        from (select * from commit where expected > 0 ${expectFewRows(sql, commits.length)}) c, stamp
       where e.tenant = c.tenant and e.execution_id = c.execution_id and e.position = c.expected
         and (c.first_created_at is null or c.first_created_at >= e.updated_at)
         and (c.settled_before is null or c.settled_before = e.settled_count)
      returning e.tenant, e.execution_id, e.updated_at
    ), written as (
      select c.*, w.updated_at, sum(c.event_count) over (partition by c.partition order by c.ordinal) - c.event_count as before
        from commit c join (table started union all table moved) w using (tenant, execution_id)
    ), advanced as (
      update ${partitions} p set last_offset = p.last_offset + n.event_count
        from (select partition, sum(event_count) as event_count from written group by partition) n
       where p.partition = n.partition
      returning p.partition, p.last_offset - n.event_count as base
    ), placed as (
      select w.*, n.base + w.before as base from written w join advanced n using (partition)
    ), inserted as (
    insert into ${events} (tenant, execution_id, position, event_id, event_name, event_type, from_state, to_state,
      user_id, payload, schema_version, created_at, recorded_at, metadata, idempotency_key, partition, "offset")
    select w.tenant, w.execution_id, w.expected + e.ordinal, e.event_id, e.event_name, e.event_type, e.from_state,
      e.to_state, e.user_id, e.payload::json, e.schema_version, coalesce(e.created_at, w.updated_at),
      case when e.created_at is null then w.updated_at else stamp.now end, e.metadata::json, e.idempotency_key,
      w.partition, w.base + e.ordinal
      from ${eventRows(sql, numbered(commits, Commit.eventsOf))}
      join placed w on w.ordinal = e.commit_ordinal
      cross join stamp
    )${settlements.length === 0 ? sql`` : settle({ sql, tables }, settlements)}
    select placed.ordinal::int, placed.base, placed.updated_at, stamp.now from placed, stamp
  `
}

/** Instants go as text: the client would count microseconds in a double, which loses them far from 1970. */
const commitRows = (
  sql: SqlClient.SqlClient,
  commits: ReadonlyArray<Commit.Commit>,
  partitionOf: ReadonlyArray<number>
): Fragment => sql`unnest(
    ${texts(commits.map((commit) => commit.tenant))},
    ${texts(commits.map((commit) => commit.executionId))},
    ${ints(partitionOf)},
    ${ints(commits.map((commit) => commit.expectedPosition))},
    ${texts(commits.map((commit) => commit.workflow.name))},
    ${ints(commits.map((commit) => commit.workflow.version))},
    ${texts(commits.map((commit) => Commit.eventsOf(commit).at(-1)?.to_state ?? null))},
    ${bools(commits.map((commit) => commit.isComplete))},
    ${ints(commits.map((commit) => commit.events.length))},
    ${texts(commits.map((commit) => Commit.eventsOf(commit)[0]?.created_at ?? null))}::timestamptz[],
    ${texts(commits.map((commit) => Commit.eventsOf(commit).at(-1)?.created_at ?? null))}::timestamptz[],
    ${ints(commits.map((commit) => commit.settles?.after ?? null))},
    ${ints(commits.map((commit) => commit.settles?.settlements.length ?? 0))}
  ) with ordinality as c (tenant, execution_id, partition, expected, workflow_name, workflow_version,
    current_state, is_complete, event_count, first_created_at, last_created_at, settled_before, settling_count,
    ordinal)`

const eventRows = (
  sql: SqlClient.SqlClient,
  rows: ReadonlyArray<Numbered<Commit.NewEvent | Commit.ImportedEvent>>
): Fragment => sql`unnest(
    ${ints(rows.map((row) => row.commitOrdinal))},
    ${ints(rows.map((row) => row.ordinal))},
    ${texts(rows.map(({ value }) => value.event_id))},
    ${texts(rows.map(({ value }) => value.event_name))},
    ${texts(rows.map(({ value }) => value.event_type))},
    ${texts(rows.map(({ value }) => value.from_state))},
    ${texts(rows.map(({ value }) => value.to_state))},
    ${texts(rows.map(({ value }) => value.user_id ?? null))},
    ${texts(rows.map(({ value }) => (value.payload === undefined ? null : JSON.stringify(value.payload))))},
    ${ints(rows.map(({ value }) => value.schema_version))},
    ${texts(rows.map(({ value }) => value.created_at ?? null))}::timestamptz[],
    ${texts(rows.map(({ value }) => JSON.stringify(value.metadata)))},
    ${texts(rows.map(({ value }) => value.idempotency_key ?? null))}
  ) as e (commit_ordinal, ordinal, event_id, event_name, event_type, from_state, to_state, user_id, payload,
    schema_version, created_at, metadata, idempotency_key)`

/**
 * The first pending event of each queue is locked in the order in which claims lock it, so that the two never deadlock.
 */
const settle = (
  { sql, tables: { queue } }: Named,
  rows: ReadonlyArray<Numbered<Settlement>>
): Fragment => sql`, next as (
      select from (
        select * from placed where settled_before is not null order by tenant, execution_id ${expectFewRows(sql, rows.length)}
      ) w
      cross join lateral (
        select from ${queue} q
         where q.tenant = w.tenant and q.execution_id = w.execution_id and q.queue_position > w.settled_before
         order by q.queue_position limit 1 for update
      ) q
    ), settled as (
      update ${queue} q
         set status = s.status, outcome = s.outcome::json, settled_at = stamp.now, is_unclaimed = false
        from (
          select w.tenant, w.execution_id, w.settled_before + s.ordinal as queue_position, s.status, s.outcome
            from unnest(
              ${ints(rows.map((row) => row.commitOrdinal))},
              ${ints(rows.map((row) => row.ordinal))},
              ${texts(rows.map((row) => row.value._tag))},
              ${texts(rows.map((row) => JSON.stringify(row.value)))}
            ) as s (commit_ordinal, ordinal, status, outcome)
            join placed w on w.ordinal = s.commit_ordinal
           ${expectFewRows(sql, rows.length)}
        ) s, stamp, (select count(*) from next) as locked
       where q.tenant = s.tenant and q.execution_id = s.execution_id and q.queue_position = s.queue_position
    )`
