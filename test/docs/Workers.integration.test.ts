/** The README's commands about workers, and the example with three workers, work on real servers. */
import { execFile } from "node:child_process"
import { readFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { createDatabase, dropDatabase } from "../cli/database.ts"
import { type Outcome, refold } from "../cli/refold.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
const folder = mkdtempSync(join(tmpdir(), "refold-readme-workers-"))
const database = `refold_readme_${process.pid}`
let environment: Readonly<Record<string, string>>

beforeAll(async () => {
  environment = { DATABASE_URL: await createDatabase(database), REDIS_URL: inject("redisUrl") }
})

afterAll(async () => {
  await dropDatabase(database)
  rmSync(folder, { recursive: true })
})

/** The commands in the README's block about workers, without comments. */
const commands = readFileSync(join(root, "README.md"), "utf8")
  .split("```")
  .filter((block) => block.startsWith("sh\n") && block.includes("npx refold worker"))
  .flatMap((block) => [...block.matchAll(/^npx refold ([^#\n]*)/gm)].map(([, words = ""]) => words.trim().split(/\s+/)))

const run = async (args: ReadonlyArray<string>): Promise<Outcome> => {
  const outcome = await refold(root, args, environment)
  expect([args, outcome.code, outcome.stderr]).toEqual([args, 0, expect.not.stringContaining("refold:")])
  return outcome
}

/** Resolves when the worker has started, with a function that stops it and returns its outcome. */
const startWorker = () =>
  new Promise<() => Promise<Outcome>>((resolve, reject) => {
    const ended = refold(root, ["worker"], environment, (child, stderr) => {
      if (!stderr.includes("has started")) return
      resolve(() => {
        child.kill("SIGTERM")
        return ended
      })
    })
    void ended.then(({ stderr }) => reject(new Error(stderr)))
  })

const pendingCount = async (): Promise<number> => JSON.parse((await run(["lag", "--json"])).stdout).pendingCount

describe("The README's workers", () => {
  it("two of them process what a third terminal queues", async () => {
    const worker = commands.findIndex(([name]) => name === "worker")
    const enqueue = commands.findIndex(([name]) => name === "enqueue")
    expect(worker).toBeGreaterThan(0)
    for (const command of commands.slice(0, worker)) await run(command)
    const stops = await Promise.all([startWorker(), startWorker()])
    for (const command of commands.slice(worker + 1, enqueue + 1)) await run(command)
    while ((await pendingCount()) > 0);
    let shown = ""
    for (const command of commands.slice(enqueue + 1)) shown = (await run(command)).stdout
    expect(shown).toMatch(/Paid[^]+Packed[^]+Shipped[^]+Delivered[^]+5 events/)
    for (const { code } of await Promise.all(stops.map((stop) => stop()))) expect(code).toBe(0)
  })

  it("the example kills one of three, and loses, doubles and reorders nothing", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, "examples/run.ts"), "03"], {
      cwd: root,
      env: { ...process.env, ...environment }
    })
    expect(stdout).toMatch(/process \d+ was killed with SIGKILL while [1-9]\d* events were pending/)
    expect(stdout).toMatch(/lost +0\n +applied twice +0\n +out of order +0\n +gaps in positions +0\n/)
    expect(stdout.split("\n").length).toBeLessThan(60)
  })
})
