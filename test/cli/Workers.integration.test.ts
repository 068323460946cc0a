/** Workers as separate processes, on a real PostgreSQL, with and without Redis. */
import { PostgresWakeUpChannel, PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { WakeUpChannel, WorkflowExecutionModel } from "@refold/core"
import { PgClient } from "@effect/sql-pg"
import { Duration, Effect, Layer, ManagedRuntime, Option, Redacted, Schedule } from "effect"
import { randomUUID } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest"
import { leaseRows } from "../integration/leaseRows.ts"
import { createDatabase, dropDatabase } from "./database.ts"
import { type Outcome, complaint, refold } from "./refold.ts"

const database = `refold_workers_${process.pid}`
let directory: string
let url: string

/** Queries the database while the workers work. */
const layer = Layer.unwrap(
  Effect.sync(() => PostgresStore.layer.pipe(Layer.provideMerge(PgClient.layer({ url: Redacted.make(url) }))))
)
let observer: ManagedRuntime.ManagedRuntime<Layer.Success<typeof layer>, Layer.Error<typeof layer>>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "refold-cli-workers-"))
  url = await createDatabase(database)
  await run(["migrate"])
  observer = ManagedRuntime.make(layer)
})

afterAll(async () => {
  await observer.dispose()
  await dropDatabase(database)
  await rm(directory, { recursive: true })
})

const run = (args: ReadonlyArray<string>, stdin = "", environment: Readonly<Record<string, string>> = {}) =>
  refold(directory, args, { DATABASE_URL: url, ...environment }, undefined, stdin)

const start = (executionId: string) =>
  run(["start", "--tenant", "acme", "--workflow", "order", "--execution", executionId])

const lines = (executionIds: ReadonlyArray<string>, count: number) =>
  Array.from({ length: count }, (_, index) => `Step ${index + 1}`)
    .flatMap((name, index) =>
      executionIds.map((id) =>
        JSON.stringify({ tenant: "acme", execution_id: id, event_name: name, to_state: name, payload: { index } })
      )
    )
    .join("\n")

interface RunningWorker {
  readonly signal: (name: "SIGTERM" | "SIGINT") => void
  readonly said: (words: string) => Promise<void>
  readonly ended: Promise<Outcome>
}

/** A started worker. */
const startWorker = async (...args: ReadonlyArray<string>): Promise<RunningWorker> => {
  let output = ""
  let listeners: ReadonlyArray<() => void> = []
  let signal: RunningWorker["signal"] = () => {}
  const ended = refold(directory, ["worker", ...args], { DATABASE_URL: url }, (child, stderr) => {
    output = stderr
    signal = (name) => void child.kill(name)
    for (const listener of listeners) listener()
  })
  const said = (words: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (output.includes(words)) resolve()
      }
      listeners = [...listeners, look]
      look()
      void ended.then(({ stderr }) => reject(new Error(`the worker ended without saying "${words}": ${stderr}`)))
    })
  await said("has started")
  return { signal: (name) => signal(name), said, ended }
}

const untilPosition = (executionId: string, position: number, schema = "refold") =>
  observer.runPromise(
    Effect.flatMap(WorkflowExecutionModel, (executions) =>
      executions.find({ tenant: "acme", executionId }).pipe(
        Effect.repeat({
          until: Option.exists((header) => header.position === position),
          schedule: Schedule.spaced("20 millis")
        })
      )
    ).pipe(Effect.provide(PostgresStore.layerWith({ schema })))
  )

const leases = () => observer.runPromise(leaseRows("refold"))

const historyOf = async (executionId: string): Promise<ReadonlyArray<{ event_name: string; position: number }>> => {
  const { stdout } = await run(["history", executionId, "--tenant", "acme", "--jsonl"])
  return stdout
    .trim()
    .split("\n")
    .map((text) => JSON.parse(text))
}

describe("refold worker, on servers", () => {
  it.each([
    { stream: "Redis", flags: () => ["--redis", inject("redisUrl")] },
    { stream: "PostgreSQL notifications", flags: () => [] }
  ])(
    "two of them apply what `enqueue --jsonl` queues, woken by $stream, once and in order",
    async ({ flags, stream }) => {
      const ids = ["1", "2", "3", "4"].map((place) => `${stream} ${place}`)
      await Promise.all(ids.map(start))
      const workers = await Promise.all(["w-1", "w-2"].map((id) => startWorker("--id", id, ...flags())))
      const queued = await run(["enqueue", "--jsonl", "-", "--json", ...flags()], lines(ids, 100))
      expect(JSON.parse(queued.stdout)).toEqual({ queuedCount: 400 })
      await Promise.all(ids.map((id) => untilPosition(id, 101)))

      for (const worker of workers) worker.signal("SIGTERM")
      const outcomes = await Promise.all(workers.map(({ ended }) => ended))
      for (const { code, stderr, stdout } of outcomes) {
        expect([code, stdout]).toEqual([0, ""])
        expect(stderr).toContain(stream)
        expect(stderr).toContain("The worker has drained")
      }
      expect(await leases()).toEqual([])
      const [first = ""] = ids
      expect((await historyOf(first)).slice(1).map(({ event_name }) => event_name)).toEqual(
        Array.from({ length: 100 }, (_, index) => `Step ${index + 1}`)
      )
    }
  )

  const namespace = `${database} {of} its own`

  it.each([
    {
      stream: "Redis",
      flags: () => ["--redis", inject("redisUrl")],
      layerStream: () => RedisWakeUpChannel.layer({ url: Redacted.make(inject("redisUrl")), namespace })
    },
    {
      stream: "PostgreSQL notifications",
      flags: () => [],
      layerStream: () => PostgresWakeUpChannel.layerWith({ schema: "PostgreSQL notifications" })
    }
  ])("one serves the schema that it was given, and nothing else, woken by $stream of its own", async (each) => {
    const { flags, layerStream, stream: schema } = each
    const id = `one in two schemas, ${schema}`
    const own = { REFOLD_SCHEMA: schema, REFOLD_NAMESPACE: namespace }
    const enqueue = ["enqueue", "--tenant", "acme", "--execution", id, "--event", "Paid", ...flags()]
    await run(["migrate"], "", own)
    await start(id)
    await run(["start", "--tenant", "acme", "--workflow", "order", "--execution", id], "", own)
    await run(enqueue)

    /** The wake-ups for the reader of the stream: unacknowledged ones, and those that arrive during an effect. */
    const wakeUpsDuring = (effect: Effect.Effect<unknown>) =>
      Effect.gen(function* () {
        const { reader } = yield* WakeUpChannel
        const { read } = yield* reader
        const request = { partitions: Array.from({ length: 64 }, (_, partition) => partition), limit: 10 }
        const before = yield* read({ ...request, timeout: Duration.zero })
        yield* effect
        const after = yield* read({ ...request, timeout: Duration.seconds(1) })
        return [...before.deliveries, ...after.deliveries]
      }).pipe(Effect.scoped, Effect.provide(layerStream()))

    const queued = await observer.runPromise(wakeUpsDuring(Effect.promise(() => run(enqueue, "", own))))
    expect(queued).toMatchObject([{ tenant: "acme", executionId: id }])

    const worker = await startWorker("--schema", schema, "--namespace", namespace, ...flags())
    await untilPosition(id, 2, schema)
    await observer.runPromise(Effect.repeat(wakeUpsDuring(Effect.void), { until: (left) => left.length === 0 }))
    worker.signal("SIGTERM")
    expect((await worker.ended).code).toBe(0)
    expect(await historyOf(id)).toHaveLength(1)
  })

  it.each([
    ["SIGTERM", 143],
    ["SIGINT", 130]
  ] as const)("ends at once at a second signal, %s, and loses nothing", async (signal, code) => {
    const id = `cut short by ${signal}`
    await start(id)
    const worker = await startWorker()
    // The work in progress cannot finish while the table accepts no rows.
    await observer.runPromise(
      Effect.gen(function* () {
        const sql = yield* PgClient.PgClient
        yield* sql`lock table refold.events in exclusive mode`
        yield* Effect.promise(() => run(["enqueue", "--jsonl", "-"], lines([id], 3)))
        yield* sql`select from pg_locks where not granted and relation = 'refold.events'::regclass`.pipe(
          Effect.repeat({ until: (waiting) => waiting.length > 0, schedule: Schedule.spaced("20 millis") })
        )
        worker.signal("SIGTERM")
        yield* Effect.promise(() => worker.said("The worker drains"))
        worker.signal(signal)
        expect((yield* Effect.promise(() => worker.ended)).code).toBe(code)
      }).pipe((locked) => Effect.flatMap(PgClient.PgClient, (sql) => sql.withTransaction(locked)))
    )
    const next = await startWorker()
    await untilPosition(id, 4)
    next.signal("SIGINT")
    expect((await next.ended).code).toBe(0)
    expect((await historyOf(id)).map(({ position }) => position)).toEqual([1, 2, 3, 4])
  })

  it("says in a sentence that Redis refuses the password, and shows neither", async () => {
    const { port } = new URL(inject("redisUrl"))
    const redis = `redis://nobody:sesame@127.0.0.1:${port}`
    const refused = await run(["worker", "--redis", redis])
    expect([refused.code, refused.stdout]).toEqual([1, ""])
    expect(refused.stderr).toMatch(/^refold: .*the wake-up channel refused the user or the password.*\n$/)
    expect(refused.stderr).not.toContain("sesame")

    const enqueue = ["enqueue", "--tenant", "acme", "--execution", "none", "--event", "x"]
    const alike = await run(enqueue, "", { REDIS_URL: redis })
    expect([alike.code, complaint(alike)]).toEqual([1, complaint(refused)])
  })

  it("works without the Redis that is not there: queueing warns, and the sweep finds the event", async () => {
    const id = randomUUID()
    await start(id)
    const away = ["--redis", "redis://me:sesame@127.0.0.1:1"]
    const queued = await run(["enqueue", "--tenant", "acme", "--execution", id, "--event", "Paid", ...away])
    expect(queued.code).toBe(0)
    expect(queued.stderr).toContain("the wake-up channel cannot be reached")

    const worker = await startWorker(...away)
    await untilPosition(id, 2)
    worker.signal("SIGTERM")
    const { code, stderr } = await worker.ended
    expect(code).toBe(0)
    expect(queued.stderr + stderr).not.toContain("sesame")
  })

  it("asks neither Redis nor its address of a command that wakes nobody", async () => {
    const id = randomUUID()
    expect((await run(["lag"], "", { REDIS_URL: "no address" })).code).toBe(0)
    const started = await run(["start", "--tenant", "acme", "--workflow", "w", "--execution", id], "", {
      REDIS_URL: "redis://127.0.0.1:1"
    })
    expect([started.code, started.stderr]).toEqual([0, ""])
  })

  it("refuses an id that is none, before it connects", async () => {
    const outcome = await refold(directory, ["worker", "--id", "", "--database", "postgres://127.0.0.1:1/none"])
    expect([outcome.code, outcome.stderr]).toEqual([1, expect.stringContaining("id is empty")])
  })
})
