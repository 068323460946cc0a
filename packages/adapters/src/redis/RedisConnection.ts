/**
 * A connection to Redis that is opened when it is needed, and after its first failure never used again.
 *
 * **Details**
 *
 * The driver neither reconnects nor queues nor resends. Its resending doubles writes; without it, what was in flight when
 * a connection broke is answered never or, by its watchdog for blocked reads, as though the time were up and all were
 * well. Here every question is answered or fails, in bounded time, and who has got a new connection knows it.
 */
import { WakeUpChannelError } from "@refold/core"
import { Duration, Effect, Redacted, Semaphore } from "effect"
import { Redis } from "ioredis"
import { toChannelError } from "./RedisFailure.ts"

export interface RedisConnection {
  /** The open connection, or a new one to a server that is new enough. */
  readonly open: (operation: string) => Effect.Effect<Redis, WakeUpChannelError>
  /** Waits for an answer that the server may take `atMost` to give: too late, and the connection is given up. */
  readonly ask: <A>(
    operation: string,
    question: () => Promise<A>,
    atMost?: Duration.Duration
  ) => Effect.Effect<A, WakeUpChannelError>
  /** Closes the connection, also in the middle of a question. */
  readonly discard: Effect.Effect<void>
}

/** What a server and the way to it may take, beside the time it was told to wait. */
const patience = Duration.seconds(3)

/** Redis 7.0; Valkey tells the version of Redis that it is compatible with. */
const leastMajorVersion = 7

/** Closed with the scope. */
export const make = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const oneAtATime = yield* Semaphore.make(1)
  let current: Redis | undefined
  let isOpen = false
  /** Of two questions over one connection that hangs, the later must not close what was opened after the earlier. */
  const giveUp = (redis: Redis | undefined) =>
    Effect.sync(() => {
      redis?.disconnect()
      if (current !== redis) return
      current = undefined
      isOpen = false
    })
  const discard = Effect.suspend(() => giveUp(current))
  yield* Effect.addFinalizer(() => discard)

  const inTime = <A>(operation: string, effect: Effect.Effect<A, WakeUpChannelError>, atMost: Duration.Duration) =>
    Effect.suspend(() => {
      const asked = current
      return Effect.timeoutOrElse(effect, {
        duration: Duration.sum(atMost, patience),
        orElse: () =>
          Effect.andThen(
            giveUp(asked),
            new WakeUpChannelError({
              operation,
              reason: { _tag: "Unavailable", isRetryable: true, detail: "it does not answer" }
            })
          )
      })
    })

  const connect = Effect.fnUntraced(function* (operation: string) {
    const redis = new Redis(Redacted.value(url), {
      lazyConnect: true,
      retryStrategy: null,
      autoResendUnfulfilledCommands: false,
      // Answers have one shape, whatever the server speaks, and it is asked for no more than we need.
      protocol: 2,
      enableReadyCheck: false,
      disableClientInfo: true
    })
    current = redis
    // The reason is in the event alone; without a listener the driver would print it.
    let refusal: Error | undefined
    redis.on("error", (error) => {
      refusal ??= error
    })
    const info = yield* Effect.tryPromise({
      try: async () => {
        await redis.connect()
        return redis.info("server")
      },
      catch: (cause) => toChannelError(operation)(refusal ?? cause)
    })
    if (refusal !== undefined) return yield* toChannelError(operation)(refusal)
    const version = /^redis_version:(\d+)\S*/m.exec(info)
    if (version === null || Number(version[1]) < leastMajorVersion) {
      const detail = version?.[0] ?? "it does not tell its version"
      return yield* new WakeUpChannelError({ operation, reason: { _tag: "TooOld", detail } })
    }
    isOpen = true
    return redis
  })

  const connection: RedisConnection = {
    open: (operation) =>
      inTime(
        operation,
        oneAtATime.withPermits(1)(
          Effect.suspend(() =>
            isOpen && current?.status === "ready"
              ? Effect.succeed(current)
              : Effect.andThen(discard, connect(operation)).pipe(Effect.onError(() => discard))
          )
        ),
        Duration.zero
      ),
    ask: (operation, question, atMost = Duration.zero) =>
      inTime(operation, Effect.tryPromise({ try: question, catch: toChannelError(operation) }), atMost),
    discard
  }
  return connection
})
