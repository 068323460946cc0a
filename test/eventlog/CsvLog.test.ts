import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { EventLog } from "@refold/adapters/eventlog"
import { bytesOf, errorOf, readText, readToError } from "./LogFiles.ts"

const source: EventLog.Source = {
  path: "orders.csv",
  format: "csv",
  columns: { case: "id", activity: "step", time: "at" }
}
const read = (text: string, options: Partial<Extract<EventLog.Source, { format: "csv" }>> = {}) =>
  readText({ ...source, ...options }, text)
const fail = (text: string, options: Partial<Extract<EventLog.Source, { format: "csv" }>> = {}) =>
  errorOf({ ...source, ...options }, text)

describe("rows", () => {
  it.effect("come in file order, the other columns as payload, values untrimmed", () =>
    Effect.gen(function* () {
      const rows = yield* read(
        "id,step,at,note,org:resource\nA, Start ,2025-03-01 12:00:00+01:00, x ,ann\nB,End,2025/03/01 12:00:00,,\n"
      )

      assert.deepStrictEqual(rows, [
        {
          execution_id: "A",
          event_name: " Start ",
          event_type: "workflow",
          user_id: "ann",
          payload: { note: " x " },
          created_at: "2025-03-01T11:00:00.000Z",
          place: 1,
          line: 2
        },
        {
          execution_id: "B",
          event_name: "End",
          event_type: "workflow",
          created_at: "2025-03-01T12:00:00.000Z",
          place: 2,
          line: 3
        }
      ])
    })
  )

  it.effect("find their columns by the names of XES when none are given", () =>
    Effect.gen(function* () {
      const rows = yield* readText(
        { path: "log.csv" },
        "case:concept:name,concept:name,time:timestamp,org:resource,lifecycle:transition\nA,Start,2025-03-01,ann,complete\n"
      )

      assert.deepStrictEqual(
        rows.map(({ event_type, payload, user_id }) => ({ event_type, payload, user_id })),
        [{ event_type: "complete", payload: undefined, user_id: "ann" }]
      )
    })
  )

  it.effect("know their line past quoted line breaks, CR LF and blank lines", () =>
    Effect.gen(function* () {
      const rows = yield* read(
        'id,step,at,note\r\nA,Start,2025-03-01,"one\r\ntwo\nthree"\r\n\r\nA,End,2025-03-02,"say ""hi"", twice"'
      )

      assert.deepStrictEqual(
        rows.map(({ line, payload, place }) => ({ line, payload, place })),
        [
          { line: 2, payload: { note: "one\r\ntwo\nthree" }, place: 1 },
          { line: 6, payload: { note: 'say "hi", twice' }, place: 2 }
        ]
      )
    })
  )

  it.effect("that are alike in every column are separate", () =>
    Effect.gen(function* () {
      const rows = yield* read("id,step,at\nA,Start,2025-03-01\nA,Start,2025-03-01\n")

      assert.deepStrictEqual(
        rows.map((row) => row.place),
        [1, 2]
      )
    })
  )

  it.effect("are split at the delimiter given", () =>
    Effect.gen(function* () {
      const rows = yield* read("id;step;at;sum\nA;Start;2025-03-01;1,5\n", { delimiter: ";" })

      assert.deepStrictEqual(rows[0]?.payload, { sum: "1,5" })
    })
  )

  it.effect("lack what equals a missing value, but not what contains one", () =>
    Effect.gen(function* () {
      const rows = yield* read("id,step,at,who,a,b\nA,Start,2025-03-01,NIL,NIL,NILS\n", {
        missing: ["NIL", "?"],
        columns: { case: "id", activity: "step", time: "at", resource: "who" }
      })

      assert.strictEqual(rows[0] !== undefined && "user_id" in rows[0], false)
      assert.deepStrictEqual(rows[0]?.payload, { b: "NILS" })
    })
  )

  it.effect("may have a payload key that objects inherit", () =>
    Effect.gen(function* () {
      const rows = yield* read("id,step,at,constructor,toString\nA,Start,2025-03-01,x,y\n")

      assert.deepStrictEqual(Object.entries(rows[0]?.payload ?? {}), [
        ["constructor", "x"],
        ["toString", "y"]
      ])
    })
  )
})

describe("times", () => {
  const at = (time: string, timeFormat: string) => read(`id,step,at\nA,Start,${time}\n`, { timeFormat })

  it.effect("follow the format, in UTC unless it has an offset", () =>
    Effect.gen(function* () {
      const [plain] = yield* at("01-03-2025 12:30", "dd-MM-yyyy HH:mm")
      const [offset] = yield* at("01.03.2025 12:30 +0200", "dd.MM.yyyy HH:mm xx")
      const [skippedInBerlin] = yield* at("2025-03-30 02:30", "yyyy-MM-dd HH:mm")
      const [short] = yield* at("01-03-25", "dd-MM-yy")

      assert.strictEqual(plain?.created_at, "2025-03-01T12:30:00.000Z")
      assert.strictEqual(offset?.created_at, "2025-03-01T10:30:00.000Z")
      assert.strictEqual(skippedInBerlin?.created_at, "2025-03-30T02:30:00.000Z")
      assert.strictEqual(short?.created_at, "2025-03-01T00:00:00.000Z")
    })
  )

  it.effect.each([
    ["30-02-2025 12:30", "dd-MM-yyyy HH:mm"],
    ["01-03-2025 24:00", "dd-MM-yyyy HH:mm"],
    ["01-03-25 12:30", "dd-MM-yyyy HH:mm"],
    ["2025-03-01", "dd-MM-yyyy"]
  ])("%j is refused by the format %j, by line and column", ([time, timeFormat]) =>
    Effect.gen(function* () {
      const { column, line, reason } = yield* fail(`id,step,at\nA,Start,${time}\n`, { timeFormat })

      assert.deepStrictEqual({ column, line, reason }, { column: "at", line: 2, reason: "InvalidTime" })
    })
  )

  it.effect.each(["2025-02-30", "yesterday", "2025-03-01T25:00:00Z", "1.3.2025"])(
    "%j is refused without a format, by line and column",
    (time) =>
      Effect.gen(function* () {
        const { column, line, places, reason } = yield* fail(`id,step,at\nA,Start,2025-03-01\nA,End,${time}\n`)

        assert.deepStrictEqual(
          { column, line, places, reason },
          { column: "at", line: 3, places: [1], reason: "InvalidTime" }
        )
      })
  )

  it.effect.each(["YYYY-MM-DD", "HH:mm", "yyyy", "dd-MM-yyyy foo", ""])(
    "the format %j is refused, as no day's",
    (timeFormat) =>
      Effect.gen(function* () {
        const { message, reason } = yield* fail("id,step,at\nA,Start,2025-03-01\n", { timeFormat })

        assert.strictEqual(reason, "InvalidOption")
        assert.include(message, "time format")
      })
  )
})

describe("refuses, by line and column", () => {
  it.effect.each([
    ["id,step,at\nA,Start\n", "BrokenCsv", 2, undefined],
    ["id,step,at\nA,Start,2025-03-01,x\n", "BrokenCsv", 2, undefined],
    ['id,step,at\nA,Start,2025-03-01\nA,"End,2025-03-01\n', "BrokenCsv", 3, undefined],
    ['id,step,at\nA,En"d,2025-03-01\n', "BrokenCsv", 2, undefined],
    ['id,step,at\nA,"End"x,2025-03-01\n', "BrokenCsv", 2, undefined],
    ["id,step,at,id\nA,Start,2025-03-01,B\n", "BrokenCsv", 1, "id"],
    ["id,step,when\nA,Start,2025-03-01\n", "MissingColumn", 1, "at"],
    ["id,step,at\n,Start,2025-03-01\n", "MissingValue", 2, "id"],
    ["id,step,at\nA,,2025-03-01\n", "MissingValue", 2, "step"],
    ["id,step,at\nA,Start,\n", "MissingValue", 2, "at"],
    ["id,step,at\nA,Start,-\n", "MissingValue", 2, "at"],
    ["id,step,at,__proto__\nA,Start,2025-03-01,x\n", "InvalidText", 1, "__proto__"],
    ["id,step,at,x\nA,Start,2025-03-01,a\0b\n", "InvalidText", 2, "4"],
    [`id,step,at\n${"A".repeat(256)},Start,2025-03-01\n`, "InvalidValue", 2, "id"],
    ["id,step,at\n", "EmptyLog", undefined, undefined],
    ["id,step,at", "EmptyLog", undefined, undefined],
    ["", "EmptyLog", undefined, undefined],
    ["\n \n", "EmptyLog", undefined, undefined],
    ["<?xml version='1.0'?><log/>", "WrongFormat", 1, undefined],
    ['{"execution_id":"A"}', "WrongFormat", 1, undefined]
  ] as const)("%j: %s", ([text, reason, line, column]) =>
    Effect.gen(function* () {
      const found = yield* fail(text, { missing: ["-"] })

      assert.deepStrictEqual({ reason: found.reason, line: found.line, column: found.column }, { reason, line, column })
      assert.match(found.message, /^orders\.csv(, line \d+)?(, column ".+")?: [^\n]+[:;] [^\n]+$/)
    })
  )

  it.effect("a column named but not there, and says which there are", () =>
    Effect.gen(function* () {
      const columns = { case: "id", activity: "step", time: "at" }
      const resource = yield* fail("id,step,at\nA,B,2025-03-01\n", { columns: { ...columns, resource: "who" } })
      const type = yield* fail("id,step,at\nA,B,2025-03-01\n", { columns: { ...columns, type: "kind" } })

      assert.deepStrictEqual([resource.reason, resource.column], ["MissingColumn", "who"])
      assert.deepStrictEqual([type.reason, type.column], ["MissingColumn", "kind"])
      assert.include(type.message, '"id", "step", "at"')
    })
  )

  it.effect("a wrong delimiter, with a hint", () =>
    Effect.gen(function* () {
      const { message, reason } = yield* fail("id;step;at\nA;B;2025-03-01\n")

      assert.strictEqual(reason, "MissingColumn")
      assert.include(message, "delimiter")
    })
  )

  it.effect.each(["", ",,", '"', "\n"])("the delimiter %j", (delimiter) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* fail("id,step,at\n", { delimiter })).reason, "InvalidOption")
    })
  )

  it.effect("a row past 16 Mi characters, where it starts", () =>
    Effect.gen(function* () {
      const { line, reason } = yield* fail(`id,step,at\nA,B,2025-03-01\nA,"${"x".repeat(17 * 1024 * 1024)}`)

      assert.deepStrictEqual({ line, reason }, { line: 3, reason: "TooLarge" })
    })
  )

  it.effect("bytes that are not UTF-8, by line, also behind a character cut in two", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.from([...bytesOf("id,step,at\nÄ,B,2025-03-01\nA,"), 0xe4, ...bytesOf(",2025-03-01\n")])
      const { line, reason } = yield* readToError(source, bytes)
      const cut = yield* readToError(source, bytes.slice(0, 12))

      assert.deepStrictEqual({ line, reason }, { line: 3, reason: "InvalidText" })
      assert.deepStrictEqual([cut.line, cut.reason], [2, "InvalidText"])
    })
  )
})
