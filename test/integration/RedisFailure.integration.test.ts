import { once } from "node:events"
import { createServer } from "node:net"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { type Delivery, WakeUpChannel, type WakeUpChannelError, type WakeUpReader, type WakeUp } from "@refold/core"
import { Array, Cause, ConfigProvider, Context, Duration, Effect, Fiber, Layer, Redacted } from "effect"
import type { Redis as Client } from "ioredis"
import { type Redis, startRedis } from "../servers/Redis.ts"
import { keyOf, rawClient } from "./ownNamespace.ts"

const wakeUps = (count: number, executionId = "e"): Array.NonEmptyReadonlyArray<WakeUp> =>
  Array.makeBy(count, (place) => ({ partition: 1, tenant: "t", executionId: `${executionId} ${place}` }))

const read = (reader: WakeUpReader, timeout = 200) =>
  reader.read({ partitions: [1], limit: 1000, timeout: Duration.millis(timeout) })

/** Reads until it has this many wake-ups, also while Redis is down. */
const collect = Effect.fnUntraced(function* (reader: WakeUpReader, count: number) {
  const received: Array<Delivery> = []
  for (let attempt = 0; received.length < count && attempt < 100; attempt++) {
    const { deliveries } = yield* Effect.orElseSucceed(read(reader, 1000), () => ({ deliveries: [] }))
    received.push(...deliveries)
  }
  return received.map(({ executionId }) => executionId)
})

const factsOf = ({ isRetryable, operation, reason }: WakeUpChannelError) => ({
  operation,
  reason: reason._tag,
  isRetryable
})

const layerOf = (url: string, namespace?: string) =>
  RedisWakeUpChannel.layer({ url: Redacted.make(url), ...(namespace === undefined ? {} : { namespace }) })

const streamOf = (url: string, namespace?: string) =>
  Effect.map(Layer.build(layerOf(url, namespace)), (services) => Context.get(services, WakeUpChannel))

/** The reason why the layer cannot be built. */
const refusalOf = (url: string) => Effect.flip(Effect.scoped(Layer.build(layerOf(url))))

describe("a Redis", () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())
  const restart = (settings?: Readonly<Record<string, string>>) => Effect.promise(() => server.restart(settings))
  const kill = Effect.promise(() => server.kill())

  it.live("whose memory is used up refuses wake-ups as Full, and still delivers what it holds", () =>
    Effect.gen(function* () {
      yield* restart()
      const stream = yield* streamOf(server.url)
      const redis = yield* rawClient(server.url)
      const reader = yield* stream.reader
      yield* stream.publish(wakeUps(3))
      yield* read(reader)
      yield* Effect.promise(() => redis.config("SET", "maxmemory", "1"))
      const failure = yield* Effect.flip(stream.publish(wakeUps(1)))
      assert.deepStrictEqual(factsOf(failure), { operation: "Publishing wake-ups", reason: "Full", isRetryable: false })
      assert.include(failure.message, "raise maxmemory")
      yield* Effect.promise(() => redis.config("SET", "maxmemory", "0"))
      yield* stream.publish(wakeUps(1))
      assert.strictEqual((yield* collect(reader, 4)).length, 4)
    }).pipe(Effect.scoped)
  )

  it.live("that is a replica refuses as ReadOnly, and its address is asked anew for who is the primary", () =>
    Effect.gen(function* () {
      yield* restart()
      const stream = yield* streamOf(server.url)
      const redis = yield* rawClient(server.url)
      // There is no primary at that address, so nothing is replicated.
      yield* Effect.promise(() => redis.replicaof("127.0.0.1", 1))
      const reader = yield* stream.reader
      const failures = [yield* Effect.flip(stream.publish(wakeUps(1))), yield* Effect.flip(read(reader))]
      assert.deepStrictEqual(failures.map(factsOf), [
        { operation: "Publishing wake-ups", reason: "ReadOnly", isRetryable: false },
        { operation: "Reading wake-ups", reason: "ReadOnly", isRetryable: false }
      ])
      yield* Effect.promise(() => redis.replicaof("NO", "ONE"))
      const before = yield* connectionCount(redis)
      yield* stream.publish(wakeUps(1))
      assert.strictEqual(yield* connectionCount(redis), before + 1)
      assert.strictEqual((yield* collect(reader, 1)).length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("that refuses the password, the lack of one, or a command says so, and tells no secret", () =>
    Effect.gen(function* () {
      yield* restart({ requirepass: "right-password" })
      const wrong = server.url.replace("//", "//:wrong-password@")
      const right = server.url.replace("//", "//:right-password@")
      for (const url of [wrong, server.url]) {
        const refusal = yield* refusalOf(url)
        assert.deepStrictEqual(factsOf(refusal), {
          operation: "Connecting to Redis",
          reason: "AccessDenied",
          isRetryable: false
        })
        assert.notInclude(Cause.pretty(Cause.fail(refusal)), "wrong-password")
        assert.notInclude(JSON.stringify(refusal), "wrong-password")
      }
      yield* (yield* streamOf(right)).publish(wakeUps(1))

      const redis = yield* rawClient(right)
      yield* Effect.promise(() => redis.call("ACL", "SETUSER", "writer", "on", ">pw", "~*", "+info", "+xadd"))
      const limited = yield* streamOf(server.url.replace("//", "//writer:pw@"))
      yield* limited.publish(wakeUps(1))
      const failure = yield* Effect.flip(read(yield* limited.reader))
      assert.deepStrictEqual(factsOf(failure), {
        operation: "Reading wake-ups",
        reason: "AccessDenied",
        isRetryable: false
      })
    }).pipe(Effect.scoped)
  )

  it.live("whose key holds something else says so, to readers and publishers, and serves other partitions", () =>
    Effect.gen(function* () {
      yield* restart()
      const redis = yield* rawClient(server.url)
      yield* Effect.promise(() => redis.set(keyOf("refold", 1), "something"))
      const stream = yield* streamOf(server.url)
      const reader = yield* stream.reader
      const failures = [yield* Effect.flip(stream.publish(wakeUps(1))), yield* Effect.flip(read(reader))]
      assert.deepStrictEqual(failures.map(factsOf), [
        { operation: "Publishing wake-ups", reason: "WrongType", isRetryable: false },
        { operation: "Reading wake-ups", reason: "WrongType", isRetryable: false }
      ])
      yield* stream.publish([{ partition: 2, tenant: "t", executionId: "e" }])
      const request = { partitions: [2], limit: 10, timeout: Duration.seconds(10) }
      const received = [yield* reader.read(request), yield* reader.read(request)]
      assert.strictEqual(received.flatMap(({ deliveries }) => deliveries).length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("that has no room for one more client is waited for", () =>
    Effect.gen(function* () {
      yield* restart({ maxclients: "1" })
      const redis = yield* rawClient(server.url)
      const stream = yield* streamOf(server.url)
      const failure = yield* Effect.flip(stream.publish(wakeUps(1)))
      assert.include(factsOf(failure), { reason: "Unavailable", isRetryable: true })
      redis.disconnect()
      yield* Effect.retry(stream.publish(wakeUps(1)), { times: 1000 })
    }).pipe(Effect.scoped)
  )

  it.live("that is away when the stream is made and comes up later is found by the reads themselves", () =>
    Effect.gen(function* () {
      yield* kill
      const stream = yield* streamOf(server.url)
      const reader = yield* stream.reader
      const failures = [yield* Effect.flip(read(reader)), yield* Effect.flip(stream.publish(wakeUps(1)))]
      assert.deepStrictEqual(failures.map(factsOf), [
        { operation: "Reading wake-ups", reason: "Unavailable", isRetryable: true },
        { operation: "Publishing wake-ups", reason: "Unavailable", isRetryable: true }
      ])
      // This read is in progress while Redis starts.
      const reading = yield* Effect.forkChild(read(reader, 60_000), { startImmediately: true })
      yield* restart()
      assert.deepStrictEqual(yield* Fiber.join(reading), { deliveries: [], hasGap: true })
      yield* stream.publish(wakeUps(2))
      assert.strictEqual((yield* collect(reader, 2)).length, 2)
    }).pipe(Effect.scoped)
  )

  it.live("that is killed in a read and comes back empty: the read goes on over it, and tells of a gap", () =>
    Effect.gen(function* () {
      yield* restart()
      const stream = yield* streamOf(server.url)
      const reader = yield* stream.reader
      yield* stream.publish(wakeUps(2, "lost"))
      assert.strictEqual((yield* collect(reader, 2)).length, 2)
      const reading = yield* Effect.forkChild(read(reader, 60_000), { startImmediately: true })
      yield* kill
      yield* restart()
      assert.deepStrictEqual(yield* Fiber.join(reading), { deliveries: [], hasGap: true })
      yield* Effect.retry(stream.publish(wakeUps(2, "new")), { times: 1 })
      assert.deepStrictEqual(yield* collect(reader, 2), ["new 0", "new 1"])
    }).pipe(Effect.scoped)
  )

  it.live("that was killed and came back between two reads: the next one tells of a gap", () =>
    Effect.gen(function* () {
      yield* restart()
      const stream = yield* streamOf(server.url)
      const reader = yield* stream.reader
      yield* read(reader)
      assert.isFalse((yield* read(reader)).hasGap)
      yield* kill
      yield* restart()
      assert.isTrue((yield* read(reader, 60_000)).hasGap)
      assert.isFalse((yield* read(reader)).hasGap)
    }).pipe(Effect.scoped)
  )

  it.live(
    "that is emptied ends a blocked read with UNBLOCKED, the next with NOGROUP; ours makes the groups anew, and tells of a gap",
    () =>
      Effect.gen(function* () {
        yield* restart()
        const redis = yield* rawClient(server.url)
        const raw = yield* rawClient(server.url)
        yield* Effect.promise(() => redis.xgroup("CREATE", "raw", "g", "0", "MKSTREAM"))
        const blocked = raw.xreadgroup("GROUP", "g", "c", "BLOCK", 0, "STREAMS", "raw", ">").catch(String)

        const stream = yield* streamOf(server.url)
        const reader = yield* stream.reader
        yield* stream.publish(wakeUps(2, "lost"))
        assert.strictEqual((yield* collect(reader, 2)).length, 2)
        const reading = yield* Effect.forkChild(read(reader, 60_000))
        const blockedCount = async () => Number(/^blocked_clients:(\d+)/m.exec(await redis.info("clients"))?.[1])
        for (let asked = 0; (yield* Effect.promise(blockedCount)) < 2; asked++) assert.isBelow(asked, 5000)
        yield* Effect.promise(() => redis.flushall())

        assert.include(yield* Effect.promise(() => blocked), "UNBLOCKED")
        const next = raw.xreadgroup("GROUP", "g", "c", "STREAMS", "raw", ">").catch(String)
        assert.include(yield* Effect.promise(() => next), "NOGROUP")
        assert.deepStrictEqual(yield* Fiber.join(reading), { deliveries: [], hasGap: true })

        // Redis is emptied between two reads, and written to before the next.
        yield* Effect.promise(() => redis.flushall())
        yield* stream.publish(wakeUps(2, "new"))
        const received = [yield* read(reader, 60_000), yield* read(reader, 60_000)]
        assert.isTrue(received.some(({ hasGap }) => hasGap))
        assert.strictEqual(received.flatMap(({ deliveries }) => deliveries).length, 2)
      }).pipe(Effect.scoped)
  )

  it.live("holds two namespaces that know nothing of each other", () =>
    Effect.gen(function* () {
      yield* restart()
      const [left, right] = [yield* streamOf(server.url, "left"), yield* streamOf(server.url, "{right}:wake-ups:1")]
      const [toLeft, toRight] = [yield* left.reader, yield* right.reader]
      yield* left.publish(wakeUps(2, "left"))
      yield* right.publish(wakeUps(1, "right"))
      assert.deepStrictEqual(yield* collect(toLeft, 2), ["left 0", "left 1"])
      assert.deepStrictEqual(yield* collect(toRight, 1), ["right 0"])
    }).pipe(Effect.scoped)
  )

  it.live("is named by REDIS_URL", () =>
    Effect.gen(function* () {
      yield* restart()
      const provider = ConfigProvider.layer(ConfigProvider.fromUnknown({ REDIS_URL: server.url }))
      const services = yield* Layer.build(Layer.provide(RedisWakeUpChannel.layerConfig(), provider))
      yield* Context.get(services, WakeUpChannel).publish(wakeUps(1))
      const redis = yield* rawClient(server.url)
      assert.strictEqual(yield* Effect.promise(() => redis.xlen(keyOf("refold", 1))), 1)
    }).pipe(Effect.scoped)
  )
})

describe("what is not a Redis that will do", () => {
  it.live("but too old is refused, with its version", () =>
    Effect.gen(function* () {
      const { port } = yield* fakeServer("redis_version:6.2.0\r\n")
      const refusal = yield* refusalOf(`redis://127.0.0.1:${port}`)
      assert.deepStrictEqual(factsOf(refusal), {
        operation: "Connecting to Redis",
        reason: "TooOld",
        isRetryable: false
      })
      assert.include(refusal.message, "6.2.0")
      assert.include(refusal.message, "Redis 7.0 or Valkey 7.2 is the oldest that works")
    }).pipe(Effect.scoped)
  )

  it.live("but tells no version is refused as too old", () =>
    Effect.gen(function* () {
      const { port } = yield* fakeServer("server_name:another\r\n")
      const refusal = yield* refusalOf(`redis://127.0.0.1:${port}`)
      assert.include(factsOf(refusal), { reason: "TooOld", isRetryable: false })
    }).pipe(Effect.scoped)
  )

  it.live("but a Valkey is taken for the Redis it is compatible with", () =>
    Effect.gen(function* () {
      const { port } = yield* fakeServer("server_name:valkey\r\nvalkey_version:8.0.1\r\nredis_version:7.2.4\r\n")
      yield* streamOf(`redis://127.0.0.1:${port}`)
    }).pipe(Effect.scoped)
  )

  it.live("and an address of another form is refused without a word of it", () =>
    Effect.gen(function* () {
      for (const url of [
        "localhost:6379",
        "http://user:secret@host",
        "redis://u:%zz-secret@host",
        "/var/run/secret.sock",
        ""
      ]) {
        const refusal = yield* refusalOf(url)
        assert.include(factsOf(refusal), { reason: "Unavailable", isRetryable: false })
        assert.notInclude(Cause.pretty(Cause.fail(refusal)), "secret")
      }
    })
  )
})

/** The number of connections that the server has ever accepted. */
const connectionCount = (redis: Client) =>
  Effect.map(
    Effect.promise(() => redis.info("stats")),
    (info) => Number(/^total_connections_received:(\d+)/m.exec(info)?.[1])
  )

/** Answers every command with this text, as Redis would INFO. */
const fakeServer = (info: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer((socket) => {
        socket.on("error", () => {})
        socket.on("data", () => void socket.write(`$${info.length}\r\n${info}\r\n`))
      }).listen(0, "127.0.0.1")
      await once(server, "listening")
      const address = server.address()
      if (address === null || typeof address === "string") throw new Error("A TCP server has no port.")
      return { server, port: address.port }
    }),
    ({ server }) => Effect.sync(() => server.close())
  )
