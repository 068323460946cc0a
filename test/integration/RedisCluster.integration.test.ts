/** A Redis in cluster mode: all streams of a namespace share a slot, and so a node. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { type Delivery, WakeUpChannel } from "@refold/core"
import { Array, Context, Duration, Effect, Layer, Redacted } from "effect"
import { type Redis, startRedis } from "../servers/Redis.ts"
import { keyOf, rawClient } from "./ownNamespace.ts"

const cluster = { "cluster-enabled": "yes", "cluster-config-file": "nodes.conf" }
const slotCount = 16_384
const partitions = Array.range(0, 63)

const streamOf = (url: string) =>
  Effect.map(Layer.build(RedisWakeUpChannel.layer({ url: Redacted.make(url) })), (services) =>
    Context.get(services, WakeUpChannel)
  )

const ask = <A>(question: () => Promise<A>) => Effect.promise(question)

describe("a Redis Cluster", () => {
  let servers: ReadonlyArray<Redis> = []
  beforeAll(async () => {
    servers = await Promise.all([startRedis(cluster), startRedis(cluster)])
  })
  afterAll(() => Promise.all(servers.map((server) => server.stop())))

  /** Clients of two connected nodes. The first node is `owner` of the namespace's slot and of all others. */
  const formed = Effect.gen(function* () {
    const [owner, other] = servers
    if (owner === undefined || other === undefined) return assert.fail("two nodes were started")
    const [ownerClient, otherClient] = [yield* rawClient(owner.url), yield* rawClient(other.url)]
    // A repeated assignment is refused, which is fine.
    yield* ask(() => ownerClient.call("CLUSTER", "ADDSLOTSRANGE", 0, slotCount - 1).catch(String))
    yield* ask(() => otherClient.call("CLUSTER", "MEET", "127.0.0.1", owner.port))
    for (const client of [ownerClient, otherClient]) {
      let asked = 0
      while (!/cluster_state:ok/.test(String(yield* ask(() => client.call("CLUSTER", "INFO"))))) {
        assert.isBelow(asked++, 100_000)
      }
    }
    return { owner, other, ownerClient }
  })

  it.live("of which the one node owns the slot serves every partition: written, read and acknowledged together", () =>
    Effect.gen(function* () {
      const { owner, ownerClient } = yield* formed
      const stream = yield* streamOf(owner.url)
      const reader = yield* stream.reader
      const request = { partitions, limit: 10, timeout: Duration.seconds(20) }
      assert.deepStrictEqual(yield* reader.read(request), { deliveries: [], hasGap: true })
      yield* stream.publish(Array.map(partitions, (partition) => ({ partition, tenant: "t", executionId: "e" })))
      const received: Array<Delivery> = []
      while (received.length < partitions.length) received.push(...(yield* reader.read(request)).deliveries)
      assert.deepStrictEqual(
        received.map(({ partition }) => partition),
        partitions
      )
      yield* reader.acknowledge(received)
      const lengths = yield* ask(() =>
        Promise.all(partitions.map((partition) => ownerClient.xlen(keyOf("refold", partition))))
      )
      assert.deepStrictEqual(
        lengths,
        partitions.map(() => 0)
      )
    }).pipe(Effect.scoped)
  )

  it.live("of which another node owns the slot says so to whoever asks the wrong one", () =>
    Effect.gen(function* () {
      const { other } = yield* formed
      const stream = yield* streamOf(other.url)
      const reader = yield* stream.reader
      const failures = [
        yield* Effect.flip(stream.publish([{ partition: 1, tenant: "t", executionId: "e" }])),
        yield* Effect.flip(reader.read({ partitions: [1], limit: 1, timeout: Duration.millis(10) }))
      ]
      for (const failure of failures) {
        assert.include(failure.reason, { _tag: "Refused", isRetryable: false })
        assert.include(failure.message, "MOVED")
      }
    }).pipe(Effect.scoped)
  )
})
