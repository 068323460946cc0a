/**
 * Wake-ups by LISTEN and NOTIFY: several processes on one PostgreSQL, without another server.
 *
 * **Details**
 *
 * Every reader hears every wake-up of its schema, and keeps those of the partitions that it was asked for. Nothing is
 * stored: wake-ups that no reader heard are found by sweeping, and acknowledging does nothing.
 *
 * **Gotchas**
 *
 * A NOTIFY within a writing transaction holds up all other commits: publish outside of one. A pooler that gives a
 * connection to each transaction, as PgBouncer may, does not carry LISTEN.
 */
import { PgClient, PgConnection } from "@effect/sql-pg"
import { type WakeUp, WakeUpChannel, WakeUpChannelError, type WakeUpReader } from "@refold/core"
import { type Array, Effect, Fiber, Layer, Option, Queue, Scope } from "effect"
import { hash } from "node:crypto"
import { texts } from "./Arrays.ts"
import { answering, toChannelError } from "./channel/ChannelFailure.ts"
import * as Inbox from "./channel/Inbox.ts"
import { toPayloads } from "./channel/Notification.ts"
import { type SchemaOptions, defaultSchema } from "./PostgresSchema.ts"

/**
 * The channel of one schema, which need not exist: only its name counts.
 *
 * **Details**
 *
 * Each reader has a connection of its own besides the pool.
 *
 * **Errors**
 *
 * `WakeUpChannelError` over an embedded database: it has one session and no other processes. Use `MemoryWakeUpChannel`.
 */
export const layerWith = (options: SchemaOptions) =>
  Layer.effect(
    WakeUpChannel,
    Effect.suspend(() => make(options))
  )

/** The channel of the schema `refold`. */
export const layer = layerWith({})

const make = Effect.fnUntraced(function* ({ schema = defaultSchema }: SchemaOptions) {
  const sql = yield* PgClient.PgClient
  if (sql.config.stream !== undefined) return yield* embeddedDatabase
  // A channel's name may be as long as a schema's: with a prefix, not every schema's name would fit.
  const channel = `refold_${hash("sha256", schema).slice(0, 32)}`
  return WakeUpChannel.of({
    publish: (wakeUps) => publish(sql, channel, wakeUps),
    reader: openReader(sql, channel)
  })
})

const embeddedDatabase = new WakeUpChannelError({
  operation: "Opening the wake-up channel",
  reason: {
    _tag: "Refused",
    isRetryable: false,
    detail: "an embedded database has one session and no other processes: use MemoryWakeUpChannel"
  }
})

const publish = (sql: PgClient.PgClient, channel: string, wakeUps: Array.NonEmptyReadonlyArray<WakeUp>) =>
  sql`select pg_notify(${channel}, payload) from unnest(${texts(toPayloads(wakeUps))}) as payload`.pipe(
    Effect.asVoid,
    Effect.mapError(toChannelError("Publishing wake-ups")),
    answering
  )

const listeningError = toChannelError("Listening for wake-ups")

const listen = (sql: PgClient.PgClient, channel: string) =>
  Effect.gen(function* () {
    // Closed after the connection, so that it asks nothing of a server that may not answer.
    const listening = yield* Effect.acquireRelease(Scope.make(), Scope.close)
    const connection = yield* PgConnection.make(sql.config)
    const pinned = yield* Scope.provide(connection.pin, listening)
    const notifications = yield* Scope.provide(pinned.listen(channel), listening)
    return { pinned, notifications }
  }).pipe(Effect.mapError(listeningError), answering)

type Listening = Effect.Success<ReturnType<typeof listen>>

const openReader = Effect.fnUntraced(function* (
  sql: PgClient.PgClient,
  channel: string
): Effect.fn.Return<WakeUpReader, WakeUpChannelError, Scope.Scope> {
  const { notifications, pinned } = yield* listen(sql, channel)
  const inbox = yield* Inbox.make
  yield* Effect.forkScoped(hearAll(notifications, inbox))
  return { read: (request) => read(pinned, inbox, request), acknowledge: () => Effect.void }
})

const hearAll = (notifications: Listening["notifications"], inbox: Inbox.Inbox) =>
  Queue.takeAll(notifications).pipe(
    Effect.map((taken) => {
      Inbox.hear(
        inbox,
        taken.map(({ payload }) => payload)
      )
    }),
    Effect.forever,
    Effect.mapError(listeningError),
    Effect.catch((error) => Effect.sync(() => Inbox.fail(inbox, error)))
  )

const read = Effect.fnUntraced(function* (
  pinned: Listening["pinned"],
  inbox: Inbox.Inbox,
  { limit, partitions, timeout }: Parameters<WakeUpReader["read"]>[0]
) {
  Inbox.watch(inbox, partitions)
  if (Inbox.isEmpty(inbox)) {
    const filled = yield* Effect.timeoutOption(Inbox.untilFilled(inbox), timeout)
    if (Option.isNone(filled)) yield* checkAlive(pinned)
  }
  if (inbox.failure !== undefined) return yield* inbox.failure
  return Inbox.take(inbox, limit)
})

/** Asks the server for a sign of life, because a connection can be lost without a word. */
const checkAlive = (pinned: Listening["pinned"]) =>
  Effect.gen(function* () {
    // A query on a connection that hangs ends only with the connection, which the reader's scope closes.
    const asking = yield* Effect.forkDetach(pinned.query("select 1"))
    yield* Effect.mapError(Fiber.join(asking), listeningError)
  }).pipe(answering)
