/** Events in PostgreSQL: appended by one statement, many executions at a time, each whole or not at all. */
import {
  Commit,
  type EventMetadata,
  type Instant,
  type Json,
  Partition,
  type StoreError,
  type WorkflowEvent,
  WorkflowEventModel,
  executionKey,
  type Settlement,
  type Settling
} from "@refold/core"
import { Array, Effect, Layer, Option, Result, Stream, type Types } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { bools, ints, texts } from "./Arrays.ts"
import * as Batcher from "../internal/Batcher.ts"
import { isInTransaction, whereInTransaction } from "./CallerTransaction.ts"
import { instantText } from "./InstantText.ts"
import { pages } from "./Pages.ts"
import { type SchemaOptions, checkSchema, tables } from "./PostgresSchema.ts"
import { isStoreUnusable, sqlState, toStoreError } from "./PostgresFailure.ts"

/** What all events of an execution have in common. */
interface EventPlace {
  readonly tenant: string
  readonly execution_id: string
  readonly partition: number
}

/** The rest of a row; the client's types: `Date` for an instant, `bigint` for a `bigint`, parsed JSON. */
interface EventRow {
  readonly position: number
  readonly event_id: string
  readonly event_name: string
  readonly event_type: string
  readonly from_state: string
  readonly to_state: string
  readonly user_id: string | null
  readonly payload: Json.Json
  /** SQL's null and JSON's null both arrive as `null`. */
  readonly has_payload: boolean
  readonly schema_version: number
  readonly created_at: Date
  readonly recorded_at: Date
  readonly metadata: EventMetadata
  readonly offset: bigint
}

const toEventAt = ({ execution_id, partition, tenant }: EventPlace, row: EventRow): WorkflowEvent => {
  const event: Types.Mutable<WorkflowEvent> = {
    event_id: row.event_id,
    tenant,
    execution_id,
    position: row.position,
    event_name: row.event_name,
    event_type: row.event_type,
    from_state: row.from_state,
    to_state: row.to_state,
    schema_version: row.schema_version,
    created_at: instantText(row.created_at),
    recorded_at: instantText(row.recorded_at),
    partition,
    offset: Number(row.offset),
    metadata: row.metadata
  }
  if (row.user_id !== null) event.user_id = row.user_id
  if (row.has_payload) event.payload = row.payload
  return event
}

const toEvent = (row: EventPlace & EventRow): WorkflowEvent => toEventAt(row, row)

/**
 * Waits for the commits under way in a partition, or in all: they may have been stamped `until` or earlier and not be
 * visible yet. Whoever commits afterwards is stamped later, also when `until` is of this very millisecond or the next:
 * the wait sits them out.
 *
 * **Gotchas**
 *
 * A session that is read-only, or whose role may not update partitions, cannot wait; there the answer for the last
 * instants is provisional.
 */
export const awaitWriters = (
  sql: SqlClient.SqlClient,
  partitions: Fragment,
  { partition, until }: { readonly until: Instant.Instant; readonly partition?: number }
) =>
  sql`
    select from ${partitions}
     where ${partition === undefined ? sql`true` : sql`partition = ${partition}`}
       and (select pg_sleep(least(0.002, extract(epoch from
             ${until}::timestamptz + interval '1 millisecond' - clock_timestamp())))) is not null
     order by partition for share`.pipe(
    Effect.catchIf(cannotLock, () => Effect.void),
    Effect.asVoid
  )

/** Whether the transaction is read-only, or the role may not lock rows. */
const cannotLock = (error: SqlError): boolean =>
  error.reason._tag === "AuthorizationError" || sqlState(error) === "25006"

const defaultBatchSize = 1000

/** A commit of more events runs alone: it gains nothing in a batch. */
const maxBatchedEvents = 16

/** A submission waits for its own commit: of sixteen in flight, half decide while the others are at the server. */
const minBatchSize = 8

type CommitResult = Result.Result<Commit.Committed, Commit.CommitRefused>

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowEventModel,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const partitionCount = yield* checkSchema(options)
      const { events, executions, partitions, queue } = tables(sql, options)
      const ownColumns = `position, event_id, event_name, event_type, from_state, to_state, user_id, payload,
        payload is not null as has_payload, schema_version, created_at, recorded_at, metadata, "offset"`
      const columns = sql.literal(`tenant, execution_id, partition, ${ownColumns}`)
      // Of one execution, what its events share would be read once for each: a tenth of the time of a replay.
      const columnsOfExecution = sql.literal(ownColumns)

      // A plan is kept from when the table was small, and PGlite never gathers statistics: the limit, unknown to the plan,
      // makes it expect few rows to move, for which it takes the key and never reads all executions.
      const append = (commits: Array.NonEmptyReadonlyArray<Commit.Commit>) => {
        const partitionOf = commits.map((commit) => Partition.of(commit.tenant, commit.executionId, partitionCount))
        const rows = commits.flatMap((commit, commitPlace) =>
          Commit.eventsOf(commit).map((event, place) => ({
            event,
            commitPlace: commitPlace + 1,
            place: place + 1
          }))
        )
        const settled = commits.flatMap((commit, commitPlace) =>
          (commit.settles?.settlements ?? []).map((settlement, place) => ({
            commitPlace: commitPlace + 1,
            place: place + 1,
            settlement
          }))
        )
        // Instants go as text: from a `Date` the client counts microseconds in a double, which far from 1970 has none left.
        return sql<Stamp>`
          with commit as (
            select * from unnest(
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
              place)
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
              from (select * from commit where expected > 0 limit ${commits.length}) c, stamp
             where e.tenant = c.tenant and e.execution_id = c.execution_id and e.position = c.expected
               and (c.first_created_at is null or c.first_created_at >= e.updated_at)
               and (c.settled_before is null or c.settled_before = e.settled_count)
            returning e.tenant, e.execution_id, e.updated_at
          ), written as (
            select c.*, w.updated_at, sum(c.event_count) over (partition by c.partition order by c.place) - c.event_count as before
              from commit c join (table started union all table moved) w using (tenant, execution_id)
          ), numbered as (
            update ${partitions} p set last_offset = p.last_offset + n.event_count
              from (select partition, sum(event_count) as event_count from written group by partition) n
             where p.partition = n.partition
            returning p.partition, p.last_offset - n.event_count as base
          ), placed as (
            select w.*, n.base + w.before as base from written w join numbered n using (partition)
          ), inserted as (
          insert into ${events} (tenant, execution_id, position, event_id, event_name, event_type, from_state, to_state,
            user_id, payload, schema_version, created_at, recorded_at, metadata, idempotency_key, partition, "offset")
          select w.tenant, w.execution_id, w.expected + e.place, e.event_id, e.event_name, e.event_type, e.from_state,
            e.to_state, e.user_id, e.payload::json, e.schema_version, coalesce(e.created_at, w.updated_at),
            case when e.created_at is null then w.updated_at else stamp.now end, e.metadata::json, e.idempotency_key,
            w.partition, w.base + e.place
            from unnest(
              ${ints(rows.map((row) => row.commitPlace))},
              ${ints(rows.map((row) => row.place))},
              ${texts(rows.map(({ event }) => event.event_id))},
              ${texts(rows.map(({ event }) => event.event_name))},
              ${texts(rows.map(({ event }) => event.event_type))},
              ${texts(rows.map(({ event }) => event.from_state))},
              ${texts(rows.map(({ event }) => event.to_state))},
              ${texts(rows.map(({ event }) => event.user_id ?? null))},
              ${texts(rows.map(({ event }) => (event.payload === undefined ? null : JSON.stringify(event.payload))))},
              ${ints(rows.map(({ event }) => event.schema_version))},
              ${texts(rows.map(({ event }) => event.created_at ?? null))}::timestamptz[],
              ${texts(rows.map(({ event }) => JSON.stringify(event.metadata)))},
              ${texts(rows.map(({ event }) => event.idempotency_key ?? null))}
            ) as e (commit_place, place, event_id, event_name, event_type, from_state, to_state, user_id, payload,
              schema_version, created_at, metadata, idempotency_key)
            join placed w on w.place = e.commit_place
            cross join stamp
          )${settled.length === 0 ? sql`` : settle(settled)}
          select placed.place::int, placed.base, placed.updated_at, stamp.now from placed, stamp
        `
      }

      // The first of each queue is locked in the order in which claims lock it. The limits are as in `moved`.
      const settle = (rows: ReadonlyArray<SettledRow>) => sql`, next as (
            select from (
              select * from placed where settled_before is not null order by tenant, execution_id limit ${rows.length}
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
                select w.tenant, w.execution_id, w.settled_before + s.place as queue_position, s.status, s.outcome
                  from unnest(
                    ${ints(rows.map((row) => row.commitPlace))},
                    ${ints(rows.map((row) => row.place))},
                    ${texts(rows.map((row) => row.settlement._tag))},
                    ${texts(rows.map((row) => JSON.stringify(row.settlement)))}
                  ) as s (commit_place, place, status, outcome)
                  join placed w on w.place = s.commit_place
                 limit ${rows.length}
              ) s, stamp, (select count(*) from next) as locked
             where q.tenant = s.tenant and q.execution_id = s.execution_id and q.queue_position = s.queue_position
          )`

      /**
       * The same for a single event of an execution under way, as most commits are: a statement with fewer parts, which
       * takes half the time. The clock is read above the lock: of one `select … for update` it would be read below it.
       */
      const appendOne = (commit: Commit.Commit, event: Commit.NewEvent) => {
        const { executionId, expectedPosition, isComplete, settles, tenant } = commit
        const partition = Partition.of(tenant, executionId, partitionCount)
        return sql<Stamp>`
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
          ), numbered as (
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
              from numbered
          )${settles === undefined ? sql`` : settleOne(commit, settles)}
          select 1 as place, base, updated_at, now from numbered`
      }

      // The bounds say again what the join says: by them the places are looked up, without them the whole queue is read.
      const settleOne = ({ executionId, tenant }: Commit.Commit, { after, settlements }: Settling) =>
        sql`, settled as (
            update ${queue} q
               set status = s.status, outcome = s.outcome::json, settled_at = numbered.now, is_unclaimed = false
              from unnest(
                ${texts(settlements.map((settlement) => settlement._tag))},
                ${texts(settlements.map((settlement) => JSON.stringify(settlement)))}
              ) with ordinality as s (status, outcome, place), numbered
             where q.tenant = ${tenant} and q.execution_id = ${executionId} and q.queue_position = ${after}::int + s.place
               and q.queue_position between ${after + 1}::int and ${after + settlements.length}::int
          )`

      const readHeaders = (commits: ReadonlyArray<Commit.Commit>) =>
        sql<{ tenant: string; execution_id: string; position: number; updated_at: Date }>`
          select e.tenant, e.execution_id, e.position, e.updated_at
            from unnest(${texts(commits.map((commit) => commit.tenant))}, ${texts(commits.map((commit) => commit.executionId))})
              as c (tenant, execution_id)
            cross join lateral (
              select * from ${executions} where tenant = c.tenant and execution_id = c.execution_id limit 1
            ) e`

      /** Why commits wrote nothing: the execution stands elsewhere, or its last event is later than the first of the commit. */
      const explain = (refused: ReadonlyArray<Commit.Commit>) =>
        // Where nothing was refused, as nearly always, there is nothing to ask.
        Effect.map(refused.length === 0 ? Effect.succeed([]) : readHeaders(refused), (found) => {
          const headers = new Map(
            found.map((row) => [executionKey({ tenant: row.tenant, executionId: row.execution_id }), row])
          )
          return (commit: Commit.Commit): Commit.CommitRefused => {
            const { executionId, expectedPosition, tenant } = commit
            const header = headers.get(executionKey(commit))
            const actual = header?.position ?? 0
            const updatedAt = header === undefined ? undefined : instantText(header.updated_at)
            const reversed = actual === expectedPosition ? Commit.findTimeReversal(commit, updatedAt) : undefined
            return reversed ?? new Commit.PositionConflict({ tenant, executionId, expected: expectedPosition, actual })
          }
        })

      const write = (commits: Array.NonEmptyReadonlyArray<Commit.Commit>) => {
        const [first, ...others] = commits
        const [event, ...following] = first.events
        return others.length === 0 && following.length === 0 && first.expectedPosition > 0 && isNew(event)
          ? appendOne(first, event)
          : append(commits)
      }

      const commitAll = Effect.fnUntraced(
        function* (commits: Array.NonEmptyReadonlyArray<Commit.Commit>) {
          // A commit that goes back in time by itself is not sent at all.
          const sent = commits.filter((each) => Commit.findTimeReversal(each, undefined) === undefined)
          const rows = Array.isReadonlyArrayNonEmpty(sent) ? yield* write(sent) : []
          const stamps = new Map(rows.map((stamp) => [sent[stamp.place - 1], stamp]))
          const why = yield* explain(commits.filter((each) => !stamps.has(each)))
          return Array.map(commits, (each): CommitResult => {
            const stamp = stamps.get(each)
            return stamp === undefined
              ? Result.fail(why(each))
              : Result.succeed({ events: recorded(each, stamp, partitionCount) })
          })
        },
        Effect.mapError(toStoreError("Appending events"))
      )

      /** Of one execution, each has its turn after those before it. */
      const commitInTurns = Effect.fnUntraced(function* (
        commits: Array.NonEmptyReadonlyArray<Commit.Commit>
      ): Effect.fn.Return<Array.NonEmptyReadonlyArray<CommitResult>, StoreError> {
        const results = new Map<Commit.Commit, CommitResult>()
        let waiting: ReadonlyArray<Commit.Commit> = commits
        while (Array.isReadonlyArrayNonEmpty(waiting)) {
          const firsts = new Map(waiting.toReversed().map((each) => [executionKey(each), each]))
          const round = waiting.filter((each) => firsts.get(executionKey(each)) === each)
          if (!Array.isReadonlyArrayNonEmpty(round)) break
          const written = yield* commitAll(round)
          for (const [each, result] of Array.zip(round, written)) results.set(each, result)
          waiting = waiting.filter((each) => !results.has(each))
        }
        return yield* Effect.forEach(commits, (each) => Effect.orDie(Effect.fromNullishOr(results.get(each))))
      })

      const inTransaction = <A>(effect: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
        Effect.catchTag(sql.withTransaction(effect), "SqlError", (error) =>
          Effect.fail(toStoreError("Appending events")(error))
        )

      /** The commits of a batch: all are made or none, also where it takes several turns. */
      const commitBatch = (commits: Array.NonEmptyReadonlyArray<Commit.Commit>) =>
        new Set(commits.map(executionKey)).size === commits.length
          ? commitAll(commits)
          : inTransaction(commitInTurns(commits))

      const batched = yield* Batcher.make({
        run: commitBatch,
        minBatchSize,
        yieldsFirst: false,
        isEverybodys: isStoreUnusable
      })

      const commit = (commits: Array.NonEmptyReadonlyArray<Commit.Commit>) =>
        whereInTransaction(sql, {
          // A savepoint: a failed statement must not abort the caller's whole transaction.
          inside: () => inTransaction(commitAll(commits)),
          outside: () =>
            commits.length > 1 || commits[0].events.length > maxBatchedEvents ? commitAll(commits) : batched(commits)
        })

      const read: WorkflowEventModel["Service"]["read"] = ({ after = 0, executionId, tenant, to, until, ...rest }) => {
        const batchSize = rest.batchSize ?? defaultBatchSize
        const partition = Partition.of(tenant, executionId, partitionCount)
        const page = (last: number) => sql<EventRow>`
          select ${columnsOfExecution} from ${events}
           where tenant = ${tenant} and execution_id = ${executionId} and position > ${last}
             ${to === undefined ? sql`` : sql`and position <= ${to}`}
             ${until === undefined ? sql`` : sql`and created_at <= ${until}::timestamptz`}
           order by position limit ${batchSize}`
        const found = pages({
          first: after,
          batchSize,
          page,
          next: (row) => row.position,
          isLast: (row) => row.position === to
        })
        const settled =
          until === undefined
            ? found
            : Stream.unwrap(Effect.as(awaitWriters(sql, partitions, { until, partition }), found))
        const place = { tenant, execution_id: executionId, partition }
        return settled.pipe(
          Stream.map((row) => toEventAt(place, row)),
          Stream.mapError(toStoreError("Reading events"))
        )
      }

      return WorkflowEventModel.of({
        partitionCount,
        isInTransaction: isInTransaction(sql),
        commit,
        read,
        readTenant: ({ batchSize = defaultBatchSize, fromExecutionId = "", tenant, toExecutionId }) =>
          pages({
            first: { executionId: fromExecutionId, position: 0 },
            batchSize,
            page: (last) => sql<EventPlace & EventRow>`
              select ${columns} from ${events}
               where tenant = ${tenant} and (execution_id, position) > (${last.executionId}, ${last.position})
                 ${toExecutionId === undefined ? sql`` : sql`and execution_id <= ${toExecutionId}`}
               order by execution_id, position limit ${batchSize}`,
            next: (row) => ({ executionId: row.execution_id, position: row.position })
          }).pipe(Stream.map(toEvent), Stream.mapError(toStoreError("Reading events"))),
        readFeed: ({ after, limit, partition }) =>
          sql<EventPlace & EventRow>`
            select ${columns} from ${events} where partition = ${partition} and "offset" > ${after}
             order by "offset" limit ${limit}`.pipe(
            Effect.map((rows) => rows.map(toEvent)),
            Effect.mapError(toStoreError("Reading the feed"))
          ),
        findByIdempotencyKey: ({ executionId, idempotencyKey, tenant }) =>
          sql<EventPlace & EventRow>`
            select ${columns} from ${events}
             where tenant = ${tenant} and execution_id = ${executionId}
               and idempotency_key >= ${idempotencyKey} and idempotency_key <= ${idempotencyKey}
             order by idempotency_key limit 1`.pipe(
            Effect.map((rows) => Option.map(Array.head(rows), toEvent)),
            Effect.mapError(toStoreError("Finding an idempotency key"))
          )
      })
    })
  )

const isNew = (event: Commit.NewEvent | Commit.ImportedEvent | undefined): event is Commit.NewEvent =>
  event !== undefined && event.created_at === undefined

/** A settlement, by the place of its commit and its own place among those of the commit, both 1-based. */
interface SettledRow {
  readonly commitPlace: number
  readonly place: number
  readonly settlement: Settlement
}

/** What the store added to a commit: the offset before its first event, its last event's instant, and the clock's. */
interface Stamp {
  /** Of the commit among those sent, 1-based. */
  readonly place: number
  readonly base: bigint
  readonly updated_at: Date
  readonly now: Date
}

const recorded = (commit: Commit.Commit, stamp: Stamp, partitionCount: number) =>
  Commit.stamp(commit, {
    partition: Partition.of(commit.tenant, commit.executionId, partitionCount),
    lastOffset: Number(stamp.base),
    stampedAt: instantText(stamp.updated_at),
    now: instantText(stamp.now)
  })
