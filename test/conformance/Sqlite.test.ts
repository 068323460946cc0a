/** The adapter in `docs/adapters.md` keeps every promise of its ports, and the statements of the page are true. */
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { fileURLToPath } from "node:url"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { testAdapter } from "@refold/testing/conformance"
import { type Commit, type StoreError, WorkflowEventModel, WorkflowExecutionModel } from "@refold/core"
import * as SqliteStore from "@refold/examples/05-sqlite-adapter/SqliteStore.ts"
import { Array, Effect, Layer, Result, Stream } from "effect"

const folder = mkdtempSync(join(tmpdir(), "refold-sqlite-"))
afterAll(() => rmSync(folder, { recursive: true }))

let fileCount = 0
/** The path of a new file. */
const newPath = () => join(folder, `${++fileCount}.db`)

const commit = (executionId: string, expectedPosition: number, id = expectedPosition): Commit.Commit => ({
  tenant: "acme",
  executionId,
  workflow: { name: "sample", version: 1 },
  expectedPosition,
  isComplete: false,
  events: [
    {
      event_id: `${executionId} ${id}`,
      event_name: "moved",
      event_type: "workflow",
      from_state: "before",
      to_state: "after",
      schema_version: 1,
      metadata: {}
    }
  ]
})

const append = (...commits: Array.NonEmptyReadonlyArray<Commit.Commit>) =>
  Effect.flatMap(WorkflowEventModel, (model) => model.commit(commits))

const log = Effect.flatMap(WorkflowEventModel, (model) => Stream.runCollect(model.readTenant({ tenant: "acme" })))

describe("The SQLite store of the example", async () => {
  await testAdapter(SqliteStore.layer(":memory:"), it)
})

describe("The SQLite store of the example, in a file,", () => {
  it.live("keeps what was written, and the partitions it was made with", () =>
    Effect.gen(function* () {
      const path = newPath()
      const written = yield* Effect.provide(Effect.andThen(append(commit("one", 0)), log), SqliteStore.layer(path, 3))
      const again = Effect.all([log, Effect.map(WorkflowEventModel, ({ partitionCount }) => partitionCount)])
      assert.deepStrictEqual(yield* Effect.provide(again, SqliteStore.layer(path, 9)), [written, 3])
    })
  )

  it.live("changes and deletes no event, whoever asks", () =>
    Effect.gen(function* () {
      const path = newPath()
      yield* Effect.provide(append(commit("one", 0)), SqliteStore.layer(path))
      const database = yield* Effect.acquireRelease(
        Effect.sync(() => new DatabaseSync(path)),
        (opened) => Effect.sync(() => opened.close())
      )
      assert.throws(() => database.exec("update events set record = '{}'"), "events never change")
      assert.throws(() => database.exec("delete from events"), "events are never deleted")
    })
  )

  it.live("is shared by two who have it open: one of two commits wins, and offsets stay dense", () =>
    Effect.gen(function* () {
      const path = newPath()
      const openers = yield* Effect.forEach([1, 2], () => Layer.build(SqliteStore.layer(path, 1)))
      for (const position of Array.range(0, 9)) {
        const answers = yield* Effect.forEach(
          openers,
          (context, id) => Effect.provide(append(commit("one", position, position * 2 + id)), context),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(answers.flat().filter(Result.isSuccess).length, 1)
      }
      const logs = yield* Effect.forEach(openers, (context) => Effect.provide(log, context))
      assert.deepStrictEqual(logs[0], logs[1])
      assert.deepStrictEqual(
        logs[0]?.map(({ offset }) => offset),
        Array.range(1, 10)
      )
    })
  )

  it.live("fails as StoreError, with the reason that says what to do", () =>
    Effect.gen(function* () {
      const text = newPath()
      writeFileSync(text, "This is no database, but a text that is longer than the head of one. ".repeat(20))
      const damaged = newPath()
      yield* Effect.provide(log, SqliteStore.layer(damaged))
      const database = new DatabaseSync(damaged)
      database.exec("drop table executions")
      database.close()
      const settling = {
        ...commit("one", 0),
        settles: { after: 0, settlements: [{ _tag: "Skipped", cause: "" }] }
      } as const
      const reasonOf = <A, E extends StoreError, R>(failing: Effect.Effect<A, E, R>) =>
        Effect.map(Effect.flip(failing), ({ _tag, reason }) => `${_tag} ${reason._tag}`)
      const tenants = Effect.flatMap(WorkflowExecutionModel, (model) => model.tenants)
      const reasons = [
        yield* reasonOf(Effect.provide(log, SqliteStore.layer(folder))),
        yield* reasonOf(Effect.provide(log, SqliteStore.layer(text))),
        yield* reasonOf(Effect.provide(tenants, SqliteStore.layer(damaged))),
        yield* reasonOf(Effect.provide(append(settling), SqliteStore.layer(damaged)))
      ]
      assert.deepStrictEqual(reasons, [
        "StoreError Unavailable",
        "StoreError Invalid",
        "StoreError Refused",
        "StoreError Refused"
      ])
    })
  )
})

describe("docs/adapters.md", () => {
  it("counts the lines of the adapter right", () => {
    const root = fileURLToPath(new URL("../..", import.meta.url))
    const lines = globSync("examples/05-sqlite-adapter/Sqlite*.ts", { cwd: root })
      .flatMap((path) => readFileSync(join(root, path), "utf8").split("\n"))
      .filter((line) => !/^\s*(\/\/.*|\/\*\*.*\*\/)?$/.test(line))

    assert.isBelow(lines.length, 300)
  })
})
