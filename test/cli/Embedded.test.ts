/** The command line on the embedded database, as a person or a script would use it. */
import { PgliteStore } from "@refold/adapters/pglite"
import { Effect, Layer } from "effect"
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { complaint, refold } from "./refold.ts"

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "refold-cli-"))
})

afterAll(() => rm(directory, { recursive: true }))

const log = [
  "case,step,at,who,note",
  "L-1,Requested,2026-03-01 09:00:00,ann,urgent",
  "L-2,Requested,2026-03-01 09:30:00,,",
  "L-1,Returned,2026-03-03T12:00:00Z,bob,",
  "L-1,Lent,2026-03-02 10:00:00+01:00,bob,shelf 7"
]
const columns = ["--case", "case", "--activity", "step", "--time", "at", "--resource", "who"]
const importOf = (file: string, tenant = "library") => [
  "import",
  file,
  "--tenant",
  tenant,
  "--workflow",
  "loan",
  ...columns
]

const file = async (name: string, content: string | Uint8Array) => {
  const path = join(directory, name)
  await writeFile(path, content)
  return path
}

describe("refold, embedded", () => {
  it("tells its version, the one of the package", async () => {
    const manifest = await readFile(new URL("../../packages/cli/package.json", import.meta.url), "utf8")
    const outcome = await refold(directory, ["--version"])
    expect(outcome.code).toBe(0)
    expect(outcome.stdout).toContain(JSON.parse(manifest).version)
  })

  it("shows help with examples for every command", async () => {
    const help = await refold(directory, ["--help"])
    const commands =
      help.stdout
        .split("SUBCOMMANDS")[1]
        ?.split("EXAMPLES")[0]
        ?.match(/^ {2}[\w-]+/gm)
        ?.map((name) => name.trim()) ?? []
    expect(commands).toHaveLength(15)
    const pages = await Promise.all(commands.map((command) => refold(directory, [command, "--help"])))
    for (const page of pages) {
      expect(page.code).toBe(0)
      expect(page.stdout).toContain("EXAMPLES")
    }
  })

  it("answers wrong usage with exit 2, a sentence and nothing on standard output", async () => {
    const wrong: ReadonlyArray<readonly [args: ReadonlyArray<string>, word: string]> = [
      [["replay"], "Missing required argument"],
      [["replay", "L-1"], "tenant"],
      [["nonsense"], "nonsense"],
      [["replay", "L-1", "--tenant", "library", "--to", "third"], "--to"],
      [["start", "--tenant", "t", "--workflow", "w", "--execution", "e", "--data", "{"], "--data"],
      [["enqueue", "--tenant", "t"], "Give --tenant, --execution and --event"],
      [["enqueue", "--jsonl", "events.jsonl", "--execution", "e"], "leave out --execution"],
      [["worker", "--redis", "localhost:6379"], "redis://localhost:6379"],
      [["worker", "--namespace", ""], "--namespace"],
      [["migrate", "--schema", ""], "1 to 63 bytes"],
      [["migrate", "--schema", "é".repeat(32)], "1 to 63 bytes"],
      [["migrate", "--schema", "postgres.public"], "without a full stop"],
      [["dead-letters", "redrive", "id", "--tenant", "t"], "--execution"]
    ]
    const outcomes = await Promise.all(
      wrong.map(async ([args, word]) => ({ word, ...(await refold(directory, args)) }))
    )
    for (const { code, stderr, stdout, word } of outcomes) {
      expect([code, stdout]).toEqual([2, ""])
      expect(stderr).toContain(word)
    }
    expect(await readdir(directory)).toEqual([])
  })

  it("imports a log, in the order of time, and adds nothing the second time", async () => {
    const path = await file("loans.csv.gz", gzipSync(`${log.join("\r\n")}\r\n`))
    const first = await refold(directory, [...importOf(path), "--json"])
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout)).toEqual({ rowCount: 4, executionCount: 2, eventsAdded: 4 })

    const again = await refold(directory, [...importOf(path), "--json"])
    expect(JSON.parse(again.stdout)).toEqual({ rowCount: 4, executionCount: 2, eventsAdded: 0 })

    const history = await refold(directory, ["history", "L-1", "--tenant", "library"])
    expect(history.stdout).toMatch(/Requested[\s\S]+Lent[\s\S]+Returned[\s\S]+3 events/)
  })

  it("adds the rest of a longer file, and refuses one whose past differs, naming the line", async () => {
    const longer = await file("longer.csv", [...log, "L-2,Lent,2026-03-04 09:00:00,bob,"].join("\n"))
    const added = await refold(directory, [...importOf(longer), "--json"])
    expect(JSON.parse(added.stdout)).toEqual({ rowCount: 5, executionCount: 2, eventsAdded: 1 })

    const changed = await file("changed.csv", log.join("\n").replace("shelf 7", "shelf 8"))
    const refused = await refold(directory, importOf(changed))
    expect(refused.code).toBe(1)
    expect(complaint(refused)).toContain('Line 5: event 2 of execution "L-1"')
  })

  it("replays now, at an instant and at a position", async () => {
    const now = await refold(directory, ["replay", "L-1", "--tenant", "library", "--json"])
    expect(JSON.parse(now.stdout).executionState).toMatchObject({
      currentState: "Returned",
      position: 3,
      data: { note: "shelf 7" },
      updatedAt: "2026-03-03T12:00:00.000Z"
    })
    // With an offset: an hour before the event in UTC, and at that instant.
    const before = await refold(directory, [
      "replay",
      "L-1",
      "--tenant",
      "library",
      "--until",
      "2026-03-02T09:59:59+01:00",
      "--json"
    ])
    expect(JSON.parse(before.stdout).executionState.currentState).toBe("Requested")
    const then = await refold(directory, [
      "replay",
      "L-1",
      "--tenant",
      "library",
      "--until",
      "2026-03-02T10:00+01:00",
      "--json"
    ])
    expect(JSON.parse(then.stdout).executionState.currentState).toBe("Lent")
    const debug = await refold(directory, ["replay", "L-1", "--tenant", "library", "--to", "1", "--debug"])
    expect(debug.stdout).toMatch(/state +Requested[\s\S]+1 events folded in \d+ ms, from the beginning/)
  })

  it.each([
    [["--until", "not-a-date"], "not an instant"],
    [["--until", "2020-01-01T00:00:00Z"], "it started at 2026-03-01T09:00:00.000Z"],
    [["--to", "99"], "ends at position 3"],
    [["--to", "0"], "replayTo"]
  ])("refuses to replay %j with exit 1 and one sentence", async (args, words) => {
    const outcome = await refold(directory, ["replay", "L-1", "--tenant", "library", ...args])
    expect(outcome.code).toBe(1)
    expect(outcome.stdout).toBe("")
    expect(outcome.stderr).toMatch(/^refold: .+\n$/)
    expect(outcome.stderr).toContain(words)
  })

  it("answers for another tenant's execution as if it did not exist", async () => {
    const foreign = await refold(directory, ["replay", "L-1", "--tenant", "rival"])
    await refold(directory, ["start", "--tenant", "rival", "--workflow", "w", "--execution", "R-1"])
    const stillForeign = await refold(directory, ["replay", "L-1", "--tenant", "rival"])
    expect(foreign).toEqual({
      code: 1,
      stdout: "",
      stderr: 'refold: There is no execution "L-1": check the id and the tenant\n'
    })
    expect(stillForeign).toEqual(foreign)
  })

  it("lists executions as they were, and of one state", async () => {
    const then = await refold(directory, [
      "executions",
      "--tenant",
      "library",
      "--as-of",
      "2026-03-02T12:00:00Z",
      "--jsonl"
    ])
    const headers = then.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
    expect(headers.map((header) => [header.executionId, header.currentState, header.position])).toEqual([
      ["L-1", "Lent", 2],
      ["L-2", "Requested", 1]
    ])
    const lent = await refold(directory, ["executions", "--tenant", "library", "--state", "Lent"])
    expect(lent.stdout).toMatch(/L-2 +loan +Lent +2/)
    expect(lent.stdout).toContain("1 execution\n")
  })

  it("starts and submits, once per idempotency key", async () => {
    const start = [
      "start",
      "--tenant",
      "acme",
      "--workflow",
      "invoice",
      "--execution",
      "I-1",
      "--data",
      '{"amount":120}'
    ]
    expect((await refold(directory, start)).code).toBe(0)
    const taken = await refold(directory, start)
    expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining('"I-1" exists already')])

    const submit = ["submit", "--tenant", "acme", "--execution", "I-1", "--event", "Approved", "--to", "approved"]
    const keyed = [...submit, "--payload", '{"by":"ann"}', "--user", "ann", "--idempotency-key", "k-1", "--json"]
    const first = await refold(directory, keyed)
    await refold(directory, [...submit, "--to", "paid"])
    const repeated = await refold(directory, keyed)
    expect(JSON.parse(first.stdout)).toMatchObject({
      currentState: "approved",
      position: 2,
      data: { amount: 120, by: "ann" }
    })
    expect(repeated.stdout).toBe(first.stdout)
  })

  it("keeps the stores of several schemas apart in one directory", async () => {
    const started = ["start", "--tenant", "apart", "--workflow", "w", "--execution", "S-1", "--schema", "second"]
    expect((await refold(directory, started)).code).toBe(0)
    const list = (...flags: ReadonlyArray<string>) => refold(directory, ["executions", "--tenant", "apart", ...flags])
    expect((await list()).stdout).toBe("0 executions\n")
    expect((await list("--schema", "second")).stdout).toContain("1 execution\n")
  })

  it("queues an event, shows that it waits, processes it, and has nothing left", async () => {
    await refold(directory, ["start", "--tenant", "acme", "--workflow", "order", "--execution", "O-1"])
    const enqueue = ["enqueue", "--tenant", "acme", "--execution", "O-1", "--event", "Paid", "--to", "paid"]
    const keyed = [...enqueue, "--payload", '{"cents":4200}', "--user", "ann", "--idempotency-key", "pay-1", "--json"]
    const first = await refold(directory, keyed)
    expect(first.code).toBe(0)
    expect(JSON.parse(first.stdout)).toEqual({ eventId: expect.any(String), processingId: expect.any(String) })
    const lag = async () => JSON.parse((await refold(directory, ["lag", "--json"])).stdout)
    expect(await lag()).toMatchObject({ pendingCount: 1, oldestAgeSeconds: expect.any(Number), deadCount: 0 })

    let isAsked = false
    const worked = await refold(directory, ["worker", "--id", "one"], {}, (child, stderr) => {
      if (!isAsked && stderr.includes("No event is pending")) isAsked = child.kill("SIGTERM")
    })
    expect([worked.code, worked.stdout]).toEqual([0, ""])
    expect(worked.stderr).toMatch(/has started.*workerId=one channel="in process"[^]*drains.*SIGTERM[^]*has drained/)
    const { stdout } = await refold(directory, ["replay", "O-1", "--tenant", "acme", "--json"])
    expect(JSON.parse(stdout).executionState).toMatchObject({
      currentState: "paid",
      position: 2,
      data: { cents: 4200 }
    })
    expect(await lag()).toEqual({ pendingCount: 0, deadCount: 0, unclaimedCount: 0, partitions: [] })
    expect((await refold(directory, keyed)).stdout).toBe(first.stdout)

    const history = await refold(directory, ["history", "O-1", "--tenant", "acme", "--jsonl"])
    const last = JSON.parse(history.stdout.trim().split("\n").at(-1) ?? "")
    expect(last).toMatchObject({ event_id: JSON.parse(first.stdout).eventId, user_id: "ann" })
  }, 180_000)

  it("exports what it can import again", async () => {
    const exported = await refold(directory, ["export", "--tenant", "library"])
    const path = await file("export.jsonl", exported.stdout)
    const imported = await refold(directory, ["import", path, "--tenant", "copy", "--workflow", "loan", "--json"])
    expect(JSON.parse(imported.stdout)).toEqual({ rowCount: 5, executionCount: 2, eventsAdded: 5 })
  }, 60_000)

  it("never lets text of the log move the terminal's cursor", async () => {
    const path = await file("escape.csv", "case,step,at,who\nE-1,\u001b[2Jgone,2026-03-01,ann\n")
    await refold(directory, importOf(path, "odd"))
    const history = await refold(directory, ["history", "E-1", "--tenant", "odd"])
    expect(history.stdout).not.toContain("\u001b")
    expect(history.stdout).toContain("\\u001b[2Jgone")
  })

  it.each([
    ["empty.csv", "", "empty"],
    ["header.csv", "case,step,at,who\n", "no events"],
    ["broken.xes.gz", gzipSync("<log><trace>").subarray(0, 18), "gzip"],
    ["truncated.xes", '<log><trace><string key="concept:name" value="A"/>', ""],
    ["laughs.xes", '<!DOCTYPE l [<!ENTITY a "b">]><log>&a;</log>', ""],
    ["missing.csv", "case,step,who\nA,b,c\n", "at"],
    ["impossible.csv", "case,step,at,who\nA,b,2026-02-30,c\nA,b,2026-02-20,c\n", "line 2"],
    ["named.xes", "case,step,at,who\nA,b,2026-02-20,c\n", ""]
  ])("refuses %s with exit 1 and a sentence", async (name, content, words) => {
    const path = await file(name, content)
    const refused = await refold(directory, importOf(path, "bad"))
    expect(refused.code).toBe(1)
    expect(complaint(refused)).toMatch(/^refold: /)
    expect(complaint(refused)).toContain(words)
  })

  it("wrote nothing of what it refused", async () => {
    const executions = await refold(directory, ["executions", "--tenant", "bad"])
    expect(executions.stdout).toBe("0 executions\n")
  })

  it("takes snapshots, and verifies the whole store", async () => {
    const snapshot = await refold(directory, ["snapshot", "L-1", "--tenant", "library", "--json"])
    expect(JSON.parse(snapshot.stdout)).toMatchObject({ execution_id: "L-1", position: 3, current_state: "Returned" })
    const debug = await refold(directory, ["replay", "L-1", "--tenant", "library", "--debug"])
    expect(debug.stdout).toContain("0 events folded")
    const verified = await refold(directory, ["verify", "--json"])
    expect(verified.code).toBe(0)
    expect(JSON.parse(verified.stdout)).toMatchObject({ findingCount: 0, snapshotCount: 1 })
  })

  it("says who holds the data directory, and leaves it alone", async () => {
    const dataDir = join(directory, ".refold")
    const outcome = await Effect.runPromise(
      Effect.promise(() => refold(directory, ["executions", "--tenant", "library"])).pipe(
        Effect.provide(Layer.fresh(PgliteStore.layerClient({ dataDir })))
      )
    )
    expect(outcome.code).toBe(1)
    expect(complaint(outcome)).toContain(`process ${process.pid}`)
  })

  it("goes on after a kill in the middle of an import, and ends with every row once", async () => {
    const rows = Array.from(
      { length: 20_000 },
      (_, row) => `K-${row % 2_000},Step ${Math.floor(row / 2_000)},2026-03-01T10:00:00Z,ann`
    )
    const path = await file("long.csv", ["case,step,at,who", ...rows].join("\n"))
    const args = [...importOf(path, "killed"), "--json"]
    const killed = await refold(directory, args, {}, (child, stderr) => {
      if (stderr.includes("written")) child.kill("SIGKILL")
    })
    expect(killed.code).toBeNull()

    const again = await refold(directory, args)
    expect(again.code).toBe(0)
    expect(JSON.parse(again.stdout)).toMatchObject({ rowCount: 20_000, executionCount: 2_000 })
    const exported = await refold(directory, ["export", "--tenant", "killed"])
    expect(exported.stdout.trimEnd().split("\n")).toHaveLength(20_000)
    const verified = await refold(directory, ["verify", "--tenant", "killed", "--json"])
    expect(JSON.parse(verified.stdout)).toMatchObject({ executionCount: 2_000, eventCount: 20_000, findingCount: 0 })
  }, 120_000)
})
