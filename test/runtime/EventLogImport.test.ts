/** Imports into a store in memory: order, repetition, and refusals. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import type { ImportedRow } from "@refold/core"
import { EventLogImport, TypeScriptWorkflowRuntime, WorkflowEventSourcing } from "@refold/runtime"
import { Effect, Layer, Stream } from "effect"
import { changed, eventsOf, memory, orderOf, place, tenant } from "./Services.ts"

const layer = Layer.mergeAll(memory({ policy: { _tag: "Never" } }), NodeFileSystem.layer)

/** Rows in file order; the line number is the index plus one for the header. */
const rowsOf = (
  rows: ReadonlyArray<readonly [executionId: string, activity: string, second: number, fields?: Partial<ImportedRow>]>
): ReadonlyArray<ImportedRow> =>
  rows.map(([execution_id, event_name, second, fields], index) => ({
    execution_id,
    event_name,
    event_type: "workflow",
    created_at: new Date(Date.UTC(2025, 0, 1, 0, 0, second)).toISOString(),
    place: index + 1,
    line: index + 2,
    ...fields
  }))

const importRows = (rows: ReadonlyArray<ImportedRow>, workflow = "log") =>
  EventLogImport.importRows(Stream.fromIterable(rows), { tenant, workflow })

const activitiesOf = (executionId: string) =>
  Effect.map(eventsOf(executionId), (events) => events.map((event) => event.event_name))

const log = rowsOf([
  ["a", "Register", 1],
  ["a", "Check", 2, { user_id: "ann", payload: { cost: 5 } }],
  ["a", "Pay", 3, { payload: { paid: true } }]
])

describe("importRows", () => {
  it.effect("makes one execution of each case, and one event of each row", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* importRows(log), { rowCount: 3, executionCount: 1, eventsAdded: 3 })
      const events = yield* eventsOf("a")
      assert.deepInclude(events[0], { position: 1, event_name: "Register", from_state: "none", to_state: "Register" })
      assert.deepInclude(events[1], {
        position: 2,
        event_name: "Check",
        event_type: "workflow",
        from_state: "Register",
        to_state: "Check",
        user_id: "ann",
        payload: { cost: 5 },
        created_at: "2025-01-01T00:00:02.000Z",
        recorded_at: "1970-01-01T00:00:00.000Z",
        metadata: {}
      })
      assert.strictEqual(new Set(events.map((event) => event.event_id)).size, 3)
      const { replayEvents } = yield* WorkflowEventSourcing
      const { executionState } = yield* replayEvents("a", tenant)
      assert.deepInclude(executionState, { currentState: "Pay", data: { cost: 5, paid: true }, isComplete: false })
    }).pipe(Effect.provide(layer))
  )

  it.effect("orders by instant, equal instants by place in the file, and nothing else", () =>
    Effect.gen(function* () {
      yield* importRows(
        rowsOf([
          ["b", "Zulu", 5],
          ["a", "late", 9],
          ["b", "Alpha", 5],
          ["a", "tie, second name", 4],
          ["b", "early", 1],
          ["a", "a tie, first name", 4, { user_id: "aaa" }],
          ["a", "first", 0],
          ["b", "Mike", 5, { event_type: "start" }]
        ])
      )
      assert.deepStrictEqual(yield* activitiesOf("a"), ["first", "tie, second name", "a tie, first name", "late"])
      assert.deepStrictEqual(yield* activitiesOf("b"), ["early", "Zulu", "Alpha", "Mike"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("rows alike in every column are events of their own", () =>
    Effect.gen(function* () {
      const twice = rowsOf([
        ["a", "Check", 1],
        ["a", "Check", 1],
        ["a", "Check", 1]
      ])
      assert.strictEqual((yield* importRows(twice)).eventsAdded, 3)
      assert.strictEqual((yield* importRows(twice)).eventsAdded, 0)
      assert.strictEqual(new Set((yield* eventsOf("a")).map((event) => event.event_id)).size, 3)
    }).pipe(Effect.provide(layer))
  )

  it.effect("no rows are no events", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* importRows([]), { rowCount: 0, executionCount: 0, eventsAdded: 0 })
    }).pipe(Effect.provide(layer))
  )

  it.effect("tells how far it is, reading and writing", () =>
    Effect.gen(function* () {
      const seen: Array<EventLogImport.ImportProgress> = []
      yield* EventLogImport.importRows(Stream.fromIterable(log), {
        tenant,
        workflow: "log",
        onProgress: (progress) => Effect.sync(() => void seen.push(progress))
      })
      assert.deepStrictEqual(seen, [
        { phase: "reading", rowCount: 3 },
        { phase: "writing", rowCount: 3, totalRowCount: 3 }
      ])
    }).pipe(Effect.provide(layer))
  )

  describe("again", () => {
    it.effect("the same file adds nothing, however its rows are cut or its cases stand", () =>
      Effect.gen(function* () {
        yield* importRows(log)
        const before = yield* eventsOf("a")
        assert.strictEqual((yield* importRows(log)).eventsAdded, 0)
        assert.strictEqual((yield* importRows(log.map((row) => ({ ...row, line: row.line + 7 })))).eventsAdded, 0)
        assert.deepStrictEqual(yield* eventsOf("a"), before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("a longer version adds the rest, a shorter one nothing", () =>
      Effect.gen(function* () {
        yield* importRows(log.slice(0, 1))
        assert.deepStrictEqual(yield* importRows(log), { rowCount: 3, executionCount: 1, eventsAdded: 2 })
        assert.strictEqual((yield* importRows(log.slice(0, 2))).eventsAdded, 0)
        assert.deepStrictEqual(yield* activitiesOf("a"), ["Register", "Check", "Pay"])
        assert.strictEqual((yield* eventsOf("a"))[2]?.from_state, "Check")
      }).pipe(Effect.provide(layer))
    )

    it.effect("the ids are the same as in one go", () =>
      Effect.gen(function* () {
        const ids = Effect.map(eventsOf("a"), (events) => events.map((event) => event.event_id))
        const atOnce = yield* Effect.andThen(importRows(log), ids).pipe(
          Effect.provide(Layer.fresh(layer), { local: true })
        )
        yield* importRows(log.slice(0, 1))
        yield* importRows(log)
        assert.deepStrictEqual(yield* ids, atOnce)
      }).pipe(Effect.provide(layer))
    )

    it.effect("new cases are added beside known ones", () =>
      Effect.gen(function* () {
        yield* importRows(log)
        const summary = yield* importRows([...log, ...rowsOf([["b", "Register", 1]])])
        assert.deepStrictEqual(summary, { rowCount: 4, executionCount: 2, eventsAdded: 1 })
      }).pipe(Effect.provide(layer))
    )

    const withRow = (at: number, fields: Partial<ImportedRow>) =>
      log.map((row, index) => (index === at ? { ...row, ...fields } : row))
    const late = rowsOf([["a", "Late", 2, { line: 9, place: 9 }]])

    it.effect.each<[string, ReadonlyArray<ImportedRow>, number, number]>([
      ["an activity changed", withRow(1, { event_name: "Chk" }), 3, 2],
      ["a user changed", withRow(1, { user_id: "bob" }), 3, 2],
      ["a payload changed", withRow(2, { payload: { paid: false } }), 4, 3],
      ["a payload gone", [...log.slice(0, 2), ...rowsOf([["a", "Pay", 3, { line: 4, place: 3 }]])], 4, 3],
      ["a type changed", withRow(0, { event_type: "start" }), 2, 1],
      ["an instant changed", withRow(0, { created_at: "2024-12-31T00:00:00.000Z" }), 2, 1],
      ["a row in the middle", [...log, ...late], 9, 3],
      ["a row left out", log.toSpliced(1, 1), 4, 2]
    ])("%s is a conflict that names the first line and position, and adds nothing", ([, rows, line, position]) =>
      Effect.gen(function* () {
        yield* importRows(log)
        const before = yield* eventsOf("a")
        const error = yield* Effect.flip(importRows(rows))
        if (error._tag !== "ImportConflict") return assert.fail(error.message)
        assert.deepInclude(error, { executionId: "a", line, position })
        assert.deepStrictEqual(yield* eventsOf("a"), before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("after events of its own, an execution still takes the same file, but no longer one", () =>
      Effect.gen(function* () {
        yield* importRows(log.slice(0, 2))
        const runtime = yield* TypeScriptWorkflowRuntime
        yield* runtime.submitEvent({ ...place("a"), submission: { event_name: "Noted" } })
        assert.strictEqual((yield* importRows(log.slice(0, 2))).eventsAdded, 0)
        const error = yield* Effect.flip(importRows(log))
        if (error._tag !== "ImportConflict") return assert.fail(error.message)
        assert.strictEqual(error.position, 3)
        assert.strictEqual((yield* eventsOf("a")).length, 3)
      }).pipe(Effect.provide(layer))
    )

    it.effect.each(["another log", "order"])("an execution of workflow %s is a conflict", (workflow) =>
      Effect.gen(function* () {
        if (workflow === "order") yield* orderOf(1, "a")
        else yield* importRows(log.slice(0, 1), workflow)
        const before = yield* eventsOf("a")
        for (const name of ["log", ...(workflow === "order" ? ["order"] : [])]) {
          const error = yield* Effect.flip(importRows(log, name))
          if (error._tag !== "ImportConflict") return assert.fail(error.message)
          assert.include(error.message, `"${workflow}"`)
          assert.strictEqual(error.line, 2)
        }
        assert.deepStrictEqual(yield* eventsOf("a"), before)
      }).pipe(Effect.provide(layer))
    )

    it.effect("another tenant's execution of the same name is no matter", () =>
      Effect.gen(function* () {
        yield* importRows(log)
        const summary = yield* EventLogImport.importRows(Stream.fromIterable(log.slice(1)), {
          tenant: "rival",
          workflow: "other"
        })
        assert.strictEqual(summary.eventsAdded, 2)
      }).pipe(Effect.provide(layer))
    )
  })

  describe("an execution longer than a batch", () => {
    const long = rowsOf(
      Array.from({ length: 5000 }, (_, index) => ["long", `activity ${index}`, 5000 - index] as const)
    )
    const short = rowsOf([
      ["a", "one", 1],
      ["z", "one", 1]
    ])

    it.effect("is imported in order, once", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* importRows([...long, ...short]), {
          rowCount: 5002,
          executionCount: 3,
          eventsAdded: 5002
        })
        const events = yield* eventsOf("long")
        assert.strictEqual(events.length, 5000)
        for (const [index, event] of events.entries()) {
          if (event.position !== index + 1 || event.event_name !== `activity ${4999 - index}`)
            assert.fail(event.event_name)
          if (event.from_state !== (events[index - 1]?.to_state ?? "none")) assert.fail(event.from_state)
        }
        assert.strictEqual((yield* importRows([...long, ...short])).eventsAdded, 0)
      }).pipe(Effect.provide(layer))
    )

    it.effect("goes on where it stopped, wherever that was", () =>
      Effect.gen(function* () {
        // The rows are in reverse time order, so the last rows of the file are the first of the log.
        for (const count of [1, 1999, 2000, 2001, 3999, 4001, 5000]) {
          yield* importRows(long.slice(-count))
          assert.strictEqual((yield* eventsOf("long")).length, count)
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("a change in any batch is found", () =>
      Effect.gen(function* () {
        yield* importRows(long)
        for (const index of [0, 999, 1000, 2999, 3000, 4999]) {
          const changedRows = long.map((row, at) => (at === index ? { ...row, user_id: "other" } : row))
          const error = yield* Effect.flip(importRows(changedRows))
          if (error._tag !== "ImportConflict") return assert.fail(error.message)
          assert.deepInclude(error, { line: index + 2, position: 5000 - index })
        }
      }).pipe(Effect.provide(layer))
    )

    it.effect("cut off in between, a second run completes it", () =>
      Effect.gen(function* () {
        let commitCount = 0
        const cut = changed({
          events: ({ commit }) => ({
            commit: (commits) =>
              Effect.suspend(() => {
                commitCount += 1
                return commitCount === 2 ? Effect.die("power cut") : commit(commits)
              })
          })
        })
        const exit = yield* Effect.exit(importRows(long).pipe(Effect.provide(cut)))
        assert.strictEqual(exit._tag, "Failure")
        assert.strictEqual((yield* eventsOf("long")).length, 2000)
        assert.strictEqual((yield* importRows(long)).eventsAdded, 3000)
        assert.strictEqual((yield* importRows(long)).eventsAdded, 0)
      }).pipe(Effect.provide(layer))
    )
  })

  describe("writes two batches at once", () => {
    /** The executions of each commit, and the most commits in progress at once. */
    const watched = Effect.fnUntraced(function* (rows: ReadonlyArray<ImportedRow>, isInTransaction = false) {
      const commits: Array<ReadonlyArray<string>> = []
      const underWay = new Set<ReadonlyArray<string>>()
      let most = 0
      const watching = changed({
        events: ({ commit }) => ({
          isInTransaction: Effect.succeed(isInTransaction),
          commit: (sent) =>
            Effect.gen(function* () {
              const ids = sent.map(({ executionId }) => executionId)
              const shared = ids.find((id) => [...underWay].some((others) => others.includes(id)))
              if (shared !== undefined) return assert.fail(`two commits of "${shared}" are under way`)
              commits.push(ids)
              underWay.add(ids)
              most = Math.max(most, underWay.size)
              // Long enough for every commit that would start.
              for (let turn = 0; turn < 100; turn++) yield* Effect.yieldNow
              underWay.delete(ids)
              return yield* commit(sent)
            })
        })
      })
      const summary = yield* importRows(rows).pipe(Effect.provide(watching))
      assert.strictEqual(summary.eventsAdded, rows.length)
      return { commits, most }
    }, Effect.provide(layer))

    it.effect("of different executions, and cuts none in two", () =>
      Effect.gen(function* () {
        const cases = Array.from({ length: 7000 }, (_, index) => [`case ${index % 1000}`, "one", index] as const)
        const { commits, most } = yield* watched(rowsOf(cases))
        assert.strictEqual(most, 2)
        assert.strictEqual(commits.flat().length, 1000)
        assert.isAtMost(Math.max(...commits.map((ids) => ids.length * 7)), 4000)
      })
    )

    it.effect("but not in a transaction of the caller's, which has one session", () =>
      Effect.gen(function* () {
        const cases = Array.from({ length: 5000 }, (_, index) => [`case ${index}`, "one", 1] as const)
        assert.strictEqual((yield* watched(rowsOf(cases), true)).most, 1)
      })
    )

    it.effect("but not of the same", () =>
      Effect.gen(function* () {
        const long = Array.from({ length: 9000 }, (_, index) => ["long", "one", index] as const)
        const { commits } = yield* watched(rowsOf([["a", "one", 1], ...long, ["z", "one", 1]]))
        assert.isAtLeast(commits.filter((ids) => ids.includes("long")).length, 3)
      })
    )
  })

  describe("refuses, before anything is written,", () => {
    it.effect.each<[string, Partial<ImportedRow>, string]>([
      ["NUL in the case", { execution_id: "a\0" }, "execution_id"],
      ["an empty activity", { event_name: "" }, "event_name"],
      ["an activity that is too long", { event_name: "x".repeat(256) }, "event_name"],
      ["half a surrogate pair in the type", { event_type: "\udc00" }, "event_type"],
      ["an empty user", { user_id: "" }, "user_id"],
      ["a time that is none", { created_at: "yesterday" }, "created_at"],
      ["a time in another spelling", { created_at: "2025-01-01T00:00:00Z" }, "created_at"],
      ["NUL in the payload", { payload: { note: "\0" } }, "payload/note"],
      ["a payload that is too large", { payload: { note: "x".repeat(300 * 1024) } }, "payload"]
    ])("%s, by its line", ([, fields, field]) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(importRows([...log, ...rowsOf([["b", "bad", 0, { line: 77, ...fields }]])]))
        if (error._tag !== "RowRefused") return assert.fail(error.message)
        assert.deepInclude(error, { line: 77, field })
        assert.isTrue(error.message.startsWith("Line 77: "))
        assert.deepStrictEqual(yield* eventsOf("a"), [])
      }).pipe(Effect.provide(layer))
    )

    it.effect("a tenant or a workflow name that cannot be stored", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(importRows(log, ""))
        assert.strictEqual(error._tag, "InvalidInput")
        assert.deepStrictEqual(yield* eventsOf("a"), [])
      }).pipe(Effect.provide(layer))
    )

    it.effect("whatever comes after a reader's error", () =>
      Effect.gen(function* () {
        const broken = Stream.concat(Stream.fromIterable(log), Stream.fail("the file ends in the middle" as const))
        const error = yield* Effect.flip(EventLogImport.importRows(broken, { tenant, workflow: "log" }))
        assert.strictEqual(error, "the file ends in the middle")
        assert.deepStrictEqual(yield* eventsOf("a"), [])
      }).pipe(Effect.provide(layer))
    )
  })
})
