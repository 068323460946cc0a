/**
 * From `enqueueEvent` to the event in the log, over Redis, against the same path written by hand: insert, XADD, XREADGROUP,
 * one transaction, XACK. As durable, over clients of the same kinds and settings.
 */
import { RedisEventStream } from "@refold/adapters/redis"
import { WorkflowEventModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, Worker } from "@refold/runtime"
import { Array, Deferred, Effect, Layer, Redacted, Result, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Redis } from "ioredis"
import { layer, tenant } from "./Database.ts"
import { Ledger } from "./Ledger.ts"
import { type Figure, median, ratioOf } from "./Measure.ts"

/** Executions with one event under way each. */
const parallel = 64

/** One event through the path, of the execution with this number: returns once it is in the log. */
type Path = (execution: number) => Effect.Effect<void>

/** Events by their ids, as somebody writes them and somebody waits for them, in either order. */
class Applied {
  readonly #events = new Map<string, Deferred.Deferred<void>>()

  #of(id: string): Deferred.Deferred<void> {
    const known = this.#events.get(id)
    if (known !== undefined) return known
    const fresh = Deferred.makeUnsafe<void>()
    this.#events.set(id, fresh)
    return fresh
  }

  wait(id: string): Effect.Effect<void> {
    return Effect.andThen(
      Deferred.await(this.#of(id)),
      Effect.sync(() => void this.#events.delete(id))
    )
  }

  tell(id: string): void {
    Deferred.doneUnsafe(this.#of(id), Effect.void)
  }
}

/** The store, telling of every event that it appends. */
const telling = (applied: Applied) =>
  Layer.effect(
    WorkflowEventModel,
    Effect.map(WorkflowEventModel, (events) =>
      WorkflowEventModel.of({
        ...events,
        commit: (commits) =>
          Effect.tap(events.commit(commits), (results) =>
            Effect.sync(() => {
              for (const { event_id } of results.flatMap((each) =>
                Result.isSuccess(each) ? each.success.events : []
              )) {
                applied.tell(event_id)
              }
            })
          )
      })
    )
  )

const booking = { cents: 7, account: "account-7", note: "a booking as it might be, with some words to it" }

const oursPath = Effect.fnUntraced(function* (applied: Applied) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const prefix = crypto.randomUUID()
  const executionIds = Array.makeBy(parallel, (place) => `${prefix} ${place}`)
  yield* Effect.forEach(executionIds, (executionId) => runtime.startWorkflow({ tenant, executionId, workflow: Ledger }))
  const path: Path = (execution) =>
    runtime
      .enqueueEvent({
        tenant,
        executionId: executionIds[execution] ?? "",
        submission: { event_name: "Booked", payload: booking }
      })
      .pipe(
        Effect.flatMap(({ eventId }) => applied.wait(eventId)),
        Effect.orDie
      )
  return path
})

const Entries = Schema.NullOr(
  Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.Tuple([Schema.String, Schema.Array(Schema.String)]))]))
)

const State = Schema.Struct({ cents: Schema.Int, bookingCount: Schema.Int, lastAccount: Schema.String })

/** By hand: a worker that takes the entries one after another, each in a transaction of its own. */
const pathByHand = Effect.fnUntraced(function* (schema: string, redisUrl: string) {
  const sql = yield* SqlClient.SqlClient
  const applied = new Applied()
  const stream = `by hand ${crypto.randomUUID()}`
  const table = (name: string) => sql(`${schema}.${name}`)
  yield* sql`create table ${table("hand_queue")} (id uuid primary key, execution int not null, payload json not null)`
  yield* sql`create table ${table("hand_states")} (execution int primary key, position int not null, data json not null)`
  yield* sql`create table ${table("hand_events")} (execution int, position int, id uuid not null unique,
    payload json not null, created_at timestamptz not null default clock_timestamp(), primary key (execution, position))`
  yield* sql`insert into ${table("hand_states")}
    select n, 0, ${JSON.stringify(Ledger.initial.data)}::json from generate_series(0, ${parallel - 1}::int) n`
  const connect = Effect.acquireRelease(
    Effect.sync(() => new Redis(redisUrl)),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  const [publisher, reader] = [yield* connect, yield* connect]
  yield* Effect.promise(() => publisher.xgroup("CREATE", stream, "workers", "0", "MKSTREAM"))

  const process = Effect.fnUntraced(function* (id: string, execution: number) {
    const [state] = yield* sql<{ position: number; data: unknown }>`
      select position, data from ${table("hand_states")} where execution = ${execution} for update`
    const [queued] = yield* sql<{ payload: unknown }>`select payload from ${table("hand_queue")} where id = ${id}`
    const position = (state?.position ?? 0) + 1
    const before = yield* Schema.decodeUnknownEffect(State)(state?.data)
    const after = {
      cents: before.cents + booking.cents,
      bookingCount: before.bookingCount + 1,
      lastAccount: booking.account
    }
    yield* sql`insert into ${table("hand_events")} (execution, position, id, payload)
      values (${execution}, ${position}, ${id}, ${JSON.stringify(queued?.payload)}::json)`
    yield* sql`update ${table("hand_states")} set position = ${position}, data = ${JSON.stringify(after)}::json
      where execution = ${execution}`
    yield* sql`delete from ${table("hand_queue")} where id = ${id}`
  })

  const work = Effect.gen(function* () {
    const reply = yield* Effect.promise(() =>
      reader.xreadgroup("GROUP", "workers", "one", "COUNT", 100, "BLOCK", 1000, "STREAMS", stream, ">")
    )
    for (const [, entries] of (yield* Schema.decodeUnknownEffect(Entries)(reply)) ?? []) {
      for (const [entryId, fields] of entries) {
        const [, id = "", , execution] = fields
        yield* sql.withTransaction(process(id, Number(execution)))
        applied.tell(id)
        yield* Effect.promise(() => publisher.xack(stream, "workers", entryId))
      }
    }
  })
  yield* Effect.forkScoped(Effect.forever(work))

  const path: Path = (execution) =>
    Effect.gen(function* () {
      const id = crypto.randomUUID()
      yield* sql`insert into ${table("hand_queue")} (id, execution, payload)
        values (${id}, ${execution}, ${JSON.stringify(booking)}::json)`
      yield* Effect.promise(() => publisher.xadd(stream, "*", "id", id, "execution", execution))
      yield* applied.wait(id)
    }).pipe(Effect.orDie)
  return path
})

/** Milliseconds of the median event, one after another. */
const latency = (path: Path) =>
  Effect.gen(function* () {
    const millis: Array<number> = []
    for (let event = 0; event < 100; event++) {
      const startedAt = performance.now()
      yield* path(event % parallel)
      millis.push(performance.now() - startedAt)
    }
    return median(millis)
  })

/** Events a second, one of each execution under way at any time. */
const throughput = (path: Path) =>
  Effect.gen(function* () {
    const each = 30
    const startedAt = performance.now()
    yield* Effect.forEach(
      Array.range(0, parallel - 1),
      (execution) => Effect.repeat(path(execution), { times: each - 1 }),
      {
        concurrency: parallel,
        discard: true
      }
    )
    return (each * parallel * 1000) / (performance.now() - startedAt)
  })

const turnCount = 7

const both = Effect.fnUntraced(function* (
  paths: { readonly ours: Path; readonly reference: Path },
  measure: (path: Path) => Effect.Effect<number>
) {
  const turns: Array<{ readonly ours: number; readonly reference: number }> = []
  yield* measure(paths.ours)
  yield* measure(paths.reference)
  for (let turn = 0; turn < turnCount; turn++) {
    const first = turn % 2 === 0 ? yield* measure(paths.ours) : undefined
    const reference = yield* measure(paths.reference)
    turns.push({ ours: first ?? (yield* measure(paths.ours)), reference })
  }
  return turns
})

const figureOf = (
  name: string,
  unit: string,
  target: number,
  turns: ReadonlyArray<{ readonly ours: number; readonly reference: number }>,
  ratio: (turn: { readonly ours: number; readonly reference: number }) => number
): Figure => ({
  name,
  unit,
  target,
  ours: median(turns.map((turn) => turn.ours)),
  reference: median(turns.map((turn) => turn.reference)),
  ...ratioOf(turns.map(ratio))
})

/** Both paths over one database and one Redis, in a process that does nothing else. */
const withPaths = <A>(
  databaseUrl: string,
  redisUrl: string,
  use: (paths: { readonly ours: Path; readonly reference: Path }) => Effect.Effect<A>
) =>
  Effect.suspend(() => {
    const schema = "refold_bench_processing"
    const applied = new Applied()
    return Effect.gen(function* () {
      return yield* use({ ours: yield* oursPath(applied), reference: yield* pathByHand(schema, redisUrl) })
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Worker.layer().pipe(
          Layer.provideMerge(TypeScriptWorkflowRuntime.layer),
          Layer.provideMerge(telling(applied)),
          Layer.provideMerge(layer(databaseUrl, schema)),
          Layer.provideMerge(RedisEventStream.layer({ url: Redacted.make(redisUrl), namespace: crypto.randomUUID() }))
        )
      )
    )
  })

export const processing = (databaseUrl: string, redisUrl: string) => ({
  "process/latency": withPaths(databaseUrl, redisUrl, (paths) =>
    Effect.map(both(paths, latency), (turns) =>
      figureOf("process/latency", "ms p50", 1 / 1.5, turns, (turn) => turn.reference / turn.ours)
    )
  ),
  "process/throughput": withPaths(databaseUrl, redisUrl, (paths) =>
    Effect.map(both(paths, throughput), (turns) =>
      figureOf("process/throughput", "events/s", 3, turns, (turn) => turn.ours / turn.reference)
    )
  )
})
