/** Queueing and processing, one command after another. Uses a server, on which a command takes half the time of the embedded database. */
import { PostgresStore } from "@refold/adapters/postgres"
import { WorkflowEventProcessingModel } from "@refold/core"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { createDatabase, dropDatabase } from "./database.ts"
import { complaint, refold } from "./refold.ts"

const database = `refold_queue_${process.pid}`
let directory: string
let url: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "refold-cli-queue-"))
  url = await createDatabase(database)
  await run(["migrate"])
})

afterAll(async () => {
  await dropDatabase(database)
  await rm(directory, { recursive: true })
})

const run = (args: ReadonlyArray<string>, watch?: Parameters<typeof refold>[3], stdin?: string | Uint8Array) =>
  refold(directory, args, { DATABASE_URL: url }, watch, stdin)

const start = (executionId: string) =>
  run(["start", "--tenant", "acme", "--workflow", "order", "--execution", executionId])

const line = (executionId: string, name: string, rest: object = {}) =>
  JSON.stringify({ tenant: "acme", execution_id: executionId, event_name: name, ...rest })

const enqueueLines = (text: string | Uint8Array) => run(["enqueue", "--jsonl", "-", "--json"], undefined, text)

/** Runs a worker until no event is pending, then stops it with a signal. */
const work = async () => {
  let end: (() => void) | undefined
  const outcome = await run(["worker", "--id", "one"], (child, stderr) => {
    if (end !== undefined || !stderr.includes("has started")) return
    end = () => void child.kill("SIGTERM")
    void inStore(isEmpty).then(end)
  })
  expect(outcome.code).toBe(0)
  expect(outcome.stderr).toMatch(
    /has started.*workerId=one channel="PostgreSQL notifications"[^]*drains.*SIGTERM[^]*has drained/
  )
  expect(outcome.stdout).toBe("")
}

/** Polls until no event is pending. */
const isEmpty = Effect.flatMap(WorkflowEventProcessingModel, (queue) =>
  Effect.repeat(queue.lag, {
    until: (lags) => lags.every(({ pendingCount }) => pendingCount === 0),
    schedule: Schedule.spaced("20 millis")
  })
)

/** Runs an effect on the database of the commands. */
const inStore = <A, E>(effect: Effect.Effect<A, E, WorkflowEventProcessingModel>) =>
  Effect.runPromise(
    Effect.provide(
      effect,
      PostgresStore.layer.pipe(Layer.provide(PostgresStore.layerClient({ url: Redacted.make(url) })))
    )
  )

const stateOf = async (executionId: string) => {
  const { stdout } = await run(["replay", executionId, "--tenant", "acme", "--json"])
  return JSON.parse(stdout).executionState
}

const lag = async () => JSON.parse((await run(["lag", "--json"])).stdout)

describe("refold enqueue and worker, on a server", () => {
  it("refuses at once what no state could accept", async () => {
    const unknown = await run(["enqueue", "--tenant", "acme", "--execution", "O-9", "--event", "Paid"])
    expect(unknown).toEqual({
      code: 1,
      stdout: "",
      stderr: 'refold: There is no execution "O-9": check the id and the tenant\n'
    })
  })

  it("queues lines of a file and of standard input, in order, and nothing twice under a key", async () => {
    await start("L-1")
    await start("L-2")
    const lines = Array.from({ length: 1200 }, (_, index) =>
      line(`L-${(index % 2) + 1}`, `Step ${index}`, { payload: { index }, idempotency_key: `k-${index}` })
    )
    const path = join(directory, "events.jsonl")
    await writeFile(path, `\uFEFF${lines.join("\r\n")}\r\n\r\n`)
    const first = await run(["enqueue", "--jsonl", path, "--json"])
    expect([first.code, JSON.parse(first.stdout)]).toEqual([0, { queuedCount: 1200 }])
    expect(first.stderr).toMatch(/events queued: \d+/)
    expect(await lag()).toMatchObject({ pendingCount: 1200 })

    const again = await enqueueLines(lines.join("\n"))
    expect([again.code, JSON.parse(again.stdout)]).toEqual([0, { queuedCount: 1200 }])
    expect(await lag()).toMatchObject({ pendingCount: 1200 })

    await work()
    expect(await stateOf("L-1")).toMatchObject({ position: 601, data: { index: 1198 } })
    expect(await stateOf("L-2")).toMatchObject({ position: 601, data: { index: 1199 } })
  })

  it.each([
    ["no JSON", "{", "line 3: the line is not JSON"],
    ["no object", "[1]", "line 3: the line is not an object"],
    ["a missing field", '{"tenant":"acme","execution_id":"L-1"}', '"event_name" is missing'],
    ["a wrong type", '{"tenant":"acme","execution_id":5,"event_name":"x"}', '"execution_id" has the wrong type'],
    ["an unknown field", line("L-1", "x", { state: "secret" }), '"state" is not one of the fields tenant'],
    ["an unknown execution", line("L-0", "x"), 'There is no execution "L-0"'],
    ["a payload that cannot be merged", line("L-1", "x", { payload: "secret" }), "payload of x"],
    ["a name that cannot be stored", line("L-1", "a\0b"), "event_name"],
    ["bytes that are not UTF-8", new Uint8Array([0xff, 0xfe, 0x00]), "line 3: the bytes are not UTF-8"],
    ["a line without end", "x".repeat(5 * 1024 * 1024), "line 3: the line is longer than"]
  ])("stops at %s, says which line it is and how many are queued", async (_, broken, words) => {
    const before = Buffer.from(`${line("L-1", "one", { idempotency_key: "one" })}\n\n`)
    const stopped = await enqueueLines(Buffer.concat([before, Buffer.from(broken), Buffer.from("\n{}\n")]))
    expect([stopped.code, stopped.stdout]).toEqual([1, ""])
    expect(complaint(stopped)).toMatch(/^refold: standard input, line 3: .*; 1 event before it is queued$/)
    expect(complaint(stopped)).toContain(words)
    expect(stopped.stderr).not.toContain("secret")
  })

  it("keeps what was queued before the line that is broken", async () => {
    expect(await lag()).toMatchObject({ pendingCount: 1 })
  })

  it("says that a file is not there", async () => {
    const outcome = await run(["enqueue", "--jsonl", "nowhere.jsonl"])
    expect([outcome.code, complaint(outcome)]).toEqual([
      1,
      expect.stringMatching(/nowhere\.jsonl: the file cannot be read.*nothing is queued$/)
    ])
  })
})

describe("refold dead-letters, on a server", () => {
  /** Queues two events and makes the first a dead letter, as a throwing definition would. */
  const killFirst = async (executionId: string) => {
    await start(executionId)
    await enqueueLines(`${line(executionId, "first")}\n${line(executionId, "second", { to_state: "done" })}\n`)
    return inStore(
      Effect.gen(function* () {
        const queue = yield* WorkflowEventProcessingModel
        const [claim] = yield* queue.claim({ executions: [{ tenant: "acme", executionId }], limit: 1 })
        const [event] = yield* Effect.orDie(Effect.fromNullishOr(claim?.events))
        yield* queue.fail({ event, cause: "Error: the dog ate it", next: { _tag: "Block" } })
        return event.processingId
      })
    )
  }

  it("lists a dead letter, and redrives it in its place", async () => {
    const processingId = await killFirst("D-1")
    const table = await run(["dead-letters", "list"])
    expect(table.stdout).toMatch(/D-1 +first +Dead \(blocks\) +1 +Error: the dog ate it\n1 dead letter\n/)
    const listed = await run(["dead-letters", "list", "--tenant", "acme", "--jsonl"])
    expect(JSON.parse(listed.stdout)).toMatchObject({ processingId, attemptCount: 1, status: { _tag: "Dead" } })
    const others = await run(["dead-letters", "list", "--tenant", "rival"])
    expect(others.stdout).toBe("0 dead letters\n")
    expect(await lag()).toMatchObject({ deadCount: 1 })

    const redrive = ["dead-letters", "redrive", processingId, "--tenant", "acme", "--execution", "D-1"]
    expect(await run(redrive)).toMatchObject({ code: 0, stdout: "Requeued: first of D-1\n" })
    const again = await run(redrive)
    expect([again.code, complaint(again)]).toEqual([1, expect.stringContaining("is not a dead letter: it is pending")])

    await work()
    expect(await stateOf("D-1")).toMatchObject({ currentState: "done", position: 3 })
  })

  it("discards a dead letter, and the execution goes on without it", async () => {
    const processingId = await killFirst("D-2")
    const discard = ["dead-letters", "discard", processingId, "--tenant", "acme", "--execution", "D-2"]
    expect((await run(discard.with(4, "rival"))).code).toBe(1)
    expect((await run(discard)).stdout).toBe("Discarded: first of D-2\n")
    await work()
    expect(await stateOf("D-2")).toMatchObject({ currentState: "done", position: 2 })
    expect((await run(["dead-letters", "list"])).stdout).toBe("0 dead letters\n")
  })
})
