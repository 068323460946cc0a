/** One SQLite file, open as long as its layer lives. Runs statements; returns decoded values or the port's error. */
import { DatabaseSync, type SQLInputValue } from "node:sqlite"
import { Instant, StoreError, type StoreErrorReason } from "@refold/core"
import { Array, Clock, Context, Duration, Effect, Option, Predicate, Schema, Stream } from "effect"

/** Each table stores the whole record as JSON, beside the columns that queries use. */
const schema = `
  create table store (partition_count integer not null) strict;
  create table events (
    tenant text, execution_id text, position integer, partition integer not null, "offset" integer not null,
    event_id text not null, idempotency_key text, created_at text not null, record text not null,
    primary key (tenant, execution_id, position),
    unique (partition, "offset"),
    unique (tenant, event_id),
    unique (tenant, execution_id, idempotency_key)
  ) strict, without rowid;
  create trigger no_update before update on events begin select raise(abort, 'events never change'); end;
  create trigger no_delete before delete on events begin select raise(abort, 'events are never deleted'); end;
  create table executions (
    tenant text, execution_id text, record text not null, primary key (tenant, execution_id)
  ) strict, without rowid;
  create table snapshots (
    tenant text, execution_id text, position integer, fingerprint text not null, updated_at text not null,
    record text not null, primary key (tenant, execution_id, position)
  ) strict, without rowid;
  pragma user_version = 1`

type Template<A> = (text: TemplateStringsArray, ...values: ReadonlyArray<SQLInputValue>) => A

export interface Statements {
  readonly run: Template<void>
  /** Decodes the only column of all rows. */
  readonly all: <A>(value: Schema.Codec<A, unknown>) => Template<ReadonlyArray<A>>
}

const open = Effect.fnUntraced(function* (options: { readonly path: string; readonly partitionCount: number }) {
  const clock = yield* Clock.Clock
  const database = yield* Effect.acquireRelease(
    attempt("Opening the database", () => new DatabaseSync(options.path, { timeout: 5_000 })),
    (opened) => Effect.sync(() => opened.close())
  )
  const sql: Statements = {
    run: (text, ...values) => void database.prepare(text.join("?")).run(...values),
    all:
      (value) =>
      (text, ...values) => {
        const rows = database.prepare(text.join("?")).all(...values)
        return rows.map((row) => Schema.decodeUnknownSync(value)(Object.values(row)[0]))
      }
  }
  // One synchronous block: no other fiber runs between `begin` and `commit`.
  const transaction = <A>(body: () => A): A => {
    database.exec("begin immediate")
    try {
      const answer = body()
      database.exec("commit")
      return answer
    } finally {
      if (database.isTransaction) database.exec("rollback")
    }
  }
  const create = () => {
    if (sql.all(Schema.Int)`select user_version from pragma_user_version`[0] !== 0) return
    database.exec(schema)
    sql.run`insert into store values (${options.partitionCount})`
  }
  const [partitionCount = options.partitionCount] = yield* attempt("Opening the database", () => {
    database.exec("pragma journal_mode = wal")
    transaction(create)
    return sql.all(Schema.Int)`select partition_count from store`
  })
  return {
    /** The count that the file was created with. */
    partitionCount,
    /** With `until`, reads after every commit of that instant or earlier. */
    read: <A>(operation: string, body: (sql: Statements) => A, until?: string) => {
      if (until === undefined) return attempt(operation, () => body(sql))
      // The lock waits for the commit in progress. Later commits get a later stamp, once the millisecond of `until` is over.
      const wait = Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.sleep(Duration.millis(Math.min(Math.max(Instant.toEpochMillis(until) + 1 - now, 0), 2)))
      )
      const locked = attempt(operation, () => transaction(() => body(sql)))
      return Effect.andThen(wait, locked)
    },
    /** Writes all or nothing, under the file's only write lock. Reads `now` while it holds the lock. */
    write: <A>(operation: string, body: (sql: Statements, now: string) => A) =>
      attempt(operation, () => transaction(() => body(sql, Instant.fromEpochMillis(clock.currentTimeMillisUnsafe()))))
  }
})

export class SqliteDatabase extends Context.Service<SqliteDatabase>()("example/SqliteDatabase", { make: open }) {}

const attempt = <A>(operation: string, body: () => A): Effect.Effect<A, StoreError> =>
  Effect.try({
    try: body,
    catch: (cause) => new StoreError({ operation, reason: { ...reasonOf(cause), detail: String(cause), cause } })
  })

const reasonOf = (cause: unknown): StoreErrorReason => {
  if (Schema.isSchemaError(cause)) return { _tag: "Invalid" }
  const code = Predicate.hasProperty(cause, "errcode") ? Number(cause.errcode) & 0xff : 0
  return reasonOfCode[code] ?? { _tag: "Refused", isRetryable: false }
}

/** SQLite's primary result codes that say what to do. */
const reasonOfCode: Readonly<Record<number, StoreErrorReason>> = {
  // Busy, and locked: another process holds the file for a while.
  5: { _tag: "Unavailable", isRetryable: true },
  6: { _tag: "Unavailable", isRetryable: true },
  8: { _tag: "ReadOnly" },
  // The disk failed, or the file cannot be opened.
  10: { _tag: "Unavailable", isRetryable: false },
  14: { _tag: "Unavailable", isRetryable: false },
  13: { _tag: "Full" },
  // Damaged, or not a database.
  11: { _tag: "Invalid" },
  26: { _tag: "Invalid" }
}

/** Streams all rows by pages of at most `batchSize`, each after the last row of the page before. A shorter page is the last. */
export const pages = <Row>(
  batchSize: number,
  page: (last: Row | undefined) => Effect.Effect<ReadonlyArray<Row>, StoreError>
): Stream.Stream<Row, StoreError> =>
  Stream.paginate(Option.none<Row>(), (last) =>
    Effect.map(page(Option.getOrUndefined(last)), (rows) => {
      const next = rows.length < batchSize ? Option.none() : Option.map(Array.last(rows), Option.some)
      return [rows, next] as const
    })
  )

export const endOfTime = "9999-12-31T23:59:59.999Z"
