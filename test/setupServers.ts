/** Once per run, before the first integration test: one PostgreSQL for all; each test file makes its own schema in it. */
import type { TestProject } from "vitest/node"
import { sharedPostgres } from "./servers/Postgres.ts"

declare module "vitest" {
  interface ProvidedContext {
    /** Of a superuser of a real PostgreSQL. Read it by `inject("databaseUrl")`, in `*.integration.test.ts` only. */
    readonly databaseUrl: string
  }
}

export default async (project: TestProject) => {
  const { url, stop } = await sharedPostgres()
  project.provide("databaseUrl", url)
  return stop
}
