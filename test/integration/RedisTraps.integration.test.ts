/** Known traps of Redis Streams and of their client: each is shown with the plain client, and the adapter handles it. */
import { afterAll, assert, beforeAll, describe, inject, it } from "@effect/vitest"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { type Delivery, WakeUpChannel, type WakeUpReader, type WakeUp } from "@refold/core"
import { Array, Duration, Effect, Fiber, Layer, Redacted } from "effect"
import { Redis } from "ioredis"
import { type TcpProxy, startTcpProxy } from "../servers/TcpProxy.ts"
import { keyOf, ownNamespace, rawClient } from "./ownNamespace.ts"

const wakeUps = (count: number, partition = 1): Array.NonEmptyReadonlyArray<WakeUp> =>
  Array.makeBy(count, (place) => ({ partition, tenant: "t", executionId: String(place) }))

const namesOf = (deliveries: ReadonlyArray<WakeUp>) => deliveries.map(({ executionId }) => executionId)

const read = (reader: WakeUpReader, partitions: ReadonlyArray<number> = [1], timeout = 100, limit = 1000) =>
  reader.read({ partitions, limit, timeout: Duration.millis(timeout) })

/** Reads until it has this many wake-ups. */
const collect = Effect.fnUntraced(function* (reader: WakeUpReader, count: number, partitions = [1]) {
  const received: Array<Delivery> = []
  while (received.length < count) received.push(...(yield* read(reader, partitions, 10_000)).deliveries)
  return received
})

const ask = <A>(question: () => Promise<A>) => Effect.promise(question)

/** Polls a bounded number of times instead of sleeping. */
const until = Effect.fnUntraced(function* (what: string, holds: () => Promise<boolean>) {
  for (let asked = 0; asked < 5000; asked++) if (yield* ask(holds)) return
  assert.fail(`${what} never came true`)
})

const isBlocked = (redis: Redis, name: string) =>
  until(`${name} blocks`, async () => /\bcmd=xreadgroup\b/.test(await clientNamed(redis, name)))

const clientNamed = async (redis: Redis, name: string) =>
  String(await redis.client("LIST"))
    .split("\n")
    .filter((line) => line.includes(`name=${name} `) && line.includes("flags=b"))
    .join("\n")

/** The number of clients of the database that are blocked in a read. */
const blockedCount = async (redis: Redis, database: number) =>
  String(await redis.client("LIST"))
    .split("\n")
    .filter((line) => line.includes(` db=${database} `) && line.includes("flags=b")).length

describe("groups", () => {
  it.live("created at $ do not see what was published before; ours does", () =>
    Effect.gen(function* () {
      const { layer, namespace } = ownNamespace("group")
      const redis = yield* rawClient()
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        yield* stream.publish(wakeUps(3))
        const key = keyOf(namespace, 1)
        yield* ask(() => redis.xgroup("CREATE", key, "at $", "$"))
        assert.isNull(yield* ask(() => redis.xreadgroup("GROUP", "at $", "c", "STREAMS", key, ">")))
        assert.deepStrictEqual(namesOf(yield* collect(yield* stream.reader, 3)), ["0", "1", "2"])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )

  it.live("count per stream: ten of each of three are thirty", () =>
    Effect.gen(function* () {
      const { layer, namespace } = ownNamespace("count")
      const redis = yield* rawClient()
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        const partitions = [1, 2, 3]
        yield* stream.publish(Array.flatMap(Array.make(1, 2, 3), (partition) => wakeUps(20, partition)))
        const keys = partitions.map((partition) => keyOf(namespace, partition))
        for (const key of keys) yield* ask(() => redis.xgroup("CREATE", key, "raw", "0"))
        const reply = yield* ask(() =>
          redis.xreadgroup("GROUP", "raw", "c", "COUNT", 10, "STREAMS", ...keys, ">", ">", ">")
        )
        assert.strictEqual(globalThis.Array.isArray(reply) ? reply.flatMap(([, items]) => items).length : 0, 30)

        const reader = yield* stream.reader
        yield* read(reader, partitions)
        const { deliveries } = yield* read(reader, partitions, 100, 10)
        assert.deepStrictEqual(
          partitions.map((partition) => deliveries.filter((each) => each.partition === partition).length),
          [10, 10, 10]
        )
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )

  it.live(
    "lose what a consumer had pending when it is deleted; ours go by one name, and the next owner has it at once",
    () =>
      Effect.gen(function* () {
        const { layer, namespace } = ownNamespace("owner")
        const redis = yield* rawClient()
        yield* Effect.gen(function* () {
          const stream = yield* WakeUpChannel
          const key = keyOf(namespace, 1)
          yield* stream.publish(wakeUps(5))
          yield* ask(() => redis.xgroup("CREATE", key, "raw", "0"))
          yield* ask(() => redis.xreadgroup("GROUP", "raw", "dead", "STREAMS", key, ">"))
          assert.strictEqual(yield* ask(() => redis.xgroup("DELCONSUMER", key, "raw", "dead")), 5)
          assert.isNull(yield* ask(() => redis.xreadgroup("GROUP", "raw", "next", "STREAMS", key, ">")))

          // The consumer is gone without a goodbye, as after kill -9.
          yield* Effect.scoped(Effect.flatMap(stream.reader, (reader) => collect(reader, 5)))
          const next = yield* stream.reader
          assert.deepStrictEqual(namesOf((yield* read(next)).deliveries), ["0", "1", "2", "3", "4"])
          const consumers = yield* ask(() => redis.xinfo("CONSUMERS", key, "workers"))
          assert.strictEqual(globalThis.Array.isArray(consumers) ? consumers.length : 0, 1)
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped)
  )

  it.live("let anybody acknowledge: what a former owner still finishes does not come again", () =>
    Effect.gen(function* () {
      const { layer, namespace } = ownNamespace("ack")
      const redis = yield* rawClient()
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        const key = keyOf(namespace, 9)
        yield* stream.publish(wakeUps(1, 9))
        yield* ask(() => redis.xgroup("CREATE", key, "raw", "0"))
        yield* ask(() => redis.xreadgroup("GROUP", "raw", "its owner", "STREAMS", key, ">"))
        const [entry] = yield* ask(() => redis.xrange(key, "-", "+"))
        // The command names no consumer, so any client that knows the id may acknowledge.
        assert.strictEqual(yield* ask(() => redis.xack(key, "raw", entry?.[0] ?? "")), 1)

        const [former, next] = [yield* stream.reader, yield* stream.reader]
        yield* stream.publish(wakeUps(2))
        const deliveries = yield* collect(former, 2)
        yield* collect(next, 2)
        yield* former.acknowledge(deliveries)
        yield* read(next, [2])
        assert.deepStrictEqual((yield* read(next)).deliveries, [])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )

  it.live(
    "keep what was acknowledged, or lose what nobody read, when trimmed by length; ours leave nothing and lose nothing",
    () =>
      Effect.gen(function* () {
        const { layer, namespace } = ownNamespace("trim")
        const redis = yield* rawClient()
        yield* Effect.gen(function* () {
          const stream = yield* WakeUpChannel
          const reader = yield* stream.reader
          const key = keyOf(namespace, 1)
          yield* stream.publish(wakeUps(250))
          const deliveries = yield* collect(reader, 250)
          yield* reader.acknowledge(deliveries.slice(0, 200))
          assert.strictEqual(yield* ask(() => redis.xlen(key)), 50)
          yield* reader.acknowledge(deliveries)
          const [pending] = yield* ask(() => redis.xpending(key, "workers"))
          assert.deepStrictEqual([yield* ask(() => redis.xlen(key)), pending], [0, 0])

          yield* stream.publish(wakeUps(250))
          yield* ask(() => redis.xtrim(key, "MAXLEN", 100))
          assert.strictEqual((yield* collect(reader, 100)).length, 100)
          assert.deepStrictEqual(yield* read(reader), { deliveries: [], hasGap: false })
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped)
  )

  it.live("keep ids pending whose entries were deleted; ours lets go of them, and says that wake-ups were lost", () =>
    Effect.gen(function* () {
      const { layer, namespace } = ownNamespace("deleted")
      const redis = yield* rawClient()
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        const key = keyOf(namespace, 1)
        yield* stream.publish(wakeUps(3))
        yield* Effect.scoped(Effect.flatMap(stream.reader, (reader) => collect(reader, 3)))
        yield* ask(() => redis.xtrim(key, "MAXLEN", 1))
        const reader = yield* stream.reader
        yield* read(reader, [2])
        const received = yield* read(reader)
        assert.deepStrictEqual([namesOf(received.deliveries), received.hasGap], [["2"], true])
        const [pending] = yield* ask(() => redis.xpending(key, "workers"))
        assert.strictEqual(pending, 1)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )

  it.live("hold whatever others put there: it is let go of, counts as a gap, and wedges nobody", () =>
    Effect.gen(function* () {
      const { layer, namespace } = ownNamespace("foreign")
      const redis = yield* rawClient()
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        const reader = yield* stream.reader
        const key = keyOf(namespace, 1)
        yield* read(reader)
        yield* ask(() => redis.xadd(key, "*", "__proto__", "x", "tenant", "t"))
        yield* ask(() => redis.xadd(key, "*", "tenant", "", "execution_id", "e"))
        yield* stream.publish(wakeUps(1))
        yield* ask(() => redis.xadd(key, "*", "what", "is this"))
        const received = yield* read(reader, [1], 10_000)
        assert.deepStrictEqual([namesOf(received.deliveries), received.hasGap], [["0"], true])
        yield* reader.acknowledge(received.deliveries)
        assert.strictEqual(yield* ask(() => redis.xlen(key)), 0)
        assert.deepStrictEqual(yield* read(reader), { deliveries: [], hasGap: false })
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )
})

describe("a reader", () => {
  it.live(
    "whose blocked read outlives its connection leaves what it was handed: ours looks back for it, without a failure",
    () =>
      Effect.gen(function* () {
        const { layer, namespace } = ownNamespace("zombie")
        const redis = yield* rawClient()
        yield* Effect.gen(function* () {
          const stream = yield* WakeUpChannel
          const reader = yield* stream.reader
          yield* read(reader)
          yield* read(reader)
          // The zombie blocked first, so it is served first.
          const zombie = yield* rawClient()
          yield* ask(() => zombie.client("SETNAME", namespace))
          const handed = zombie.xreadgroup("GROUP", "workers", "owner", "BLOCK", 0, "STREAMS", keyOf(namespace, 1), ">")
          yield* isBlocked(redis, namespace)
          yield* stream.publish(wakeUps(1))
          yield* ask(() => handed)
          assert.deepStrictEqual(namesOf(yield* collect(reader, 1)), ["0"])
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped)
  )

  it.live("that is interrupted while it waits ends at once, takes nothing with it, and leaves no client behind", () =>
    Effect.gen(function* () {
      // A separate database, so that no other reads are counted.
      const database = 7
      const url = new URL(`/${database}`, inject("redisUrl")).href
      const { layer, namespace } = ownNamespace("interrupt", url)
      const redis = yield* rawClient(url)
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        const reader = yield* stream.reader
        yield* read(reader)
        const before = yield* ask(() => blockedCount(redis, database))
        const reading = yield* Effect.forkChild(read(reader, [1], 600_000))
        yield* until("it blocks", async () => (await blockedCount(redis, database)) > before)
        yield* Fiber.interrupt(reading)
        yield* until("it is gone", async () => (await blockedCount(redis, database)) <= before)
        yield* stream.publish(wakeUps(2))
        const first = yield* read(reader, [1], 10_000)
        assert.isTrue(first.hasGap)
        assert.deepStrictEqual(
          namesOf([...first.deliveries, ...(yield* collect(reader, 2 - first.deliveries.length))]),
          ["0", "1"]
        )
        assert.strictEqual(yield* ask(() => redis.xlen(keyOf(namespace, 1))), 2)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )
})

describe("a network", () => {
  let proxy: TcpProxy
  beforeAll(async () => {
    proxy = await startTcpProxy(inject("redisUrl"))
  })
  afterAll(() => proxy.stop())

  const through = (name: string) => {
    const { namespace, layer: cleaned } = ownNamespace(name)
    const layer = RedisWakeUpChannel.layer({ url: Redacted.make(proxy.url), namespace }).pipe(
      Layer.provideMerge(cleaned)
    )
    return { namespace, layer }
  }

  it.live(
    "that hangs leaves a blocked read waiting for ever, or, watched, looking like one that found nothing; ours fails, and then recovers",
    () =>
      Effect.gen(function* () {
        const { layer, namespace } = through("hang")
        yield* Effect.gen(function* () {
          const stream = yield* WakeUpChannel
          const reader = yield* stream.reader
          yield* stream.publish(wakeUps(2))
          yield* collect(reader, 2)

          const watched = new Redis(proxy.url, { blockingTimeout: 1000, retryStrategy: null })
          yield* Effect.addFinalizer(() => Effect.sync(() => watched.disconnect()))
          yield* ask(() => watched.ping())
          proxy.hang()
          const reply = yield* ask(() =>
            watched.xreadgroup("GROUP", "workers", "owner", "BLOCK", 100, "STREAMS", keyOf(namespace, 1), ">")
          )
          assert.deepStrictEqual([reply, watched.status], [null, "ready"])

          const failure = yield* Effect.flip(read(reader, [1], 100))
          assert.strictEqual(failure.operation, "Reading wake-ups")
          assert.include(failure.reason, { _tag: "Unavailable", isRetryable: true })
          proxy.resume()
          const received = yield* read(reader, [1], 10_000)
          assert.deepStrictEqual([namesOf(received.deliveries), received.hasGap], [["0", "1"], true])
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => proxy.resume())))
  )

  for (const fault of ["cut", "halfOpen"] as const) {
    it.live(`that is ${fault} in a read: what was pending comes before what is new, and a gap is told`, () =>
      Effect.gen(function* () {
        const { layer } = through(fault)
        yield* Effect.gen(function* () {
          const stream = yield* WakeUpChannel
          const reader = yield* stream.reader
          yield* stream.publish(wakeUps(3))
          yield* collect(reader, 3)
          const reading = yield* Effect.forkChild(Effect.result(read(reader, [1], 1000)), { startImmediately: true })
          proxy[fault]()
          yield* Fiber.join(reading)
          proxy.resume()
          yield* stream.publish(wakeUps(1, 1)).pipe(Effect.retry({ times: 3 }))
          // The first read after the fault may be the read that was in progress.
          yield* Effect.retry(read(reader, [2]), { times: 3 })
          const received = yield* collect(reader, 4)
          assert.deepStrictEqual(namesOf(received), ["0", "1", "2", "0"])
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => proxy.resume())))
    )
  }

  it.live(
    "that is cut while a command is in flight: the client resends and writes twice; ours fails, and has written once",
    () =>
      Effect.gen(function* () {
        const { layer, namespace } = through("resend")
        const redis = yield* rawClient()
        yield* Effect.gen(function* () {
          const stream = yield* WakeUpChannel
          yield* stream.publish(wakeUps(1, 9))
          const resending = new Redis(proxy.url, { retryStrategy: () => 10, maxRetriesPerRequest: null })
          resending.on("error", () => {})
          yield* Effect.addFinalizer(() => Effect.sync(() => resending.disconnect()))
          yield* ask(() => resending.ping())

          const key = `{refold:${namespace}}:raw`
          proxy.mute()
          const added = resending.xadd(key, "*", "n", "1")
          const publishing = yield* Effect.forkChild(Effect.result(stream.publish(wakeUps(1))), {
            startImmediately: true
          })
          yield* until(
            "both were written",
            async () => (await redis.xlen(key)) === 1 && (await redis.xlen(keyOf(namespace, 1))) === 1
          )
          proxy.cut()
          proxy.resume()
          yield* ask(() => added)
          assert.strictEqual(yield* ask(() => redis.xlen(key)), 2)

          const published = yield* Fiber.join(publishing)
          assert.include(published, { _tag: "Failure" })
          assert.strictEqual(yield* ask(() => redis.xlen(keyOf(namespace, 1))), 1)
          yield* stream.publish(wakeUps(1))
          assert.strictEqual(yield* ask(() => redis.xlen(keyOf(namespace, 1))), 2)
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => proxy.resume())))
  )

  it.live("that is cut leaves what the client does not resend unanswered for ever; ours is answered or fails", () =>
    Effect.gen(function* () {
      const { layer, namespace } = through("unanswered")
      const redis = yield* rawClient()
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        yield* stream.publish(wakeUps(1, 9))
        const raw = new Redis(proxy.url, { autoResendUnfulfilledCommands: false, retryStrategy: () => 10 })
        raw.on("error", () => {})
        yield* Effect.addFinalizer(() => Effect.sync(() => raw.disconnect()))
        yield* ask(() => raw.ping())

        proxy.mute()
        const key = `{refold:${namespace}}:raw`
        let outcome = "none"
        void raw.xadd(key, "*", "n", "1").then(
          () => (outcome = "answered"),
          () => (outcome = "failed")
        )
        const publishing = yield* Effect.forkChild(Effect.exit(stream.publish(wakeUps(1))), { startImmediately: true })
        yield* until("it was written", async () => (await redis.xlen(key)) === 1)
        proxy.cut()
        proxy.resume()
        assert.strictEqual((yield* Fiber.join(publishing))._tag, "Failure")
        // The client is connected again, and any earlier command would have its answer by now.
        yield* until("it is connected again", async () => (await raw.ping().catch(String)) === "PONG")
        assert.deepStrictEqual([outcome, raw.status], ["none", "ready"])
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => proxy.resume())))
  )

  it.live("that hangs while publishing or acknowledging: each fails by itself, and the next works", () =>
    Effect.gen(function* () {
      const { layer } = through("settle")
      yield* Effect.gen(function* () {
        const stream = yield* WakeUpChannel
        const reader = yield* stream.reader
        yield* stream.publish(wakeUps(1))
        const deliveries = yield* collect(reader, 1)
        proxy.hang()
        const failures = yield* Effect.all(
          [Effect.flip(stream.publish(wakeUps(1))), Effect.flip(reader.acknowledge(deliveries))],
          { concurrency: 2 }
        )
        assert.deepStrictEqual(
          failures.map(({ isRetryable, operation, reason }) => ({ isRetryable, operation, reason: reason._tag })),
          ["Publishing wake-ups", "Acknowledging wake-ups"].map((operation) => ({
            isRetryable: true,
            operation,
            reason: "Unavailable"
          }))
        )
        proxy.resume()
        yield* stream.publish(wakeUps(1))
        yield* reader.acknowledge(deliveries)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => proxy.resume())))
  )
})
