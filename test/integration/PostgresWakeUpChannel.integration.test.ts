/** Wake-ups by LISTEN and NOTIFY, while connections are lost or hang, and with foreign notifications. */
import { hash } from "node:crypto"
import { afterAll, assert, beforeAll, describe, inject, it } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresWakeUpChannel } from "@refold/adapters/postgres"
import { WakeUpChannel, type WakeUpChannelError, type WakeUpReader, type WakeUp } from "@refold/core"
import { Array, Context, Duration, Effect, Fiber, Layer, Queue, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { type TcpProxy, startTcpProxy } from "../servers/TcpProxy.ts"
import { layerClient, uniqueName } from "./ownSchema.ts"

const wakeUps = (count: number, partition = 1): Array.NonEmptyReadonlyArray<WakeUp> =>
  Array.makeBy(count, (place) => ({ partition, tenant: "t", executionId: String(place) }))

const namesOf = (deliveries: ReadonlyArray<WakeUp>) => deliveries.map(({ executionId }) => executionId)

const read = (reader: WakeUpReader, timeout: Duration.Input = "20 seconds", limit = 1000) =>
  reader.read({ partitions: [1], limit, timeout: Duration.fromInputUnsafe(timeout) })

const factsOf = ({ isRetryable, operation, reason }: WakeUpChannelError) => ({
  operation,
  reason: reason._tag,
  isRetryable
})

const lost = { operation: "Listening for wake-ups", reason: "Unavailable", isRetryable: true }
const silent = { operation: "Waiting for the wake-up channel", reason: "Unavailable", isRetryable: true }

/** The channel over a separate client, whose sessions have an application name. */
const streamOf = (options: { readonly schema: string; readonly name?: string; readonly url?: string }) =>
  Effect.map(
    Layer.build(
      PostgresWakeUpChannel.layerWith({ schema: options.schema }).pipe(
        Layer.provide(
          PgClient.layer({
            url: Redacted.make(options.url ?? inject("databaseUrl")),
            maxConnections: 2,
            ...(options.name === undefined ? {} : { applicationName: options.name })
          })
        )
      )
    ),
    (services) => Context.get(services, WakeUpChannel)
  )

/** A reader after its first read, which always reports a gap. */
const opened = Effect.fnUntraced(function* (stream: WakeUpChannel["Service"]) {
  const reader = yield* stream.reader
  assert.deepStrictEqual(yield* read(reader), { deliveries: [], hasGap: true })
  return reader
})

const channelOf = (schema: string) => `refold_${hash("sha256", schema).slice(0, 32)}`

/** Ends the connection on which the named client listens. */
const terminate = (name: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const ended = yield* sql`
      select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = ${name} and query ~* '^listen'`
    assert.strictEqual(ended.length, 1)
  }).pipe(Effect.provide(layerClient(1)))

describe("a PostgreSQL stream", () => {
  it.live(
    "whose listening connection is lost fails the read that waits; the next reader tells of a gap and hears",
    () =>
      Effect.gen(function* () {
        const schema = uniqueName("lost")
        const stream = yield* streamOf({ schema, name: schema })
        yield* Effect.gen(function* () {
          const reader = yield* opened(stream)
          const waiting = yield* Effect.forkChild(Effect.flip(read(reader, "1 hour")), { startImmediately: true })
          yield* terminate(schema)
          assert.deepStrictEqual(factsOf(yield* Fiber.join(waiting)), lost)
          assert.deepStrictEqual(factsOf(yield* Effect.flip(read(reader))), lost)
        }).pipe(Effect.scoped)
        const reader = yield* opened(stream)
        yield* stream.publish(wakeUps(2))
        assert.deepStrictEqual(namesOf((yield* read(reader)).deliveries), ["0", "1"])
      }).pipe(Effect.scoped)
  )

  it.live("closes the connection of a reader with its scope, and takes none from the pool", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = uniqueName("closed")
      const stream = yield* streamOf({ schema, name: schema })
      const listening = sql`select from pg_stat_activity where application_name = ${schema} and query ~* '^(listen|select 1)'`
      yield* Effect.scoped(
        Effect.gen(function* () {
          // More readers than the pool has connections.
          for (const _ of [1, 2, 3]) yield* opened(stream)
          assert.lengthOf(yield* listening, 3)
          yield* stream.publish(wakeUps(1))
        })
      )
      for (let asked = 0; (yield* listening).length > 0; asked++) assert.isBelow(asked, 3000)
    }).pipe(Effect.scoped, Effect.provide(layerClient(1)))
  )

  it.live("is heard by every process, and by none of another schema, however long its name is", () =>
    Effect.gen(function* () {
      const schema = `${uniqueName("long")}_${"s".repeat(80)}`
      const [left, right] = [yield* streamOf({ schema }), yield* streamOf({ schema })]
      const other = yield* streamOf({ schema: `${schema}_` })
      const readers = [yield* opened(left), yield* opened(right)]
      const foreign = yield* opened(other)
      yield* left.publish(wakeUps(3))
      for (const reader of readers) {
        assert.deepStrictEqual(namesOf((yield* read(reader)).deliveries), ["0", "1", "2"])
      }
      yield* other.publish(wakeUps(1))
      assert.deepStrictEqual(namesOf((yield* read(foreign)).deliveries), ["0"])
    }).pipe(Effect.scoped)
  )

  it.live("sends many wake-ups in few notifications of less than 8,000 bytes, and leaves out what fits into none", () =>
    Effect.gen(function* () {
      const schema = uniqueName("chunks")
      const stream = yield* streamOf({ schema })
      const { listen } = yield* PgClient.PgClient
      const reader = yield* opened(stream)
      const notifications = yield* listen(channelOf(schema))
      const long = "漢".repeat(255)
      const sent = Array.map(Array.range(1, 500), (n) => ({ partition: 1, tenant: long, executionId: `${n} ${long}` }))
      const tooLong = { partition: 1, tenant: "t", executionId: "x".repeat(7900) }
      yield* stream.publish([tooLong, ...sent, tooLong])
      const { deliveries, hasGap } = yield* read(reader)
      // They came with one commit; the next read returns the rest.
      let count = deliveries.length
      while (count < 500) count += (yield* read(reader)).deliveries.length
      assert.deepStrictEqual([count, hasGap], [500, false])
      const sizes: Array<number> = []
      for (let total = 0; total < 500;) {
        const { payload } = yield* Queue.take(notifications)
        sizes.push(Buffer.byteLength(payload))
        total += payload.split("],[").length
      }
      assert.isAbove(Math.min(...sizes.slice(0, -1)), 5000)
      assert.isAtMost(Math.max(...sizes), 7900)
      assert.isAtMost(sizes.length, 110)
    }).pipe(Effect.scoped, Effect.provide(layerClient(2)))
  )

  it.live("takes what it cannot decode for a gap, and goes on", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = uniqueName("foreign")
      const stream = yield* streamOf({ schema })
      const reader = yield* opened(stream)
      for (const payload of ["", "{", "[[1]]", '[["1","t","e"]]', '[[1,"t","e","trace","more"]]', "[null]"]) {
        yield* sql`select pg_notify(${channelOf(schema)}, ${payload})`
        assert.deepStrictEqual(yield* read(reader), { deliveries: [], hasGap: true })
      }
      yield* stream.publish(wakeUps(1))
      assert.deepStrictEqual(namesOf((yield* read(reader)).deliveries), ["0"])
    }).pipe(Effect.scoped, Effect.provide(layerClient(1)))
  )

  it.live("of which a reader reads too little drops what is too much, and tells of a gap once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const stream = yield* streamOf({ schema: uniqueName("overflow") })
      const reader = yield* opened(stream)
      for (const _ of Array.range(1, 15)) yield* stream.publish(wakeUps(1000))
      // The server sent all but the last few to every listener, and more answers have arrived since than it takes to receive them.
      for (let asked = 0; asked < 3000; asked++) {
        const [queue] = yield* sql<{ usage: number }>`select pg_notification_queue_usage() as usage`
        if (queue?.usage === 0) break
      }
      for (const _ of Array.range(1, 100)) yield* sql`select 1`
      const first = yield* read(reader, "20 seconds", 20_000)
      assert.deepStrictEqual([first.deliveries.length, first.hasGap], [10_000, true])

      yield* stream.publish([{ partition: 1, tenant: "t", executionId: "last" }])
      const gaps: Array<boolean> = []
      const names: Array<string> = []
      while (!names.includes("last")) {
        const { deliveries, hasGap } = yield* read(reader)
        names.push(...namesOf(deliveries))
        gaps.push(hasGap)
      }
      assert.notInclude(gaps, true)
    }).pipe(Effect.scoped, Effect.provide(layerClient(1)))
  )

  it.live("forgets what it buffered of partitions that it no longer names", () =>
    Effect.gen(function* () {
      const stream = yield* streamOf({ schema: uniqueName("renamed") })
      const reader = yield* opened(stream)
      yield* stream.publish(wakeUps(3))
      assert.lengthOf((yield* read(reader, "20 seconds", 1)).deliveries, 1)
      const other = { partitions: [2], limit: 10, timeout: Duration.millis(1) }
      assert.deepStrictEqual(yield* reader.read(other), { deliveries: [], hasGap: true })
      assert.deepStrictEqual(yield* read(reader), { deliveries: [], hasGap: true })
      assert.deepStrictEqual(yield* read(reader, "1 millis"), { deliveries: [], hasGap: false })
    }).pipe(Effect.scoped)
  )

  it.live("is refused over an embedded database, which has one session", () =>
    Effect.gen(function* () {
      const failure = yield* Layer.build(
        PostgresWakeUpChannel.layer.pipe(Layer.provide(PgliteStore.layerClient()))
      ).pipe(Effect.scoped, Effect.flip)
      assert.include(failure.reason, { _tag: "Refused", isRetryable: false })
      assert.include(failure.message, "use MemoryWakeUpChannel")
    })
  )
})

describe("a network to PostgreSQL", () => {
  let proxy: TcpProxy
  beforeAll(async () => {
    proxy = await startTcpProxy(inject("databaseUrl"))
  })
  afterAll(() => proxy.stop())

  for (const fault of ["hang", "halfOpen"] as const) {
    it.live(`that fails without a word (${fault}) ends the read soon after its timeout, and the scope too`, () =>
      Effect.gen(function* () {
        const stream = yield* streamOf({ schema: uniqueName("silent"), url: proxy.url })
        yield* Effect.gen(function* () {
          const reader = yield* opened(stream)
          proxy[fault]()
          assert.deepStrictEqual(factsOf(yield* Effect.flip(read(reader, "1 millis"))), silent)
        }).pipe(Effect.scoped)
        if (fault === "hang") {
          assert.deepStrictEqual(factsOf(yield* Effect.flip(Effect.scoped(stream.reader))), silent)
          assert.deepStrictEqual(factsOf(yield* Effect.flip(stream.publish(wakeUps(1)))), silent)
        }
        proxy.resume()
        const reader = yield* opened(stream)
        yield* stream.publish(wakeUps(1))
        assert.deepStrictEqual(namesOf((yield* read(reader)).deliveries), ["0"])
      }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => proxy.resume())))
    )
  }

  it.live("that is cut fails readers and publishers as Unavailable, until it is back", () =>
    Effect.gen(function* () {
      const stream = yield* streamOf({ schema: uniqueName("cut"), url: proxy.url })
      yield* Effect.gen(function* () {
        const reader = yield* opened(stream)
        proxy.cut()
        const failures = [
          yield* Effect.flip(read(reader)),
          yield* Effect.flip(stream.reader),
          yield* Effect.flip(stream.publish(wakeUps(1)))
        ]
        assert.deepStrictEqual(failures.map(factsOf), [
          lost,
          lost,
          { operation: "Publishing wake-ups", reason: "Unavailable", isRetryable: true }
        ])
        const password = new URL(proxy.url).password
        for (const failure of failures) assert.notInclude(`${failure.message} ${JSON.stringify(failure)}`, password)
      }).pipe(Effect.scoped)
      proxy.resume()
      const reader = yield* opened(stream)
      yield* stream.publish(wakeUps(1))
      assert.deepStrictEqual(namesOf((yield* read(reader)).deliveries), ["0"])
    }).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => proxy.resume())))
  )
})
