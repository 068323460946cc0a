/** The command line on a real PostgreSQL server. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, dropDatabase } from "./database.ts"
import { complaint, refold } from "./refold.ts"

const database = `refold_cli_${process.pid}`
let directory: string
let url: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "refold-cli-server-"))
  url = await createDatabase(database)
})

afterAll(async () => {
  await dropDatabase(database)
  await rm(directory, { recursive: true })
})

describe("refold, on a server", () => {
  it("asks for the schema before anything else, makes it, and then works", async () => {
    const early = await refold(directory, ["executions", "--tenant", "t", "--database", url])
    expect([early.code, early.stdout]).toEqual([1, ""])
    expect(complaint(early)).toContain("run `refold migrate`")

    const migrated = await refold(directory, ["migrate"], { DATABASE_URL: url })
    expect([migrated.code, migrated.stdout]).toEqual([0, "Applied 0001_initial, 0002_processing\n"])
    const again = await refold(directory, ["migrate"], { DATABASE_URL: url })
    expect(again.stdout).toBe("The schema is up to date\n")

    const path = join(directory, "log.jsonl")
    await writeFile(path, '{"execution_id":"X-1","event_name":"Opened","created_at":"2026-03-01T10:00:00.000Z"}\n')
    const imported = await refold(directory, ["import", path, "--tenant", "t", "--workflow", "w", "--json"], {
      DATABASE_URL: url
    })
    expect(JSON.parse(imported.stdout)).toEqual({ rowCount: 1, executionCount: 1, eventsAdded: 1 })
    const replayed = await refold(directory, ["replay", "X-1", "--tenant", "t", "--json"], { DATABASE_URL: url })
    expect(JSON.parse(replayed.stdout).executionState).toMatchObject({ currentState: "Opened", position: 1 })
  })

  it("keeps the stores of several schemas apart in one database, whatever their names hold", async () => {
    const names = ["first", `it's "odd"; drop schema first cascade; --`]
    const on = (schema: string, ...args: ReadonlyArray<string>) =>
      refold(directory, [...args, "--database", url, "--schema", schema])
    const outcomes = await Promise.all(
      names.map(async (name) => {
        const early = await on(name, "executions", "--tenant", "t")
        await on(name, "migrate")
        await on(name, "start", "--tenant", "t", "--workflow", "w", "--execution", `of ${name}`)
        return { name, early, late: await on(name, "executions", "--tenant", "t", "--jsonl") }
      })
    )
    for (const { early, late, name } of outcomes) {
      expect(complaint(early)).toContain("run `refold migrate`")
      expect(JSON.parse(late.stdout)).toMatchObject({ executionId: `of ${name}` })
    }
  })

  it("says in a sentence that a server is not there, and never shows the password", async () => {
    const outcome = await refold(directory, [
      "executions",
      "--tenant",
      "t",
      "--database",
      "postgres://me:sesame@127.0.0.1:1/none"
    ])
    expect(outcome.code).toBe(1)
    expect(complaint(outcome)).toContain("cannot be reached")
    expect(outcome.stderr).not.toContain("sesame")
  })
})
