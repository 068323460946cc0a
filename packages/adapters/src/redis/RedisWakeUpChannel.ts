/**
 * Wake-ups over Redis Streams: Redis 7.0 or Valkey 7.2, or newer.
 *
 * **Details**
 *
 * One stream for each partition, with one consumer group. A group begins at 0, not at `$`, so that it sees what was
 * published before there was a reader. What is acknowledged is deleted, so that a stream holds what is unread or under
 * way: trimming by length would lose some of that.
 *
 * A partition has one owner, by its lease, so all readers go by one consumer name. Who takes a partition over finds what
 * the last owner left by reading the pending entries of that consumer. There is nothing to claim after an idle time, and
 * there are no dead consumers to delete, which would drop their pending entries.
 */
import { type Delivery, WakeUpChannel, WakeUpChannelError, Identifier, type Received, type WakeUp } from "@refold/core"
import { Array, Clock, Config, Duration, Effect, Layer, Option, Redacted, Schedule, Schema, Semaphore } from "effect"
import type { ChainableCommander, Redis } from "ioredis"
import * as RedisConnection from "./RedisConnection.ts"
import { toChannelError } from "./RedisFailure.ts"

export interface RedisOptions {
  /** `redis://` or, with TLS, `rediss://`. */
  readonly url: Redacted.Redacted
  /** Streams of different namespaces share nothing but the server. `refold` by default. */
  readonly namespace?: string
}

const group = "workers"
const consumer = "owner"

/** What one answer of a blocked read waits for: also how long a connection that hangs is not noticed. */
const maxBlock = Duration.seconds(5)

/**
 * How often all pending entries are read again: the server may have handed some to a connection that it did not know
 * yet to be dead, after a new one had read what was pending.
 */
const lookBackEvery = Duration.seconds(10)

/** Commands sent in one go. */
const batchSize = 1000

const backOff = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])

/**
 * The stream of one namespace.
 *
 * **Details**
 *
 * It is made also while Redis cannot be reached: until it can, work is found by sweeping. Reads then wait for Redis, as
 * long as they would for a wake-up, and fail if it does not come.
 *
 * **Errors**
 *
 * `WakeUpChannelError` where waiting would not help: a wrong address or password, a server that is too old.
 */
export const layer = (options: RedisOptions) =>
  Layer.effect(
    WakeUpChannel,
    Effect.gen(function* () {
      yield* checkAddress(options.url)
      const commands = yield* RedisConnection.make(options.url)
      yield* Effect.catchIf(
        commands.open("Connecting to Redis"),
        (error) => error.isRetryable,
        () => Effect.void
      )
      // The braces make the streams neighbours in a cluster, so that one call can read them.
      const keyOf = (partition: number) => `{refold:${options.namespace ?? "refold"}}:wake-ups:${partition}`

      return WakeUpChannel.of({
        publish: (wakeUps) =>
          Effect.forEach(
            Array.chunksOf(wakeUps, batchSize),
            (chunk) =>
              inOneGo(commands, "Publishing wake-ups", (pipeline) => {
                for (const wakeUp of chunk) pipeline.xadd(keyOf(wakeUp.partition), "*", ...fieldsOf(wakeUp))
              }),
            { discard: true }
          ),
        reader: Effect.map(
          Effect.all([RedisConnection.make(options.url), Semaphore.make(1)]),
          ([connection, oneAtATime]) => {
            const read = readThrough(connection, keyOf)
            return {
              read: (request) => oneAtATime.withPermits(1)(read(request)),
              acknowledge: (deliveries) => acknowledge(commands, keyOf, deliveries)
            }
          }
        )
      })
    })
  )

/** The same, of the server that `REDIS_URL` names. */
export const layerConfig = (options: Omit<RedisOptions, "url"> = {}) =>
  Layer.unwrap(Effect.map(Config.Redacted("REDIS_URL"), (url) => layer({ ...options, url })))

// The driver takes any text for the path of a socket, and throws what it cannot decode.
const checkAddress = (url: Redacted.Redacted) =>
  Effect.try({
    try: () =>
      /^rediss?:\/\//.test(Redacted.value(url)) &&
      URL.canParse(Redacted.value(url)) &&
      decodeURIComponent(Redacted.value(url)) !== "",
    catch: () => notAnAddress
  }).pipe(Effect.flatMap((isAddress) => (isAddress ? Effect.void : Effect.fail(notAnAddress))))

const notAnAddress = new WakeUpChannelError({
  operation: "Connecting to Redis",
  reason: {
    _tag: "Unavailable",
    isRetryable: false,
    detail: "the address is not of the form redis://user:password@host:port"
  }
})

// --- Reading ----------------------------------------------------------------------------------------------------------

interface Request {
  readonly partitions: ReadonlyArray<number>
  readonly limit: number
  readonly timeout: Duration.Duration
}

/** What is known of the streams over one connection: with it, all of it goes. */
interface Session {
  readonly redis: Redis
  /**
   * From where each partition that the last read named is read on: after a pending entry, or `>` for what nobody has
   * read. Of others there may be no group yet, and another owner's pending entries.
   */
  cursors: ReadonlyMap<number, string>
  lookedBackAtMillis: number
  /** What was lost before we connected, nobody knows: Redis may have been started anew, and empty. */
  hasGap: boolean
}

const operation = "Reading wake-ups"
const unread = ">"

const readThrough = (connection: RedisConnection.RedisConnection, keyOf: (partition: number) => string) => {
  let session: Session | undefined

  /** Reads once. Answers with how long it waited for what nobody has read; undefined when it only looked back. */
  const attempt = Effect.fnUntraced(function* (request: Request) {
    const redis = yield* connection.open(operation)
    const now = yield* Clock.currentTimeMillis
    if (session?.redis !== redis) session = { redis, cursors: new Map(), lookedBackAtMillis: now, hasGap: true }
    const { cursors } = session

    const added = request.partitions.filter((partition) => !cursors.has(partition))
    if (yield* createGroups(connection, redis, added.map(keyOf))) session.hasGap = true
    if (Math.abs(now - session.lookedBackAtMillis) >= Duration.toMillis(lookBackEvery)) {
      session.cursors = new Map()
      session.lookedBackAtMillis = now
    }
    const from = request.partitions.map((partition) => session?.cursors.get(partition) ?? "0")
    const looksBack = from.some((cursor) => cursor !== unread)
    // To wait, it is told 1 at least: 0 is for ever.
    const block = Math.max(1, Math.floor(Duration.toMillis(Duration.min(request.timeout, maxBlock))))
    const mayWait = !looksBack && !session.hasGap && Duration.isGreaterThan(request.timeout, Duration.zero)

    const reply = yield* connection.ask(
      operation,
      () =>
        redis.call("xreadgroup", [
          "GROUP",
          group,
          consumer,
          "COUNT",
          String(request.limit),
          ...(mayWait ? ["BLOCK", String(block)] : []),
          "STREAMS",
          ...request.partitions.map(keyOf),
          ...from
        ]),
      Duration.millis(mayWait ? block : 0)
    )
    const entriesOf = new Map(yield* decodeReply(reply))
    const deliveries: Array<Delivery> = []
    const foreign: Array<Pick<Delivery, "partition" | "deliveryId">> = []
    const next = new Map<number, string>()
    request.partitions.forEach((partition, place) => {
      const entries = entriesOf.get(keyOf(partition)) ?? []
      for (const [deliveryId, fields] of entries) {
        const wakeUp = Option.flatMap(Option.fromNullishOr(fields), wakeUpOf)
        if (Option.isSome(wakeUp)) deliveries.push({ ...wakeUp.value, partition, deliveryId })
        else foreign.push({ partition, deliveryId })
      }
      const isBehind = from[place] !== unread && entries.length >= request.limit
      next.set(partition, isBehind ? (entries.at(-1)?.[0] ?? unread) : unread)
    })
    // Nothing we published, or deleted before it was acknowledged: left alone, each look back would find it.
    yield* acknowledge(connection, keyOf, foreign)

    const received: Received = { deliveries, hasGap: session.hasGap || foreign.length > 0 }
    session.hasGap = false
    session.cursors = next
    return { received, waited: looksBack ? undefined : Duration.millis(mayWait ? block : 0) }
  })

  return Effect.fnUntraced(function* (request: Request) {
    if (request.partitions.length === 0) {
      yield* Effect.sleep(request.timeout)
      return { deliveries: [], hasGap: false }
    }
    let left = request.timeout
    while (true) {
      const { received, waited } = yield* attempt({ ...request, timeout: left }).pipe(
        // Whatever went wrong, what it was about is read again as pending, over another connection.
        Effect.onError(() => connection.discard),
        Effect.retry({
          while: (error) => error.isRetryable,
          schedule: Schedule.upTo(backOff, { duration: left })
        })
      )
      if (received.hasGap || received.deliveries.length > 0) return received
      if (waited === undefined) continue
      left = Duration.subtract(left, waited)
      if (!Duration.isGreaterThan(left, Duration.millis(1))) return received
    }
  })
}

/** Whether any of them was missing. */
const createGroups = Effect.fnUntraced(function* (
  connection: RedisConnection.RedisConnection,
  redis: Redis,
  keys: ReadonlyArray<string>
) {
  if (keys.length === 0) return false
  const pipeline = redis.pipeline()
  for (const key of keys) pipeline.xgroup("CREATE", key, group, "0", "MKSTREAM")
  const results = (yield* connection.ask(operation, () => pipeline.exec())) ?? []
  const failures = results.flatMap(([error]) => error ?? [])
  const failure = failures.find((error) => !error.message.startsWith("BUSYGROUP"))
  if (failure !== undefined) return yield* toChannelError(operation)(failure)
  return failures.length < keys.length
})

const Reply = Schema.NullOr(
  Schema.Array(
    Schema.Tuple([
      Schema.String,
      Schema.Array(Schema.Tuple([Schema.String, Schema.NullOr(Schema.Array(Schema.String))]))
    ])
  )
)

const decodeReply = (reply: unknown) =>
  Schema.decodeUnknownEffect(Reply)(reply).pipe(
    Effect.mapBoth({
      onSuccess: (streams) => streams ?? [],
      onFailure: () =>
        new WakeUpChannelError({
          operation,
          reason: { _tag: "Refused", isRetryable: false, detail: "an answer of another shape" }
        })
    })
  )

// --- Entries ----------------------------------------------------------------------------------------------------------

const Entry = Schema.Struct({
  tenant: Identifier.Identifier,
  execution_id: Identifier.Identifier
})
const decodeEntry = Schema.decodeUnknownOption(Entry)

const fieldsOf = ({ executionId, tenant }: WakeUp): ReadonlyArray<string> => [
  "tenant",
  tenant,
  "execution_id",
  executionId
]

const wakeUpOf = (fields: ReadonlyArray<string>): Option.Option<Omit<WakeUp, "partition">> =>
  Option.map(decodeEntry(Object.fromEntries(Array.chunksOf(fields, 2))), ({ execution_id: executionId, tenant }) => ({
    tenant,
    executionId
  }))

const acknowledge = (
  connection: RedisConnection.RedisConnection,
  keyOf: (partition: number) => string,
  deliveries: ReadonlyArray<Pick<Delivery, "partition" | "deliveryId">>
) => {
  const idsOf = new Map<number, Array<string>>()
  for (const { deliveryId, partition } of deliveries) {
    const ids = idsOf.get(partition)
    if (ids === undefined) idsOf.set(partition, [deliveryId])
    else ids.push(deliveryId)
  }
  if (idsOf.size === 0) return Effect.void
  return inOneGo(connection, "Acknowledging wake-ups", (pipeline) => {
    for (const [partition, all] of idsOf) {
      for (const ids of Array.chunksOf(all, batchSize)) {
        pipeline.xack(keyOf(partition), group, ...ids)
        pipeline.xdel(keyOf(partition), ...ids)
      }
    }
  })
}

/** The first refusal fails it, though what came after may be done. */
const inOneGo = Effect.fnUntraced(function* (
  connection: RedisConnection.RedisConnection,
  operation: string,
  fill: (pipeline: ChainableCommander) => void
) {
  const redis = yield* connection.open(operation)
  const pipeline = redis.pipeline()
  fill(pipeline)
  const results = yield* connection.ask(operation, () => pipeline.exec())
  const failure = results?.find(([error]) => error !== null)?.[0]
  if (failure === undefined || failure === null) return
  const error = toChannelError(operation)(failure)
  // A primary that was demoted keeps its clients: the address may lead to another one by now.
  if (error.reason._tag === "ReadOnly") yield* connection.discard
  return yield* error
})
