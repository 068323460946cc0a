/** Runs once per run, before the first integration test. Starts one server of each kind; each test file uses its own names on it. */
import type { TestProject } from "vitest/node"
import { sharedPostgres } from "./servers/Postgres.ts"
import { sharedRedis } from "./servers/Redis.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** URL of a superuser of a real PostgreSQL. Read it by `inject("databaseUrl")`, in `*.integration.test.ts` only. */
    readonly databaseUrl: string
    /** Of a real Redis. Read it by `inject("redisUrl")`, in `*.integration.test.ts` only. */
    readonly redisUrl: string
  }
}

export default async (project: TestProject) => {
  const [postgres, redis] = await Promise.all([sharedPostgres(), sharedRedis()])
  project.provide("databaseUrl", postgres.url)
  project.provide("redisUrl", redis.url)
  return () => Promise.all([postgres.stop(), redis.stop()])
}
