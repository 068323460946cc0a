/** Reads the streams of partitions over a connection of its own, and reads again what may have been lost with it. */
import type { Received, WakeUpReader } from "@refold/core"
import { Clock, Duration, Effect, Schedule } from "effect"
import type { Redis } from "ioredis"
import { type Streams, acknowledge, consumer, createGroups, group } from "./Commands.ts"
import { type Entries, decodeReply, firstPending, sortEntries, unread } from "./StreamEntry.ts"

type Request = Parameters<WakeUpReader["read"]>[0]

/** A reader's knowledge of the streams. It belongs to one connection, and is lost with it. */
interface Session {
  readonly redis: Redis
  /**
   * The next entry of each partition that the last read named. Another partition may have no group yet, or pending entries
   * of another owner.
   */
  cursors: ReadonlyMap<number, string>
  /** When all pending entries were last read from the first. */
  restartedAtMillis: number
  /** True at first: nobody knows what was lost before we connected. Redis may have been restarted, and empty. */
  hasGap: boolean
}

interface Reader extends Streams {
  session: Session | undefined
}

const operation = "Reading wake-ups"

/** The longest time that a read blocks, and so the longest time until a connection that hangs is noticed. */
const maxBlock = Duration.seconds(5)

/**
 * How often all pending entries are read again. The server may have delivered some to a connection that it did not know
 * to be dead yet, after a new connection had read the pending entries.
 */
const restartEvery = Duration.seconds(10)

const backOff = Schedule.min([Schedule.exponential("20 millis"), Schedule.spaced("1 second")])

/** The port's `read`, for calls that come one after another. */
export const make = (streams: Streams): WakeUpReader["read"] => {
  const reader: Reader = { ...streams, session: undefined }
  return (request) =>
    request.partitions.length === 0
      ? Effect.as(Effect.sleep(request.timeout), { deliveries: [], hasGap: false })
      : readWithin(reader, request)
}

/** Reads until there is something to return, or the time is over. Retries what may pass, over another connection. */
const readWithin = Effect.fnUntraced(function* (reader: Reader, request: Request) {
  let timeLeft = request.timeout
  while (true) {
    const { received, waited } = yield* readOnce(reader, { ...request, timeout: timeLeft }).pipe(
      // The entries that a failed read received are pending, and are read again.
      Effect.onError(() => reader.connection.discard),
      Effect.retry({
        while: (error) => error.isRetryable,
        schedule: Schedule.upTo(backOff, { duration: timeLeft })
      })
    )
    if (received.hasGap || received.deliveries.length > 0) return received
    if (waited === undefined) continue
    timeLeft = Duration.subtract(timeLeft, waited)
    if (!Duration.isGreaterThan(timeLeft, Duration.millis(1))) return received
  }
})

/** One read, and how long it waited for new entries; undefined if it read pending entries only. */
const readOnce = Effect.fnUntraced(function* (reader: Reader, request: Request) {
  const { connection, keyOf } = reader
  const redis = yield* connection.open(operation)
  const session = yield* prepare(reader, redis, request.partitions)
  const from = request.partitions.map((partition) => session.cursors.get(partition) ?? firstPending)
  const readsPending = from.some((cursor) => cursor !== unread)
  const mayWait = !readsPending && !session.hasGap && Duration.isGreaterThan(request.timeout, Duration.zero)
  const block = mayWait ? Duration.min(request.timeout, maxBlock) : undefined

  const entries = yield* readGroup(reader, redis, { ...request, from, block })
  const { cursors, deliveries, foreign } = sortEntries(entries, { ...request, from, keyOf })
  // Otherwise each restart would find them again.
  yield* acknowledge(reader, foreign)

  const received: Received = { deliveries, hasGap: session.hasGap || foreign.length > 0 }
  session.hasGap = false
  session.cursors = cursors
  return { received, waited: readsPending ? undefined : (block ?? Duration.zero) }
})

/** The session over this connection, with the groups of all partitions. */
const prepare = Effect.fnUntraced(function* (reader: Reader, redis: Redis, partitions: ReadonlyArray<number>) {
  const now = yield* Clock.currentTimeMillis
  if (reader.session?.redis !== redis) {
    reader.session = { redis, cursors: new Map(), restartedAtMillis: now, hasGap: true }
  }
  const { session } = reader
  const added = partitions.filter((partition) => !session.cursors.has(partition))
  if (yield* createGroups(reader.connection, operation, redis, added.map(reader.keyOf))) session.hasGap = true
  if (Math.abs(now - session.restartedAtMillis) >= Duration.toMillis(restartEvery)) {
    session.cursors = new Map()
    session.restartedAtMillis = now
  }
  return session
})

const readGroup = (
  { connection, keyOf }: Reader,
  redis: Redis,
  options: {
    readonly partitions: ReadonlyArray<number>
    readonly from: ReadonlyArray<string>
    readonly limit: number
    /** How long to wait for an entry; without it, not at all. */
    readonly block: Duration.Duration | undefined
  }
): Effect.Effect<Entries, Effect.Error<ReturnType<typeof decodeReply>>> => {
  const { block, from, limit, partitions } = options
  // At least 1, because 0 means forever.
  const blockMillis = block === undefined ? undefined : Math.max(1, Math.floor(Duration.toMillis(block)))
  const command = ["GROUP", group, consumer, "COUNT", String(limit)]
  const blocking = blockMillis === undefined ? [] : ["BLOCK", String(blockMillis)]
  const streams = ["STREAMS", ...partitions.map(keyOf), ...from]
  return connection
    .ask(
      operation,
      () => redis.call("xreadgroup", [...command, ...blocking, ...streams]),
      Duration.millis(blockMillis ?? 0)
    )
    .pipe(Effect.flatMap((reply) => decodeReply(operation, reply)))
}
