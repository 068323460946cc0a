/**
 * Wake-ups by LISTEN and NOTIFY: several processes on one PostgreSQL, and no other server.
 *
 * **Details**
 *
 * Every reader hears every wake-up of its schema, and keeps those of the partitions that it was asked for. Nothing is
 * stored: what nobody heard is found by sweeping, and acknowledging does nothing.
 *
 * **Gotchas**
 *
 * A NOTIFY within a writing transaction holds up all others that commit: publish outside of one. A pooler that gives a
 * connection to each transaction, as PgBouncer may, does not carry LISTEN.
 */
import { PgClient, PgConnection } from "@effect/sql-pg"
import {
  type Delivery,
  type WakeUp,
  WakeUpChannel,
  WakeUpChannelError,
  type WakeUpChannelErrorReason,
  type WakeUpReader
} from "@refold/core"
import { Duration, Effect, Fiber, Latch, Layer, Option, Queue, Schema, Scope } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { SqlError } from "effect/sql/SqlError"
import { hash } from "node:crypto"
import { texts } from "./Arrays.ts"
import { type SchemaOptions, defaultSchema } from "./PostgresSchema.ts"
import { isAccessRefused, sqlState, toStoreError } from "./PostgresFailure.ts"

/** PostgreSQL takes less than 8,000 bytes. */
const maxPayloadBytes = 7900

/** Wake-ups that wait for a reader to read them; of more, it learns that it has missed some. */
const maxBuffered = 10_000

/** A statement that is not answered for so long has failed: its connection may hang without closing. */
const answerTimeout = Duration.seconds(2)

/** The payload of a notification: partition, tenant and execution id of each wake-up. */
const WakeUps = Schema.fromJsonString(Schema.Array(Schema.Tuple([Schema.Int, Schema.String, Schema.String])))
const decode = Schema.decodeUnknownOption(WakeUps)

/**
 * The stream of one schema, which need not be there: only its name counts.
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

/** The stream of the schema `refold`. */
export const layer = layerWith({})

const make = Effect.fnUntraced(function* ({ schema = defaultSchema }: SchemaOptions) {
  const sql = yield* PgClient.PgClient
  if (sql.config.stream !== undefined) {
    return yield* new WakeUpChannelError({
      operation: "Opening the wake-up channel",
      reason: {
        _tag: "Refused",
        isRetryable: false,
        detail: "an embedded database has one session and no other processes: use MemoryWakeUpChannel"
      }
    })
  }
  // A channel's name is as long as a schema's at most: with a prefix, not every schema's fits.
  const channel = `refold_${hash("sha256", schema).slice(0, 32)}`

  const publish = (wakeUps: NonEmptyReadonlyArray<WakeUp>) =>
    sql`select pg_notify(${channel}, payload) from unnest(${texts(toPayloads(wakeUps))}) as payload`.pipe(
      Effect.asVoid,
      Effect.mapError(toChannelError("Publishing wake-ups")),
      answering
    )

  const listen = Effect.gen(function* () {
    // Closed after the connection, so that it has nothing to say to a server that may not answer.
    const listening = yield* Effect.acquireRelease(Scope.make(), Scope.close)
    const connection = yield* PgConnection.make(sql.config)
    const pinned = yield* Scope.provide(connection.pin, listening)
    const notifications = yield* Scope.provide(pinned.listen(channel), listening)
    return { pinned, notifications }
  }).pipe(Effect.mapError(toChannelError("Listening for wake-ups")), answering)

  const reader = Effect.gen(function* (): Effect.fn.Return<WakeUpReader, WakeUpChannelError, Scope.Scope> {
    const { notifications, pinned } = yield* listen
    const heard = yield* Latch.make(false)
    let buffer: Array<Delivery> = []
    let named: ReadonlySet<number> = new Set()
    let hasMissed = true
    let failure: WakeUpChannelError | undefined
    let lastId = 0

    const hear = (payload: string) => {
      const wakeUps = decode(payload)
      // Nobody of ours wrote it; of a newer version, it may tell of anything.
      if (Option.isNone(wakeUps)) hasMissed = true
      for (const [partition, tenant, executionId] of Option.getOrElse(wakeUps, () => [])) {
        if (!named.has(partition)) continue
        if (buffer.length >= maxBuffered) {
          hasMissed = true
          continue
        }
        lastId++
        buffer.push({ partition, tenant, executionId, deliveryId: String(lastId) })
      }
    }

    yield* Queue.takeAll(notifications).pipe(
      Effect.map((taken) => {
        for (const { payload } of taken) hear(payload)
        heard.openUnsafe()
      }),
      Effect.forever,
      Effect.mapError(toChannelError("Listening for wake-ups")),
      Effect.catch((error) =>
        Effect.sync(() => {
          failure = error
          heard.openUnsafe()
        })
      ),
      Effect.forkScoped
    )

    /** Of each partition the first `limit`; the rest stays. */
    const take = (limit: number): ReadonlyArray<Delivery> => {
      const counts = new Map<number, number>()
      const [taken, left]: [Array<Delivery>, Array<Delivery>] = [[], []]
      for (const delivery of buffer) {
        const count = counts.get(delivery.partition) ?? 0
        counts.set(delivery.partition, count + 1)
        ;(count < limit ? taken : left).push(delivery)
      }
      buffer = left
      return taken
    }

    /** Asks the server for a sign of life: a connection can be lost without anybody's telling. */
    const checkAlive = Effect.gen(function* () {
      // A query of a connection that hangs ends no sooner than the connection, which the reader's scope closes.
      const asking = yield* Effect.forkDetach(pinned.query("select 1"))
      yield* Effect.mapError(Fiber.join(asking), toChannelError("Listening for wake-ups"))
    }).pipe(answering)

    const isWaiting = () => failure === undefined && buffer.length === 0 && (named.size === 0 || !hasMissed)

    /** Wake-ups of other partitions wake it too, and it waits again. */
    const untilHeard = Effect.gen(function* () {
      while (isWaiting()) {
        heard.closeUnsafe()
        yield* heard.await
      }
    })

    const read: WakeUpReader["read"] = Effect.fnUntraced(function* ({ limit, partitions, timeout }) {
      if (partitions.some((partition) => !named.has(partition))) hasMissed = true
      named = new Set(partitions)
      buffer = buffer.filter(({ partition }) => named.has(partition))
      if (isWaiting()) {
        const ended = yield* Effect.timeoutOption(untilHeard, timeout)
        if (Option.isNone(ended)) yield* checkAlive
      }
      if (failure !== undefined) return yield* failure
      if (named.size === 0) return { deliveries: [], hasGap: false }
      const hasGap = hasMissed
      hasMissed = false
      return { deliveries: take(limit), hasGap }
    })

    return { read, acknowledge: () => Effect.void }
  })

  return WakeUpChannel.of({ publish, reader })
})

/** Few notifications for many wake-ups. One that fits into none is left out: its work is found by sweeping. */
const toPayloads = (wakeUps: ReadonlyArray<WakeUp>): ReadonlyArray<string> => {
  const payloads: Array<string> = []
  let [entries, bytes]: [Array<string>, number] = [[], 0]
  for (const { executionId, partition, tenant } of wakeUps) {
    const entry = JSON.stringify([partition, tenant, executionId])
    // With the brackets around all entries and the comma before each.
    const entryBytes = Buffer.byteLength(entry) + 1
    if (entryBytes + 1 > maxPayloadBytes) continue
    if (bytes + entryBytes + 1 > maxPayloadBytes) {
      payloads.push(`[${entries.join(",")}]`)
      ;[entries, bytes] = [[], 0]
    }
    entries.push(entry)
    bytes += entryBytes
  }
  return entries.length === 0 ? payloads : [...payloads, `[${entries.join(",")}]`]
}

const toChannelError =
  (operation: string) =>
  (error: SqlError): WakeUpChannelError =>
    new WakeUpChannelError({ operation, reason: { ...reasonOf(error), cause: error } })

const reasonOf = (error: SqlError): WakeUpChannelErrorReason => {
  const { isRetryable, reason } = toStoreError("")(error)
  const detail = reason.detail === undefined ? {} : { detail: reason.detail }
  if (isAccessRefused(error)) return { _tag: "AccessDenied", ...detail }
  // The server keeps notifications until the slowest listener has heard them: 54000 says that there is no more room.
  if (reason._tag === "Full" || sqlState(error) === "54000") return { _tag: "Full", isRetryable: true, ...detail }
  return reason._tag === "Unavailable"
    ? { _tag: "Unavailable", isRetryable, ...detail }
    : reason._tag === "ReadOnly"
      ? { _tag: "ReadOnly", isRetryable: true, ...detail }
      : { _tag: "Refused", isRetryable, ...detail }
}

const answering = Effect.timeoutOrElse({
  duration: answerTimeout,
  orElse: () =>
    Effect.fail(
      new WakeUpChannelError({
        operation: "Waiting for the wake-up channel",
        reason: { _tag: "Unavailable", isRetryable: true, detail: "the connection does not answer" }
      })
    )
})
