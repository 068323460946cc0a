/** The queue in PostgreSQL: each operation one statement. */
import {
  type FailurePolicy,
  type Claim,
  type ExecutionHeader,
  type ExecutionRef,
  Partition,
  QueuedEvent,
  Request,
  WorkflowEventProcessingModel,
  type WorkflowRef,
  Submission,
  Settlement
} from "@refold/core"
import { Array, Duration, Effect, Layer, Option, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { ints, texts } from "./Arrays.ts"
import * as Batcher from "../internal/Batcher.ts"
import { isInTransaction, whereInTransaction } from "./CallerTransaction.ts"
import { instantText } from "./InstantText.ts"
import { pages } from "./Pages.ts"
import { type HeaderRow, headerColumns, toHeader } from "./PostgresExecutionModel.ts"
import { type SchemaOptions, checkSchema, tables } from "./PostgresSchema.ts"
import { isStoreUnusable, toStoreError } from "./PostgresFailure.ts"

interface QueueRow {
  readonly tenant: string
  readonly execution_id: string
  readonly queue_position: number
  readonly processing_id: string
  readonly event_id: string
  readonly submission: unknown
  readonly idempotency_key: string | null
  readonly queued_at: Date
  readonly attempt_count: number
  readonly status: string
  /** What belongs to the status. */
  readonly outcome: Readonly<Record<string, unknown>> | null
  readonly settled_at: Date | null
}

const queueColumns = [
  "tenant",
  "execution_id",
  "queue_position",
  "processing_id",
  "event_id",
  "submission",
  "idempotency_key",
  "queued_at",
  "attempt_count",
  "status",
  "outcome",
  "settled_at"
]

const decodeSubmission = Schema.decodeUnknownEffect(Submission)
const decodeStatus = Schema.decodeUnknownEffect(
  Schema.Union([Schema.TaggedStruct("Pending", {}), Schema.TaggedStruct("Dead", { cause: Schema.String }), Settlement])
)

/** Rows that Refold did not write are a defect of whoever wrote them. */
const toQueued = (row: QueueRow): Effect.Effect<QueuedEvent.QueuedEvent> =>
  Effect.map(Effect.orDie(decodeSubmission(row.submission)), (submission) => ({
    tenant: row.tenant,
    executionId: row.execution_id,
    queuePosition: row.queue_position,
    processingId: row.processing_id,
    eventId: row.event_id,
    submission,
    ...(row.idempotency_key === null ? {} : { idempotencyKey: row.idempotency_key }),
    queuedAt: instantText(row.queued_at),
    attemptCount: row.attempt_count
  }))

/** What the store adds to a new event. */
type NewPlace = Pick<QueueRow, "queue_position" | "queued_at">

const toNewEntry = (event: QueuedEvent.NewQueuedEvent, row: NewPlace): QueuedEvent.QueueEntry => ({
  ...event,
  queuePosition: row.queue_position,
  queuedAt: instantText(row.queued_at),
  attemptCount: 0,
  status: { _tag: "Pending" }
})

const toEntry = Effect.fnUntraced(function* (row: QueueRow) {
  const queued = yield* toQueued(row)
  const status = yield* Effect.orDie(decodeStatus({ ...row.outcome, _tag: row.status }))
  const entry: QueuedEvent.QueueEntry = { ...queued, status }
  return row.settled_at === null ? entry : { ...entry, settledAt: instantText(row.settled_at) }
})

/** As a statement writes them: of a parameter the server would not know that an index of some statuses has them all. */
const statusTexts: Readonly<Record<QueuedEvent.Status["_tag"], string>> = {
  Pending: "'Pending'",
  Applied: "'Applied'",
  Rejected: "'Rejected'",
  Dead: "'Dead'",
  Skipped: "'Skipped'",
  Discarded: "'Discarded'"
}

const defaultBatchSize = 1000

/** A call of more events runs alone: it gains nothing in a batch. */
const maxBatchedEvents = 64

/** For few calls at a time, the commits that smaller batches cost are worth more than the time they save. */
const minBatchSize = 32

/** Events left to others that are looked at; the rest has its turn when these are done. */
const maxLeft = 10_000

/** Two writers with one idempotency key: the slower one looks again. */
const maxAttempts = 3

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowEventProcessingModel,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const partitionCount = yield* checkSchema(options)
      const { events: log, executions, queue, queueLengths } = tables(sql, options)
      const columns = (alias: string) => sql.literal(queueColumns.map((column) => `${alias}.${column}`).join(", "))

      /** Of an event found by its place: not the index of what waits, which would be read from end to end. */
      const waits = (alias: string) => sql.literal(`${alias}.status || '' = 'Pending'`)

      const isProcessing = (tenant: string, processingId: string) =>
        sql`q.tenant || ' ' || q.processing_id = ${`${tenant} ${processingId}`} and q.processing_id = ${processingId}`

      /** By the index of processing ids: the primary key would be read from the first of the execution's entries to the last. */
      const isEntry = ({ executionId, processingId, tenant }: EntryKey) =>
        sql`${isProcessing(tenant, processingId)} and tenant || '' = ${tenant} and execution_id || '' = ${executionId}`

      /** In the order of the keys, so that their own index is taken, whose first columns others have as well. */
      const isKey = (key: string) =>
        sql.literal(`idempotency_key >= ${key} and idempotency_key <= ${key} order by idempotency_key`)

      /** The columns of the queue, of which only these are told. */
      const only = (...told: ReadonlyArray<string>) =>
        sql.literal(queueColumns.map((column) => (told.includes(column) ? column : "null")).join(", "))
      /** Of what is queued anew: the rest is as it was given. */
      const placed = only("queue_position", "queued_at")
      /** Of what is refused. */
      const untold = only()

      const insert = (events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) => sql<InsertedRow>`
        with input as (
          select * from unnest(
            ${texts(events.map((event) => event.tenant))},
            ${texts(events.map((event) => event.executionId))},
            ${ints(events.map((event) => Partition.of(event.tenant, event.executionId, partitionCount)))},
            ${texts(events.map((event) => event.processingId))},
            ${texts(events.map((event) => event.eventId))},
            ${texts(events.map((event) => JSON.stringify(event.submission)))},
            ${texts(events.map((event) => event.idempotencyKey ?? null))},
            ${texts(events.map((event) => (event.idempotencyKey === undefined ? null : Request.hash(event.submission))))}
          ) with ordinality as i (tenant, execution_id, partition, processing_id, event_id, submission, idempotency_key,
            request_hash, place)
        ), known as (
          select i.place, q.*, q.request_hash <> i.request_hash
              or coalesce(q.submission ->> 'to_state' <> i.submission::json ->> 'to_state', false)
              or coalesce(q.submission ->> 'workflow' <> i.submission::json ->> 'workflow', false) as is_other
            from input i
            cross join lateral (
              select * from ${queue}
               where tenant = i.tenant and execution_id = i.execution_id and ${isKey("i.idempotency_key")} limit 1
            ) q
           where i.idempotency_key is not null
        ), closed as (
          select i.place, e.current_state as final_state
            from input i
            left join lateral (
              select is_complete, current_state from ${executions}
               where tenant = i.tenant and execution_id = i.execution_id limit 1
            ) e on true
            left join lateral (
              select true as is_known from ${log}
               where tenant = i.tenant and execution_id = i.execution_id and ${isKey("i.idempotency_key")} limit 1
            ) l on true
           where e.is_complete is not false and l.is_known is null and i.place not in (select place from known)
        ), fresh as (
          select *, row_number() over of_execution as nth, count(*) over (partition by tenant, execution_id) as event_count
            from input
           where place not in (select place from known) and not exists (select from known where is_other)
             and not exists (select from closed)
          window of_execution as (partition by tenant, execution_id order by place)
        ), counted as (
          insert into ${queueLengths} as l (tenant, execution_id, length)
          select tenant, execution_id, event_count from fresh where nth = 1 order by tenant, execution_id
          on conflict (tenant, execution_id) do update set length = l.length + excluded.length
          returning tenant, execution_id, length
        ), inserted as (
          insert into ${queue} as q (tenant, execution_id, queue_position, partition, processing_id, event_id, submission,
            idempotency_key, request_hash, queued_at)
          select f.tenant, f.execution_id, c.length - f.event_count + f.nth, f.partition, f.processing_id, f.event_id,
            f.submission::json, f.idempotency_key, f.request_hash, date_trunc('milliseconds', clock_timestamp())
            from fresh f join counted c using (tenant, execution_id)
          returning q.tenant, q.processing_id, q.queue_position, q.queued_at
        )
        select k.place::int, false as is_new, case when k.is_other then 'other' end as refusal, null as final_state,
               ${columns("k")}
          from known k
        union all
        select f.place::int, true, null, null, ${placed}
          from inserted n join fresh f on f.tenant = n.tenant and f.processing_id = n.processing_id
        union all
        select place::int, false, 'closed', final_state, ${untold} from closed
      `

      /**
       * The same for a single event without a key, as most come, to an execution that is open; otherwise nothing is written.
       * It takes less than half the time.
       */
      const insertOne = (event: QueuedEvent.NewQueuedEvent) => {
        const { eventId, executionId, processingId, submission, tenant } = event
        return sql<InsertedRow>`
          with counted as (
            insert into ${queueLengths} as l (tenant, execution_id, length)
            select tenant, execution_id, 1 from ${executions}
             where tenant = ${tenant} and execution_id = ${executionId} and not is_complete
            on conflict (tenant, execution_id) do update set length = l.length + 1
            returning length
          )
          insert into ${queue} (tenant, execution_id, queue_position, partition, processing_id, event_id, submission,
            queued_at)
          select ${tenant}, ${executionId}, length, ${Partition.of(tenant, executionId, partitionCount)}::int,
            ${processingId}, ${eventId}, ${JSON.stringify(submission)}::json, date_trunc('milliseconds', clock_timestamp())
            from counted
          returning 1 as place, true as is_new, null as refusal, null as final_state, queue_position, queued_at`
      }

      const write = (events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) => {
        const [first, ...others] = events
        return others.length > 0 || first.idempotencyKey !== undefined
          ? insert(events)
          : Effect.flatMap(insertOne(first), (rows) => (rows.length > 0 ? Effect.succeed(rows) : insert(events)))
      }

      const enqueueAll = Effect.fnUntraced(
        function* (events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>, isInCallersTransaction: boolean) {
          const { firsts, placeOf } = yield* Effect.fromResult(QueuedEvent.dedupeByKey(events))
          // A savepoint: a failed statement must not abort the caller's whole transaction.
          const statement = isInCallersTransaction ? sql.withTransaction(write(firsts)) : write(firsts)
          const rows = yield* statement.pipe(
            Effect.retry({ times: maxAttempts - 1, while: (error) => error.reason._tag === "UniqueViolation" })
          )
          const refused = rows.find((row) => row.refusal !== null)
          if (refused !== undefined) {
            const { executionId, idempotencyKey = "", tenant } = firsts[refused.place - 1] ?? firsts[0]
            if (refused.refusal === "other") {
              return yield* new QueuedEvent.IdempotencyConflict({ executionId, idempotencyKey })
            }
            const { final_state: finalState } = refused
            return yield* new QueuedEvent.QueueClosed({
              tenant,
              executionId,
              ...(finalState === null ? {} : { finalState })
            })
          }
          const entries = new Map<number, QueuedEvent.QueueEntry>()
          for (const row of rows) {
            const event = firsts[row.place - 1]
            if (event !== undefined) {
              entries.set(row.place - 1, row.is_new ? toNewEntry(event, row) : yield* toEntry(row))
            }
          }
          return yield* Effect.forEach(placeOf, (place) => Effect.orDie(Effect.fromNullishOr(entries.get(place))))
        },
        Effect.catchTag("SqlError", (error) => Effect.fail(toStoreError("Queueing events")(error)))
      )

      const batched = yield* Batcher.make({
        run: (events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) => enqueueAll(events, false),
        minBatchSize,
        yieldsFirst: true,
        isEverybodys: isStoreUnusable
      })

      const enqueue = (events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) =>
        whereInTransaction(sql, {
          inside: () => enqueueAll(events, true),
          outside: () => (events.length > maxBatchedEvents ? enqueueAll(events, false) : batched(events))
        })

      const isExcepted = (except: ReadonlyArray<WorkflowRef>, header: Fragment) => sql`exists (
        select from unnest(${texts(except.map((ref) => ref.name))}, ${ints(except.map((ref) => ref.version))})
          as excepted (name, version)
         where excepted.name = ${header}.workflow_name and excepted.version = ${header}.workflow_version
      )`

      // Jumps from tenant to tenant and from execution to execution along the index of what waits, so that it costs as many
      // look-ups as there are executions, however long their queues.
      const readyOf = (partitions: ReadonlyArray<number>, limitPerTenant: number) => sql<RefRow>`
        with recursive pair as (
          select p.partition, first.tenant from unnest(${ints(partitions)}) as p (partition)
           cross join lateral (
             select q.tenant from ${queue} q
              where q.status = 'Pending' and q.partition = p.partition order by q.tenant limit 1
           ) first
          union all
          select pair.partition, following.tenant from pair
           cross join lateral (
             select q.tenant from ${queue} q
              where q.status = 'Pending' and q.partition = pair.partition and q.tenant > pair.tenant
              order by q.tenant limit 1
           ) following
        )
        select pair.tenant, ready.execution_id from pair
         cross join lateral (
           with recursive head as (
             (select q.execution_id, q.queue_position, q.due_at, q.is_unclaimed from ${queue} q
               where q.status = 'Pending' and q.partition = pair.partition and q.tenant = pair.tenant
               order by q.execution_id, q.queue_position limit 1)
             union all
             select following.* from head
              cross join lateral (
                select q.execution_id, q.queue_position, q.due_at, q.is_unclaimed from ${queue} q
                 where q.status = 'Pending' and q.partition = pair.partition and q.tenant = pair.tenant
                   and q.execution_id > head.execution_id
                 order by q.execution_id, q.queue_position limit 1
              ) following
           )
           select head.execution_id from head
            cross join lateral (
              select e.settled_count from ${executions} e
               where e.tenant = pair.tenant and e.execution_id = head.execution_id limit 1
            ) e
            where not head.is_unclaimed and (head.due_at is null or head.due_at <= clock_timestamp())
              and e.settled_count = head.queue_position - 1
            limit ${limitPerTenant}
         ) ready`

      const readyLeft = (limitPerTenant: number, except: ReadonlyArray<WorkflowRef>) => sql<RefRow>`
        select tenant, execution_id from (
          select q.tenant, q.execution_id, row_number() over (partition by q.partition, q.tenant) as nth
            from (
              select * from ${queue} where is_unclaimed order by partition, tenant, execution_id limit ${maxLeft}
            ) q
            cross join lateral (
              select workflow_name, workflow_version from ${executions}
               where tenant = q.tenant and execution_id = q.execution_id and settled_count = q.queue_position - 1 limit 1
            ) e
           where q.status = 'Pending' and (q.due_at is null or q.due_at <= clock_timestamp())
             and not ${isExcepted(except, sql`e`)}
        ) found where nth <= ${limitPerTenant}`

      // This and the next give `header`, and `counted`: the events taken up, each the first of its queue.
      //
      // The place is a value, not a row to join: a plan of a small table would go through the queue to find it.
      const countedOne = ({ executionId, tenant }: ExecutionRef, isToCount: Fragment) => sql`
        with header as (
          select * from ${executions} where tenant = ${tenant} and execution_id = ${executionId}
        ), counted as (
          update ${queue} q set attempt_count = q.attempt_count + 1
           where q.tenant = ${tenant} and q.execution_id = ${executionId}
             and q.queue_position = (select settled_count + 1 from header) and ${isToCount}
          returning q.tenant, q.execution_id, q.queue_position, q.attempt_count
        )`

      // Rows are locked in one order, as by a commit that settles them: two that take up the same executions wait for each
      // other in a line, not in a circle.
      const countedMany = (refs: ReadonlyArray<ExecutionRef>, isToCount: Fragment) => sql`
        with header as (
          select e.* from (
            select distinct * from unnest(
              ${texts(refs.map((ref) => ref.tenant))}, ${texts(refs.map((ref) => ref.executionId))}
            ) as w (tenant, execution_id)
          ) w
          cross join lateral (
            select * from ${executions} where tenant = w.tenant and execution_id = w.execution_id limit 1
          ) e
        ), next as (
          select q.tenant, q.execution_id, q.queue_position
            from (select * from header order by tenant, execution_id limit ${refs.length}) h
            cross join lateral (
              select * from ${queue} q
               where q.tenant = h.tenant and q.execution_id = h.execution_id and q.queue_position > h.settled_count
               order by q.queue_position limit 1 for update
            ) q
           where q.queue_position = h.settled_count + 1
        ), counted as (
          update ${queue} q set attempt_count = q.attempt_count + 1
            from (select * from next limit ${refs.length}) n
           where q.tenant = n.tenant and q.execution_id = n.execution_id and q.queue_position = n.queue_position
             and ${isToCount}
          returning q.tenant, q.execution_id, q.queue_position, q.attempt_count
        )`

      // What is counted is asked in the state that is answered with: an event that waits again since was not there to be seen.
      // Counting need not survive a crash of the server, whose sessions the work would not survive either: so the count is
      // not waited for, unless it is part of a caller's transaction. One row more than asked for tells whether there is more.
      const claim = ({ executions: refs, ignoreDelay = false, limit }: ClaimOptions, isPartOfIt: boolean) => {
        const isToCount = sql`${waits("q")} and (${ignoreDelay} or q.due_at is null or q.due_at <= clock_timestamp())
          ${isPartOfIt ? sql`` : sql`and (select set_config('synchronous_commit', 'off', true)) = 'off'`}`
        return sql<
          HeaderRow &
            QueueRow & { readonly settled_count: number; readonly now_attempt_count: number; readonly claimed_at: Date }
        >`
          ${refs.length === 1 ? countedOne(refs[0], isToCount) : countedMany(refs, isToCount)}
          select ${sql.literal(headerColumns.map((column) => `h.${column}`).join(", "))}, h.settled_count,
                 c.attempt_count as now_attempt_count, clock_timestamp() as claimed_at, ${columns("q")}
            from counted c join header h using (tenant, execution_id)
            cross join lateral (
              select * from ${queue} q
               where q.tenant = c.tenant and q.execution_id = c.execution_id and q.queue_position >= c.queue_position
                 and ${waits("q")}
               order by q.queue_position limit ${limit + 1}
            ) q
           order by q.tenant, q.execution_id, q.queue_position`
      }

      const toClaim = Effect.fnUntraced(function* (
        rows: Array.NonEmptyReadonlyArray<Effect.Success<ReturnType<typeof claim>>[number]>,
        limit: number
      ) {
        const [first] = rows
        const taken = first.now_attempt_count > 1 ? 1 : limit
        const header: ExecutionHeader = toHeader(first)
        const head = yield* toQueued({ ...first, attempt_count: first.now_attempt_count })
        const others = yield* Effect.forEach(rows.slice(1, taken), toQueued)
        const claimed: Claim = {
          header,
          settledCount: first.settled_count,
          events: [head, ...others],
          hasMore: rows.length > taken,
          claimedAt: instantText(first.claimed_at)
        }
        return claimed
      })

      /**
       * Settles an event without its execution, which goes on after it. Locks in the order of a commit, the execution before
       * the event, and looks at the event once it is locked: a claim or a redrive under way must not leave a waiting event
       * behind the count of those settled. So the count follows what was settled, at the place where that was: another may
       * have given the event a new one since this statement began.
       */
      const giveUp = (
        { executionId, tenant }: ExecutionRef,
        event: Fragment,
        status: "Skipped" | "Discarded",
        outcome: Fragment
      ) => sql<QueueRow>`
        with execution as (
          select * from ${executions} where tenant = ${tenant} and execution_id = ${executionId} for update
        ), settled as (
          update ${queue} q
             set status = ${status}, outcome = ${outcome}, is_unclaimed = false,
                 settled_at = date_trunc('milliseconds', clock_timestamp())
            from execution e
           where q.tenant = e.tenant and q.execution_id = e.execution_id
             and ${event} and (q.status = 'Skipped' or q.queue_position = e.settled_count + 1)
          returning q.*
        ), moved as (
          update ${executions} e set settled_count = greatest(e.settled_count, s.queue_position) from settled s
           where e.tenant = s.tenant and e.execution_id = s.execution_id
        )
        select ${columns("q")} from settled q`

      const settleFailed = (
        event: FailedEvent,
        cause: string,
        next: FailurePolicy.AfterFailure
      ): Effect.Effect<unknown, SqlError> => {
        const { attemptCount, executionId, queuePosition, tenant } = event
        const attempt = sql`q.queue_position = ${queuePosition} and ${waits("q")}
          and q.attempt_count = ${attemptCount}`
        const ofExecution = sql`q.tenant = ${tenant} and q.execution_id = ${executionId}
          and exists (
            select from ${executions} e
             where e.tenant = q.tenant and e.execution_id = q.execution_id and e.settled_count = q.queue_position - 1
          )`
        const outcome = sql`${JSON.stringify({ cause })}::json`
        switch (next._tag) {
          case "Retry":
            return sql`update ${queue} q
              set due_at = clock_timestamp() + ${Duration.toMillis(next.after)}::float8 * interval '1 millisecond'
              where ${ofExecution} and ${attempt}`
          case "Block":
            return sql`update ${queue} q
              set status = 'Dead', outcome = ${outcome}, is_unclaimed = false
              where ${ofExecution} and ${attempt}`
          case "Skip":
            return giveUp(event, attempt, "Skipped", outcome)
        }
      }

      // The place at the end is taken for an event that is locked and skipped: one taken in vain would be a gap, at which
      // the execution would wait for ever.
      const redrive = ({ executionId, processingId, tenant }: EntryKey) => {
        const entry = sql`tenant = ${tenant} and execution_id = ${executionId} and ${isProcessing(tenant, processingId)}`
        const again = sql`status = 'Pending', outcome = null, settled_at = null, attempt_count = 0, due_at = null`
        const inPlace = sql<QueueRow>`
          update ${queue} q set ${again} where ${entry} and status = 'Dead' returning ${columns("q")}`
        const atTheEnd = sql<QueueRow>`
          with skipped as (
            select tenant, execution_id from ${queue} q where ${entry} and status = 'Skipped' for update
          ), counted as (
            update ${queueLengths} l set length = l.length + 1 from skipped s
             where l.tenant = s.tenant and l.execution_id = s.execution_id
            returning l.length
          )
          update ${queue} q set ${again}, queue_position = counted.length
            from counted where ${entry} and status = 'Skipped' returning ${columns("q")}`
        return Effect.flatMap(inPlace, (rows) => (rows.length > 0 ? Effect.succeed(rows) : atTheEnd))
      }

      // The cause stays as it is written: Postgres can keep one that holds NUL, but not look into it.
      const discard = ({ processingId, ...ref }: EntryKey) =>
        giveUp(
          ref,
          sql`${isProcessing(ref.tenant, processingId)} and q.status in ('Dead', 'Skipped')`,
          "Discarded",
          sql`q.outcome`
        )

      const changed = (operation: string, rows: Effect.Effect<ReadonlyArray<QueueRow>, SqlError>) =>
        rows.pipe(
          Effect.mapError(toStoreError(operation)),
          Effect.flatMap((found) => Effect.transposeOption(Option.map(Array.head(found), toEntry)))
        )

      return WorkflowEventProcessingModel.of({
        enqueue,
        findReady: ({ except, limitPerTenant, of }) =>
          (of === "unclaimed" ? readyLeft(limitPerTenant, except) : readyOf(of, limitPerTenant)).pipe(
            Effect.map((rows) => rows.map((row) => ({ tenant: row.tenant, executionId: row.execution_id }))),
            Effect.mapError(toStoreError("Looking for work"))
          ),
        claim: (claimOptions) =>
          Effect.flatMap(isInTransaction(sql), (isPartOfIt) => claim(claimOptions, isPartOfIt)).pipe(
            Effect.mapError(toStoreError("Taking up work")),
            Effect.flatMap((rows) =>
              Effect.forEach(
                Array.isReadonlyArrayNonEmpty(rows) ? Array.groupWith(rows, isSameExecution) : [],
                (group) => toClaim(group, claimOptions.limit)
              )
            )
          ),
        fail: ({ cause, event, next }) =>
          settleFailed(event, cause, next).pipe(
            Effect.asVoid,
            Effect.mapError(toStoreError("Recording a failed attempt"))
          ),
        leave: ({ executionId, queuePosition, tenant }) =>
          sql`update ${queue} q set attempt_count = greatest(attempt_count - 1, 0), is_unclaimed = true
               where tenant = ${tenant} and execution_id = ${executionId} and queue_position = ${queuePosition}
                 and ${waits("q")}`.pipe(Effect.asVoid, Effect.mapError(toStoreError("Leaving work to others"))),
        find: ({ executionId, tenant, ...by }) =>
          changed(
            "Finding a queued event",
            sql<QueueRow>`select ${columns("q")} from ${queue} q where ${
              "processingId" in by
                ? isEntry({ tenant, executionId, processingId: by.processingId })
                : sql`tenant = ${tenant} and execution_id = ${executionId} and idempotency_key = ${by.idempotencyKey}`
            }`
          ),
        list: ({ batchSize = defaultBatchSize, executionId, statuses, tenant }) =>
          pages({
            first: { tenant: "", executionId: "", queuePosition: 0 },
            batchSize,
            page: (last) => sql<QueueRow>`
              select ${columns("q")} from ${queue} q
               where (tenant, execution_id, queue_position) > (${last.tenant}, ${last.executionId}, ${last.queuePosition})
                 and status in (${sql.literal(statuses.map((each) => statusTexts[each]).join(", "))})
                 ${tenant === undefined ? sql`` : sql`and tenant = ${tenant}`}
                 ${executionId === undefined ? sql`` : sql`and execution_id = ${executionId}`}
               order by tenant, execution_id, queue_position limit ${batchSize}`,
            next: (row) => ({ tenant: row.tenant, executionId: row.execution_id, queuePosition: row.queue_position })
          }).pipe(Stream.mapError(toStoreError("Listing queued events")), Stream.mapEffect(toEntry)),
        redrive: (key) => changed("Redriving a queued event", redrive(key)),
        discard: (key) => changed("Discarding a queued event", discard(key)),
        lag: sql<LagRow>`
          select partition, count(*) filter (where status = 'Pending')::int as pending_count,
                 min(queued_at) filter (where status = 'Pending') as oldest_queued_at,
                 count(*) filter (where status <> 'Pending')::int as dead_count,
                 count(*) filter (where is_unclaimed)::int as unclaimed_count
            from (
              select partition, status, queued_at, is_unclaimed from ${queue} where status = 'Pending'
              union all
              select partition, status, queued_at, is_unclaimed from ${queue} where status in ('Dead', 'Skipped')
            ) unsettled
           group by partition order by partition`.pipe(
          Effect.map((rows) =>
            rows.map((row) => ({
              partition: row.partition,
              pendingCount: row.pending_count,
              ...(row.oldest_queued_at === null ? {} : { oldestQueuedAt: instantText(row.oldest_queued_at) }),
              deadCount: row.dead_count,
              unclaimedCount: row.unclaimed_count
            }))
          ),
          Effect.mapError(toStoreError("Measuring the lag"))
        )
      })
    })
  )

type InsertedRow = {
  readonly place: number
  readonly refusal: string | null
  readonly final_state: string | null
} & (({ readonly is_new: true } & NewPlace) | ({ readonly is_new: false } & QueueRow))

type ClaimOptions = Parameters<WorkflowEventProcessingModel["Service"]["claim"]>[0]

interface RefRow {
  readonly tenant: string
  readonly execution_id: string
}

interface LagRow {
  readonly partition: number
  readonly pending_count: number
  readonly oldest_queued_at: Date | null
  readonly dead_count: number
  readonly unclaimed_count: number
}

type FailedEvent = Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "queuePosition" | "attemptCount">

interface EntryKey {
  readonly tenant: string
  readonly executionId: string
  readonly processingId: string
}

const isSameExecution = (left: RefRow, right: RefRow): boolean =>
  left.tenant === right.tenant && left.execution_id === right.execution_id
