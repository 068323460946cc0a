/**
 * A connection to Redis that is opened when it is needed, and never used again after its first failure.
 *
 * **Details**
 *
 * The driver neither reconnects nor queues nor resends. Its resending doubles writes. Without it, a command that was in
 * flight when the connection broke is never answered or, by its watchdog for blocked reads, is answered as if the time
 * were over and all was well. Here every question is answered or fails in bounded time, and a caller can tell that it
 * has a new connection.
 */
import { WakeUpChannelError } from "@refold/core"
import { Duration, Effect, Redacted, Semaphore } from "effect"
import { Redis } from "ioredis"
import { toChannelError } from "./RedisFailure.ts"

export interface RedisConnection {
  /** The open connection, or a new one to a server that is new enough. */
  readonly open: (operation: string) => Effect.Effect<Redis, WakeUpChannelError>
  /** Waits for an answer, for which the server may take `atMost`. After that the connection is discarded. */
  readonly ask: <A>(
    operation: string,
    question: () => Promise<A>,
    atMost?: Duration.Duration
  ) => Effect.Effect<A, WakeUpChannelError>
  /** Closes the connection, also during a question. */
  readonly discard: Effect.Effect<void>
}

/** Time for the network and the server, beside the time that the server was told to wait. */
const patience = Duration.seconds(3)

/** Redis 7.0. Valkey names the version of Redis that it is compatible with. */
const minMajorVersion = 7

interface State {
  readonly url: Redacted.Redacted
  readonly oneAtATime: Semaphore.Semaphore
  current: Redis | undefined
  isOpen: boolean
}

/** Closed with the scope. */
export const make = Effect.fnUntraced(function* (url: Redacted.Redacted) {
  const state: State = { url, oneAtATime: yield* Semaphore.make(1), current: undefined, isOpen: false }
  const discard = Effect.suspend(() => close(state, state.current))
  yield* Effect.addFinalizer(() => discard)
  const connection: RedisConnection = {
    open: (operation) => inTime(state, operation, open(state, operation), Duration.zero),
    ask: (operation, question, atMost = Duration.zero) =>
      inTime(state, operation, Effect.tryPromise({ try: question, catch: toChannelError(operation) }), atMost),
    discard
  }
  return connection
})

/**
 * Closes the connection, if it is the current one. If two questions hang, the second must not close what the first
 * opened next.
 */
const close = (state: State, redis: Redis | undefined) =>
  Effect.sync(() => {
    redis?.disconnect()
    if (state.current !== redis) return
    state.current = undefined
    state.isOpen = false
  })

const inTime = <A>(
  state: State,
  operation: string,
  effect: Effect.Effect<A, WakeUpChannelError>,
  atMost: Duration.Duration
) =>
  Effect.suspend(() => {
    const asked = state.current
    return Effect.timeoutOrElse(effect, {
      duration: Duration.sum(atMost, patience),
      orElse: () =>
        Effect.andThen(
          close(state, asked),
          new WakeUpChannelError({
            operation,
            reason: { _tag: "Unavailable", isRetryable: true, detail: "it does not answer" }
          })
        )
    })
  })

const open = (state: State, operation: string) =>
  state.oneAtATime.withPermits(1)(
    Effect.suspend(() => {
      if (state.isOpen && state.current?.status === "ready") return Effect.succeed(state.current)
      const discard = Effect.suspend(() => close(state, state.current))
      return Effect.andThen(discard, connect(state, operation)).pipe(Effect.onError(() => discard))
    })
  )

const connect = Effect.fnUntraced(function* (state: State, operation: string) {
  const redis = new Redis(Redacted.value(state.url), {
    lazyConnect: true,
    retryStrategy: null,
    autoResendUnfulfilledCommands: false,
    // Answers have one shape on every server, and it is asked for no more than we need.
    protocol: 2,
    enableReadyCheck: false,
    disableClientInfo: true
  })
  state.current = redis
  // Only this event has the reason; without a listener the driver would print it.
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
  yield* checkVersion(operation, info)
  state.isOpen = true
  return redis
})

const checkVersion = (operation: string, info: string): Effect.Effect<void, WakeUpChannelError> => {
  const version = /^redis_version:(\d+)\S*/m.exec(info)
  if (version !== null && Number(version[1]) >= minMajorVersion) return Effect.void
  const detail = version?.[0] ?? "it does not tell its version"
  return Effect.fail(new WakeUpChannelError({ operation, reason: { _tag: "TooOld", detail } }))
}
