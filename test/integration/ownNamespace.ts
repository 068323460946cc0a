/** A private namespace on the Redis that all integration tests share. The scope removes its keys. */
import { inject } from "@effect/vitest"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { Effect, Layer, Redacted } from "effect"
import { Redis } from "ioredis"
import { uniqueName } from "./ownSchema.ts"

/** A plain ioredis client that does not reconnect. The scope closes it. */
export const rawClient = (url: string = inject("redisUrl")) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const redis = new Redis(url, { lazyConnect: true, retryStrategy: null, protocol: 2 })
      redis.on("error", () => {})
      await redis.connect()
      return redis
    }),
    (redis) => Effect.sync(() => redis.disconnect())
  )

export const keyOf = (namespace: string, partition: number) => `{refold:${namespace}}:wake-ups:${partition}`

const cleared = (namespace: string, url: string) =>
  Effect.gen(function* () {
    const redis = yield* rawClient(url)
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        for await (const keys of redis.scanStream({ match: `{refold:${namespace}}:*`, count: 1000 })) {
          if (keys.length > 0) await redis.unlink(...keys)
        }
      })
    )
  })

/** The channel of a new namespace. */
export const ownNamespace = (name: string, url: string = inject("redisUrl")) => {
  const namespace = uniqueName(name)
  const layer = Layer.provideMerge(
    RedisWakeUpChannel.layer({ url: Redacted.make(url), namespace }),
    Layer.effectDiscard(cleared(namespace, url))
  )
  return { namespace, layer }
}
