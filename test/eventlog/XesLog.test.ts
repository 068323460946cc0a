import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { EventLog } from "@refold/adapters/eventlog"
import { errorOf, readText } from "./LogFiles.ts"

const source: EventLog.Source = { path: "orders.xes", format: "xes" }
const log = (content: string) => `<?xml version="1.0" encoding="UTF-8"?>\n<log>${content}</log>`
const trace = (events: string) => log(`<trace><string key="concept:name" value="A"/>\n${events}</trace>`)
const start = '<string key="concept:name" value="Start"/><date key="time:timestamp" value="2025-03-01T12:00:00+01:00"/>'

describe("rows", () => {
  it.effect("leave out globals, extensions, classifiers, and attributes of the log, of traces and of attributes", () =>
    Effect.gen(function* () {
      const rows = yield* readText(
        source,
        `\uFEFF<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
  <global scope="trace"><string key="concept:name" value="UNKNOWN"/></global>
  <global scope="event"><string key="concept:name" value="UNKNOWN"/><date key="time:timestamp" value="1970-01-01T00:00:00Z"/></global>
  <classifier name="Activity" keys="concept:name lifecycle:transition"/>
  <float key="spread" value="7.6"><float key="Ann" value="0.1"/></float>
  <string key="concept:name" value="the log"/><other><event/></other>
  <trace>
    <string key="concept:name" value="Ä &amp; &#x1F600;"><string key="concept:name" value="nested"/></string>
    <string key="channel" value="web"/>
    <event
      >
      <string key="concept:name" value="Start"/>
      <date key="time:timestamp" value="2025-03-01T12:00:00.5+01:00"/>
      <string key="org:resource" value="ann"/>
      <string key="lifecycle:transition" value="complete"/>
      <string key="note" value=" two  blanks "><int key="inner" value="1"/></string>
      <list key="items"><values><string key="item" value="x"/></values></list>
      <container key="box"><string key="content" value="x"/></container>
    </event>
  </trace>
</log>`
      )

      assert.deepStrictEqual(rows, [
        {
          execution_id: "Ä & 😀",
          event_name: "Start",
          event_type: "complete",
          user_id: "ann",
          payload: { note: " two  blanks " },
          created_at: "2025-03-01T11:00:00.500Z",
          place: 1,
          line: 13
        }
      ])
    })
  )

  it.effect("have payloads of typed values; numbers that JSON cannot hold stay text", () =>
    Effect.gen(function* () {
      const [row] = yield* readText(
        source,
        trace(`<event>${start}
          <int key="int" value="-7"/><int key="long" value="9007199254740993"/>
          <float key="float" value="1.50"/><float key="nan" value="NaN"/><float key="huge" value="1e999"/>
          <boolean key="yes" value="true"/><boolean key="no" value="false"/>
          <date key="due" value="2025-04-01"/><id key="id" value="f81d4fae"/>
          <string key="empty" value=""/><string key="nil" value="NIL"/></event>`)
      )

      assert.deepStrictEqual(row?.payload, {
        int: -7,
        long: "9007199254740993",
        float: 1.5,
        nan: "NaN",
        huge: "1e999",
        yes: true,
        no: false,
        due: "2025-04-01",
        id: "f81d4fae",
        nil: "NIL"
      })
    })
  )

  it.effect("lack what is missing, and then have the type workflow and no payload", () =>
    Effect.gen(function* () {
      const [row] = yield* readText(
        { ...source, missing: ["NIL"] },
        trace(`<event>${start}<string key="org:resource" value="NIL"/><string key="x" value="NIL"/></event>`)
      )

      assert.deepStrictEqual(row, {
        execution_id: "A",
        event_name: "Start",
        event_type: "workflow",
        created_at: "2025-03-01T11:00:00.000Z",
        place: 1,
        line: 3
      })
    })
  )

  it.effect("of several traces know their trace and line", () =>
    Effect.gen(function* () {
      const one = (name: string) =>
        `<trace><string key="concept:name" value="${name}"/>\r\n<event>${start}</event>\r\n</trace>`
      const rows = yield* readText(source, log(one("A") + one("B")))

      assert.deepStrictEqual(
        rows.map(({ execution_id, line, place }) => [execution_id, line, place]),
        [
          ["A", 3, 1],
          ["B", 5, 2]
        ]
      )
    })
  )
})

const laughs = `<!DOCTYPE log [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><log/>`

describe("refuses, by line and key", () => {
  it.effect.each([
    [laughs, "ForbiddenXml", 1, undefined],
    [`<!DOCTYPE log SYSTEM "file:///etc/passwd"><log/>`, "ForbiddenXml", 1, undefined],
    ["<!DOCTYPE log><log/>", "ForbiddenXml", 1, undefined],
    [trace("<event>&b;</event>"), "BrokenXml", 3, undefined],
    [trace(`<event>${start}</event>`).slice(0, -6), "BrokenXml", 3, undefined],
    [trace(`<event>${start}</trace>`), "BrokenXml", 3, undefined],
    [trace("<event><string key=x/></event>"), "BrokenXml", 3, undefined],
    [`${log("")}<log/>`, "BrokenXml", 2, undefined],
    [trace(`<event>${start}<string key="x" value="\0"/></event>`), "BrokenXml", 3, undefined],
    [trace(`<event>${start}<string key="x" value="&#xD800;"/></event>`), "BrokenXml", 3, undefined],
    [trace(`<event>${start}<string value="x"/></event>`), "BrokenXml", 3, undefined],
    [trace(`<event>${start}<string key="x" value="1"/><string key="x" value="2"/></event>`), "BrokenXml", 3, "x"],
    [trace(`<event>${start}<string key="__proto__" value="1"/></event>`), "InvalidText", 3, "__proto__"],
    ['<?xml version="1.0" encoding="ISO-8859-1"?><log/>', "InvalidText", 1, undefined],
    [trace(`<event>${start}<int key="x" value="1.5"/></event>`), "InvalidValue", 3, "x"],
    [trace(`<event>${start}<float key="x" value="much"/></event>`), "InvalidValue", 3, "x"],
    [trace(`<event>${start}<boolean key="x" value="yes"/></event>`), "InvalidValue", 3, "x"],
    [trace(`<event>${start.replace("03-01", "02-30")}</event>`), "InvalidTime", 3, "time:timestamp"],
    [trace('<event><string key="concept:name" value="Start"/></event>'), "MissingValue", 3, "time:timestamp"],
    [trace('<event><date key="time:timestamp" value="2025-03-01"/></event>'), "MissingValue", 3, "concept:name"],
    [log(`<trace><event>${start}</event></trace>`), "MissingValue", 2, "concept:name"],
    [log(`<event>${start}</event>`), "MissingValue", 2, "concept:name"],
    [log(`${"<list>".repeat(200)}${"</list>".repeat(200)}`), "TooLarge", 2, undefined],
    [log(""), "EmptyLog", undefined, undefined],
    [trace(""), "EmptyLog", undefined, undefined],
    ["", "EmptyLog", undefined, undefined],
    ["<html><body/></html>", "WrongFormat", 1, undefined],
    ["id,step,at\nA,B,2025-03-01\n", "WrongFormat", 1, undefined]
  ] as const)("%j: %s", ([text, reason, line, column]) =>
    Effect.gen(function* () {
      const found = yield* errorOf(source, text)

      assert.deepStrictEqual({ reason: found.reason, line: found.line, column: found.column }, { reason, line, column })
      assert.match(found.message, /^orders\.xes(, line \d+)?(, column ".+")?: [^\n]+: [^\n]+$/)
    })
  )

  it.effect("what is broken after rows, which come through", () =>
    Effect.gen(function* () {
      const { places, reason } = yield* errorOf(source, trace(`<event>${start}</event><event>${start}</event><event/>`))

      assert.deepStrictEqual({ places, reason }, { places: [1, 2], reason: "MissingValue" })
    })
  )

  it.effect("a tag, an event and a document type past 16 Mi characters", () =>
    Effect.gen(function* () {
      const much = "x".repeat(9 * 1024 * 1024)
      const attribute = (key: string) => `<string key="${key}" value="${much}"/>`
      const tag = yield* errorOf(source, trace(`<event><string key="a" value="${much}${much}`))
      const event = yield* errorOf(source, trace(`<event>${attribute("a")}${attribute("b")}</event>`))
      const doctype = yield* errorOf(source, `<!DOCTYPE log [${much}${much}`)

      assert.deepStrictEqual([tag.reason, event.reason, doctype.reason], ["TooLarge", "TooLarge", "TooLarge"])
    })
  )
})
