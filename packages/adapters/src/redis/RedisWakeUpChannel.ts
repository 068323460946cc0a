/**
 * Wake-ups over Redis Streams: Redis 7.0 or Valkey 7.2, or newer.
 *
 * **Details**
 *
 * Each partition has one stream with one consumer group. A group begins at 0, not at `$`, so that it sees entries that
 * were published before there was a reader. Acknowledged entries are deleted, so that a stream holds unread and
 * unacknowledged entries only; trimming by length would lose some of those.
 *
 * A partition has one owner, by its lease, so all readers use one consumer name. The new owner of a partition finds the
 * unacknowledged entries of the last one among the pending entries of that consumer. There is nothing to claim after an
 * idle time, and there are no dead consumers to delete, which would drop their pending entries.
 */
import { WakeUpChannel, WakeUpChannelError } from "@refold/core"
import { Config, Effect, Layer, Redacted, Semaphore } from "effect"
import { type Streams, acknowledge, publish } from "./Commands.ts"
import * as RedisConnection from "./RedisConnection.ts"
import * as StreamReader from "./StreamReader.ts"

export interface RedisOptions {
  /** `redis://` or, with TLS, `rediss://`. */
  readonly url: Redacted.Redacted
  /** Channels of different namespaces share only the server. `refold` by default. */
  readonly namespace?: string
}

/**
 * The channel of one namespace.
 *
 * **Details**
 *
 * The layer opens also while Redis cannot be reached; until it can, work is found by sweeping. Reads wait for Redis as
 * long as they would wait for a wake-up, and then fail.
 *
 * **Errors**
 *
 * `WakeUpChannelError` where waiting would not help: a wrong address or password, a server that is too old.
 */
export const layer = (options: RedisOptions) => Layer.effect(WakeUpChannel, make(options))

/** The channel of the server that `REDIS_URL` names. */
export const layerConfig = (options: Omit<RedisOptions, "url"> = {}) =>
  Layer.unwrap(Effect.map(Config.Redacted("REDIS_URL"), (url) => layer({ ...options, url })))

const make = Effect.fnUntraced(function* ({ namespace = "refold", url }: RedisOptions) {
  yield* checkAddress(url)
  const connection = yield* RedisConnection.make(url)
  yield* Effect.catchIf(
    connection.open("Connecting to Redis"),
    (error) => error.isRetryable,
    () => Effect.void
  )
  // The braces keep the streams together in a cluster, so that one call can read them.
  const keyOf = (partition: number) => `{refold:${namespace}}:wake-ups:${partition}`
  const streams: Streams = { connection, keyOf }
  return WakeUpChannel.of({
    publish: (wakeUps) => publish(streams, wakeUps),
    reader: Effect.gen(function* () {
      const own = yield* RedisConnection.make(url)
      const oneAtATime = yield* Semaphore.make(1)
      const read = StreamReader.make({ connection: own, keyOf })
      return {
        read: (request) => oneAtATime.withPermits(1)(read(request)),
        acknowledge: (deliveries) => acknowledge(streams, deliveries)
      }
    })
  })
})

/** The driver takes any text for the path of a socket, and throws at text that it cannot decode. */
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
