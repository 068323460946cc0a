/**
 * Good hand-written code without a framework: the tables, one statement for each step, the state of an execution in
 * memory.
 *
 * **Details**
 *
 * The tables have Refold's columns and only the indexes that the statements need. There is no feed, no check of
 * idempotency keys, and no trigger that protects the log: a hand-written table seldom has them, and they would only make
 * the reference slower.
 */
import { Array, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Redis } from "ioredis"
import { tenant } from "./Database.ts"
import { type Balance, Ledger, book, booking } from "./Ledger.ts"

/** The cached state of an execution. */
interface Remembered {
  position: number
  data: Balance
}

const Entries = Schema.NullOr(
  Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))]))
)
const decodeEntries = Schema.decodeUnknownEffect(Entries)

const group = "workers"

/** Entries of one read. */
const readLimit = 100

export const make = Effect.fnUntraced(function* (schema: string) {
  const sql = yield* SqlClient.SqlClient
  const table = (name: string) => sql(`${schema}.${name}`)
  const [headers, events, queue] = [table("hand_executions"), table("hand_events"), table("hand_queue")]

  const createTables = Effect.gen(function* () {
    yield* sql`drop table if exists ${headers}, ${events}, ${queue}`
    yield* sql`create table ${headers} (
      tenant text collate "C" not null,
      execution_id text collate "C" not null,
      workflow_name text not null,
      workflow_version int not null,
      current_state text not null,
      position int not null,
      is_complete boolean not null,
      started_at timestamptz not null,
      updated_at timestamptz not null,
      primary key (tenant, execution_id)
    ) with (fillfactor = 70)`
    yield* sql`create table ${events} (
      tenant text collate "C" not null,
      execution_id text collate "C" not null,
      position int not null,
      event_id text collate "C" not null unique,
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
      primary key (tenant, execution_id, position)
    )`
    yield* sql`create table ${queue} (
      tenant text collate "C" not null,
      execution_id text collate "C" not null,
      queue_position bigint generated always as identity,
      partition int not null,
      processing_id text collate "C" primary key,
      event_id text collate "C" not null,
      submission json not null,
      idempotency_key text collate "C",
      request_hash text,
      queued_at timestamptz not null,
      attempt_count int not null default 0,
      due_at timestamptz,
      is_unclaimed boolean not null default false,
      status text not null default 'Pending',
      outcome json,
      settled_at timestamptz
    )`
  })

  /** Starts this many executions at once and returns their ids. */
  const start = Effect.fnUntraced(function* (prefix: string, count: number) {
    const executionIds = Array.makeBy(count, (place) => `${prefix} ${place}`)
    yield* sql`
      with started as (
        insert into ${headers}
        select ${tenant}, ${prefix} || ' ' || n, ${Ledger.name}, ${Ledger.version}, 'Open', 1, false, now(), now()
          from generate_series(0, ${count - 1}::int) n
        returning *
      )
      insert into ${events}
      select tenant, execution_id, 1, gen_random_uuid()::text, 'workflow.started', 'workflow', 'none', 'Open', null,
        ${JSON.stringify(Ledger.initial.data)}::json, 1, started_at, started_at, '{}'
        from started`
    yield* sql`analyze ${headers}, ${events}`
    return executionIds
  })

  /** Appends one event if the execution is at the expected position; returns whether it was. */
  const append = (executionId: string, expected: number) =>
    Effect.map(
      sql`
        with moved as (
          update ${headers} set position = position + 1, current_state = 'Open', updated_at = clock_timestamp()
           where tenant = ${tenant} and execution_id = ${executionId} and position = ${expected}
          returning tenant, execution_id, position, updated_at
        )
        insert into ${events}
        select tenant, execution_id, position, ${crypto.randomUUID()}, 'Booked', 'workflow', 'Open', 'Open', null,
          ${JSON.stringify(booking)}::json, 1, updated_at, updated_at, '{}'
          from moved
        returning position`,
      (rows) => rows.length === 1
    )

  const readPosition = (executionId: string) =>
    Effect.map(
      sql<{ position: number }>`
        select position from ${headers} where tenant = ${tenant} and execution_id = ${executionId}`,
      ([row]) => row?.position ?? 0
    )

  const enqueue = (id: string, executionId: string) =>
    sql`
      insert into ${queue} (tenant, execution_id, partition, processing_id, event_id, submission, queued_at)
      values (${tenant}, ${executionId}, 0, ${id}, ${crypto.randomUUID()},
        ${JSON.stringify({ event_name: "Booked", payload: booking })}::json, clock_timestamp())`

  /** Queues this many events for each execution at once; returns the contents of the stream entries. */
  const enqueueMany = (prefix: string, executionCount: number, eventCount: number) =>
    sql<{ id: string; execution_id: string }>`
      insert into ${queue} (tenant, execution_id, partition, processing_id, event_id, submission, queued_at)
      select ${tenant}, ${prefix} || ' ' || n, 0, gen_random_uuid()::text, gen_random_uuid()::text,
        ${JSON.stringify({ event_name: "Booked", payload: booking })}::json, clock_timestamp()
        from generate_series(1, ${eventCount}::int) of_execution, generate_series(0, ${executionCount - 1}::int) n
      returning processing_id as id, execution_id`

  /** The number of applied events, from the headers. */
  const countApplied = (prefix: string) =>
    Effect.map(
      sql<{ count: number }>`
        select (sum(position) - count(*))::int as count from ${headers}
         where tenant = ${tenant} and execution_id >= ${`${prefix} `} and execution_id < ${`${prefix}!`}`,
      ([row]) => row?.count ?? 0
    )

  const memory = new Map<string, Remembered>()

  const remembered = Effect.fnUntraced(function* (executionId: string) {
    const known = memory.get(executionId)
    if (known !== undefined) return known
    const rows = yield* sql<{ position: number; payload: Balance }>`
      select position, payload from ${events} where tenant = ${tenant} and execution_id = ${executionId}
       order by position`
    // At first an execution has only its start event.
    const fresh = { position: rows.length, data: rows[0]?.payload ?? Ledger.initial.data }
    memory.set(executionId, fresh)
    return fresh
  })

  /** Applies a queued event in one statement, at the cached position. */
  const applyByStatement = (id: string, executionId: string, expected: number) => sql<{ payload: typeof booking }>`
    with queued as (
      select * from ${queue} where processing_id = ${id}
    ), moved as (
      update ${headers} h set position = h.position + 1, current_state = 'Open', updated_at = clock_timestamp()
        from queued q
       where h.tenant = ${tenant} and h.execution_id = ${executionId} and h.position = ${expected}
      returning h.position, h.updated_at
    ), removed as (
      delete from ${queue} using moved where processing_id = ${id}
    )
    insert into ${events}
    select q.tenant, q.execution_id, m.position, q.event_id, q.submission->>'event_name', 'workflow', 'Open', 'Open', null,
      q.submission->'payload', 1, m.updated_at, m.updated_at, '{}'
      from queued q, moved m
    returning payload`

  /** The same in a transaction of several statements, as it is commonly written. */
  const applyByTransaction = (id: string, executionId: string, expected: number) =>
    sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`
          select position from ${headers}
           where tenant = ${tenant} and execution_id = ${executionId} and position = ${expected} for update`
        const rows = yield* sql<{ payload: typeof booking; event_id: string }>`
          select submission->'payload' as payload, event_id from ${queue} where processing_id = ${id}`
        yield* sql`
          insert into ${events} values (${tenant}, ${executionId}, ${expected + 1}, ${rows[0]?.event_id}, 'Booked',
            'workflow', 'Open', 'Open', null, ${JSON.stringify(rows[0]?.payload)}::json, 1, now(), now(), '{}')`
        yield* sql`
          update ${headers} set position = ${expected + 1}, updated_at = now()
           where tenant = ${tenant} and execution_id = ${executionId}`
        yield* sql`delete from ${queue} where processing_id = ${id}`
        return rows
      })
    )

  return {
    createTables,
    start,
    append,
    readPosition,
    enqueue,
    enqueueMany,
    countApplied,
    remembered,
    applyByStatement,
    applyByTransaction
  }
})

export type ByHand = Effect.Success<ReturnType<typeof make>>

/** Folds an event into the cached state. */
export const remember = (execution: Remembered, payload: typeof booking): void => {
  execution.position += 1
  execution.data = book(execution.data, payload)
}

export const connect = (redisUrl: string) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis(redisUrl)),
    (redis) => Effect.sync(() => redis.disconnect())
  )

export const createGroup = (redis: Redis, stream: string) =>
  Effect.promise(() => redis.xgroup("CREATE", stream, group, "0", "MKSTREAM"))

export const publish = (redis: Redis, stream: string, id: string, executionId: string) =>
  Effect.promise(() => redis.xadd(stream, "*", "id", id, "execution", executionId))

/** A worker: processes the entries one after another, for ever, and reports each applied event. */
export const work = Effect.fnUntraced(function* (
  byHand: ByHand,
  options: {
    readonly redisUrl: string
    readonly stream: string
    readonly apply: "applyByStatement" | "applyByTransaction"
    readonly onApplied: (id: string) => void
  }
) {
  const { onApplied, redisUrl, stream } = options
  const apply = byHand[options.apply]
  const [commands, reader] = [yield* connect(redisUrl), yield* connect(redisUrl)]

  const applied = Effect.fnUntraced(function* (entryId: string, id: string, executionId: string) {
    const execution = yield* byHand.remembered(executionId)
    const [row] = yield* apply(id, executionId, execution.position)
    if (row === undefined) return yield* Effect.die(new Error(`"${executionId}" is not where it was`))
    remember(execution, row.payload)
    onApplied(id)
    yield* Effect.promise(() => commands.xack(stream, group, entryId))
  })

  return yield* Effect.forever(
    Effect.gen(function* () {
      const reply = yield* Effect.promise(() =>
        reader.xreadgroup("GROUP", group, "one", "COUNT", readLimit, "BLOCK", 1000, "STREAMS", stream, ">")
      )
      for (const [, entries] of (yield* decodeEntries(reply)) ?? []) {
        for (const [entryId, [, id = "", , executionId = ""]] of entries) yield* applied(entryId, id, executionId)
      }
    })
  )
})
