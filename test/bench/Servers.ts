/** The servers of a run: those that `DATABASE_URL` and `REDIS_URL` name, or private ones, started when first asked for. */
import { Context, Effect, Layer, Scope } from "effect"
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
      const urlOf = (start: () => Promise<{ readonly url: string; readonly stop: () => Promise<void> }>) =>
        Effect.acquireRelease(Effect.promise(start), (server) => Effect.promise(() => server.stop())).pipe(
          Effect.map(({ url }) => url),
          Scope.provide(scope),
          Effect.cached
        )
      return Servers.of({ databaseUrl: yield* urlOf(sharedPostgres), redisUrl: yield* urlOf(sharedRedis) })
    })
  )
}
