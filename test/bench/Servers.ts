/** The servers of a run: those in `DATABASE_URL` and `REDIS_URL`, or private ones, started at the first use. */
import { Context, Effect, Layer, Scope } from "effect"
import { Redis } from "ioredis"
import { sharedPostgres } from "../servers/Postgres.ts"
import { sharedRedis } from "../servers/Redis.ts"

export class Servers extends Context.Service<
  Servers,
  { readonly databaseUrl: Effect.Effect<string>; readonly redisUrl: Effect.Effect<string> }
>()("bench/Servers") {
  static readonly layer = Layer.effect(
    Servers,
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const start = (server: () => Promise<{ readonly url: string; readonly stop: () => Promise<void> }>) =>
        Effect.map(
          Effect.acquireRelease(Effect.promise(server), ({ stop }) => Effect.promise(stop)),
          ({ url }) => url
        )
      const redisUrl = Effect.flatMap(start(sharedRedis), (url) =>
        Effect.as(
          Effect.acquireRelease(clean(url), () => clean(url)),
          url
        )
      )
      return Servers.of({
        databaseUrl: yield* Effect.cached(Scope.provide(start(sharedPostgres), scope)),
        redisUrl: yield* Effect.cached(Scope.provide(redisUrl, scope))
      })
    })
  )
}

/** Removes what this run, or an earlier killed run, has written to Redis. Each PostgreSQL schema is dropped by its creator. */
const clean = (url: string) =>
  Effect.promise(async () => {
    const redis = new Redis(url)
    for (let cursor: string | undefined = "0"; cursor !== undefined;) {
      const [next, keys]: [string, ReadonlyArray<string>] = await redis.scan(
        cursor,
        "MATCH",
        "*refold_bench_*",
        "COUNT",
        1000
      )
      if (keys.length > 0) await redis.unlink(...keys)
      cursor = next === "0" ? undefined : next
    }
    redis.disconnect()
  })
