import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import { WorkflowEventModel } from "@refold/core"
import { Array, Effect, Fiber, Layer, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { commitOf } from "./commits.ts"

/** An empty database, created once, because that takes seconds. */
const template = mkdtempSync(join(tmpdir(), "refold-pglite-"))
beforeAll(() => Effect.runPromise(Effect.scoped(open(template))))
afterAll(() => rmSync(template, { recursive: true, force: true }))

const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "refold-pglite-"))
    cpSync(template, path, { recursive: true })
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const at = { tenant: "kept", executionId: "one" }

const positions = Effect.flatMap(WorkflowEventModel, (model) =>
  Effect.map(Stream.runCollect(model.read(at)), (events) => events.map((event) => event.position))
)

/** The writer as a separate process, which ends with the scope, and the lines that it prints. */
const writer = (dataDir: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const script = fileURLToPath(new URL("./pgliteWriter.ts", import.meta.url))
      const child = spawn(process.execPath, ["--conditions=@refold/source", script, dataDir, at.tenant], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
    }),
    ({ child }) => kill(child)
  )

const kill = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill("SIGKILL")
    await once(child, "exit")
  })

const nextLine = ({ lines }: Effect.Success<ReturnType<typeof writer>>) =>
  Effect.map(
    Effect.promise(() => lines.next()),
    (line) => String(line.value)
  )

const open = (dataDir: string) => Layer.build(PgliteStore.layer({ dataDir }))

describe("a data directory", () => {
  it.live("keeps what was committed for the next who opens it, and leaves no lock behind", () =>
    Effect.gen(function* () {
      const dataDir = yield* directory
      yield* Effect.flatMap(WorkflowEventModel, (model) => model.commit([commitOf(at, 0, ["1", "2"])])).pipe(
        Effect.provide(PgliteStore.layer({ dataDir }))
      )
      assert.deepStrictEqual(readdirSync(dataDir), ["pgdata"])
      assert.deepStrictEqual(yield* positions.pipe(Effect.provide(PgliteStore.layer({ dataDir }))), [1, 2])
    }).pipe(Effect.scoped)
  )

  it.live("is opened by one at a time, also within a process", () =>
    Effect.gen(function* () {
      const dataDir = yield* directory
      const holder = yield* open(dataDir)
      const failure = yield* Effect.flip(Effect.scoped(open(dataDir)))
      assert.deepStrictEqual([failure.reason._tag, failure.isRetryable], ["Locked", true])
      assert.include(failure.message, `another process holds the data directory`)
      assert.include(failure.message, `process ${process.pid}`)
      const other = yield* writer(dataDir)
      assert.strictEqual(yield* nextLine(other), "Locked")
      assert.deepStrictEqual(yield* positions.pipe(Effect.provide(holder)), [])
    }).pipe(Effect.scoped)
  )

  it.live(
    "of a living process is refused, whoever that is; of a dead one, or an earlier one of our id, is taken over",
    () =>
      Effect.gen(function* () {
        const dataDir = yield* directory
        const dead = spawnSync(process.execPath, ["--version"]).pid
        const lock = (owner: string) => Effect.sync(() => writeFileSync(join(dataDir, "lock"), owner))
        for (const owner of [process.ppid, 1]) {
          yield* lock(String(owner))
          const failure = yield* Effect.flip(Effect.scoped(open(dataDir)))
          assert.deepInclude(failure, { reason: { _tag: "Locked", detail: `process ${owner}` } })
        }
        for (const owner of [String(dead), String(process.pid), "", "no number"]) {
          yield* lock(owner)
          yield* Effect.scoped(open(dataDir))
          assert.deepStrictEqual(readdirSync(dataDir), ["pgdata"])
        }
      }).pipe(Effect.scoped)
  )

  it.live("with a stale lock is taken over by one of many who try at once", () =>
    Effect.gen(function* () {
      const dataDir = yield* directory
      writeFileSync(join(dataDir, "lock"), String(spawnSync(process.execPath, ["--version"]).pid))
      const contenders = yield* Effect.all(Array.makeBy(4, () => writer(dataDir)))
      const answers = yield* Effect.forEach(contenders, nextLine, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers.toSorted(), ["Locked", "Locked", "Locked", "open"])
    }).pipe(Effect.scoped)
  )

  it.live("whose writer was killed has every commit it answered, each whole", () =>
    Effect.gen(function* () {
      const dataDir = yield* directory
      const killed = yield* writer(dataDir)
      assert.strictEqual(yield* nextLine(killed), "open")
      let answered = 0
      while (answered < 60) answered = Number(yield* nextLine(killed))
      yield* kill(killed.child)
      const holder = yield* open(dataDir)
      const found = yield* positions.pipe(Effect.provide(holder))
      assert.deepStrictEqual(
        found,
        found.map((_, place) => place + 1)
      )
      assert.isAtLeast(found.length, answered)
      assert.strictEqual(found.length % 3, 0)
      const model = yield* Effect.provide(WorkflowEventModel, holder)
      const [result] = yield* model.commit([commitOf(at, found.length, ["next"])])
      assert.isTrue(Result.isSuccess(result))
    }).pipe(Effect.scoped)
  )

  it.live("that cannot be made says why", () =>
    Effect.gen(function* () {
      const file = join(yield* directory, "file")
      writeFileSync(file, "")
      const failure = yield* Effect.flip(Effect.scoped(open(file)))
      assert.include(failure.reason, { _tag: "Unavailable", isRetryable: false })
      assert.match(failure.message, /EEXIST|ENOTDIR/)
      const damaged = yield* directory
      writeFileSync(join(damaged, "pgdata", "PG_VERSION"), "1")
      const broken = yield* Effect.flip(Effect.scoped(open(damaged)))
      assert.include(broken.reason, { _tag: "Unavailable", isRetryable: false })
      assert.deepStrictEqual(readdirSync(damaged), ["pgdata"])
    }).pipe(Effect.scoped)
  )
})

describe("the embedded database", () => {
  it.live("goes on with a transaction in which a query was interrupted, and with what other fibers wait for", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const model = yield* WorkflowEventModel
      yield* Effect.gen(function* () {
        yield* model.commit([commitOf(at, 0, ["1"])])
        for (const _ of Array.range(1, 20)) {
          const slow = yield* Effect.forkChild(sql`select count(*) from generate_series(1, 20000)`, {
            startImmediately: true
          })
          yield* Effect.yieldNow
          yield* Fiber.interrupt(slow)
        }
        yield* model.commit([commitOf(at, 1, ["2"])])
      }).pipe(sql.withTransaction)
      const interrupted = yield* Effect.forkChild(
        Effect.forEach(Array.range(1, 10), (n) =>
          model.commit([commitOf({ ...at, executionId: `other ${n}` }, 0, ["1"])])
        )
      )
      yield* Effect.forEach(Array.range(2, 11), (position) => model.commit([commitOf(at, position, ["x"])]), {
        discard: true
      })
      yield* Fiber.interrupt(interrupted)
      assert.deepStrictEqual(yield* positions, Array.range(1, 12))
    }).pipe(Effect.provide(PostgresStore.layerMigrated().pipe(Layer.provideMerge(PgliteStore.layerClient()))))
  )
})
