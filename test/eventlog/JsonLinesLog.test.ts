import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { EventLog } from "@refold/adapters/eventlog"
import { errorOf, readText } from "./LogFiles.ts"

const source: EventLog.Source = { path: "orders.jsonl", format: "jsonl" }
const line = (more: object = {}) =>
  JSON.stringify({ execution_id: "A", event_name: "Start", created_at: "2025-03-01T12:00:00+01:00", ...more })

describe("rows", () => {
  it.effect("take the fields of an export, and leave the others out of the payload", () =>
    Effect.gen(function* () {
      const rows = yield* readText(
        source,
        `\uFEFF${line({ tenant: "t", position: 7, from_state: "none", to_state: "Start", event_type: "human", user_id: "ann", payload: { a: [1, { b: null }] }, metadata: {}, offset: 3 })}\r\n\r\n${line({ tenant: "t", event_type: null, user_id: null, payload: null })}`
      )

      assert.deepStrictEqual(rows, [
        {
          execution_id: "A",
          event_name: "Start",
          event_type: "human",
          user_id: "ann",
          payload: { a: [1, { b: null }] },
          created_at: "2025-03-01T11:00:00.000Z",
          place: 1,
          line: 1
        },
        {
          execution_id: "A",
          event_name: "Start",
          event_type: "workflow",
          created_at: "2025-03-01T11:00:00.000Z",
          place: 2,
          line: 3
        }
      ])
    })
  )
})

describe("refuses, by line and field", () => {
  it.effect.each([
    ["{execution_id: 1}", "InvalidJson", undefined],
    [line().slice(0, -1), "InvalidJson", undefined],
    ["[1]", "InvalidJson", undefined],
    ["null", "InvalidJson", undefined],
    [
      '{"execution_id":"A","event_name":"B","created_at":"2025-03-01","payload":{"__proto__":{"x":1}}}',
      "InvalidText",
      "payload/__proto__"
    ],
    ['{"execution_id":"A","event_name":"B","created_at":"2025-03-01","__proto__":{}}', "InvalidText", "__proto__"],
    [line({ payload: { x: "a\0b" } }), "InvalidText", "payload/x"],
    ['{"execution_id":"A","event_name":"B\\ud800","created_at":"2025-03-01"}', "InvalidText", "event_name"],
    [
      '{"execution_id":"A","event_name":"B","created_at":"2025-03-01","payload":{"x":1e999}}',
      "InvalidText",
      "payload/x"
    ],
    [line({ payload: [1] }), "InvalidValue", "payload"],
    [line({ execution_id: 7 }), "InvalidValue", "execution_id"],
    [line({ tenant: "other" }), "InvalidValue", "tenant"],
    [line({ event_name: "x".repeat(256) }), "InvalidValue", "event_name"],
    [line({ execution_id: undefined }), "MissingValue", "execution_id"],
    [line({ event_name: "" }), "MissingValue", "event_name"],
    [line({ created_at: null }), "MissingValue", "created_at"],
    [line({ created_at: "2025-02-30" }), "InvalidTime", "created_at"]
  ] as const)("%j: %s", ([text, reason, column]) =>
    Effect.gen(function* () {
      const found = yield* errorOf(source, `${line({ tenant: "t" })}\n${text}\n`)

      assert.deepStrictEqual(
        { places: found.places, reason: found.reason, line: found.line, column: found.column },
        { places: [1], reason, line: 2, column }
      )
      assert.match(found.message, /^orders\.jsonl, line 2(, column ".+")?: [^\n]+$/)
    })
  )

  it.effect("an empty log, CSV, XML, and a line past 16 Mi characters", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* errorOf(source, "")).reason, "EmptyLog")
      assert.strictEqual((yield* errorOf(source, "id,step\n")).reason, "WrongFormat")
      assert.strictEqual((yield* errorOf(source, "<log/>")).reason, "WrongFormat")
      const long = yield* errorOf(source, `${line()}\n{"x":"${"x".repeat(17 * 1024 * 1024)}`)
      assert.deepStrictEqual([long.reason, long.line], ["TooLarge", 2])
    })
  )
})
