import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { EventLog } from "@refold/adapters/eventlog"
import { Effect, FileSystem, Stream } from "effect"
import fc from "fast-check"
import { bytesOf, gzipOf, piecesOf, readBytes, readPieces, readText, readToError } from "./LogFiles.ts"

const csv =
  'case:concept:name,concept:name,time:timestamp,note\r\nÄ,Start,2025-03-01,"one\r\ntwo ""😀"""\r\nA,End,2025-03-02,\r\n\r\nB,Start,2025-03-01,x\n'
const xes = `\uFEFF<?xml version="1.0"?>\r\n<log>
<trace><string key="concept:name" value="Ä"/><event><string key="concept:name" value="Start &#x1F600; 😀"/>
<date key="time:timestamp" value="2025-03-01T00:00:00Z"/><int key="n" value="1"/></event><event>
<string key="concept:name" value="End"/><date key="time:timestamp" value="2025-03-02T00:00:00Z"/></event></trace></log>`
const jsonLines =
  '{"execution_id":"Ä","event_name":"😀","created_at":"2025-03-01","payload":{"x":"\\n"}}\r\n\n{"execution_id":"B","event_name":"End","created_at":"2025-03-02"}'
const logs = [
  ["log.csv", csv],
  ["log.xes", xes],
  ["log.jsonl", jsonLines]
] as const

describe("a file", () => {
  it.effect.each(logs)("%s may be plain or gzip, whatever its name says", ([path, text]) =>
    Effect.gen(function* () {
      const plain = yield* readText({ path }, text)

      assert.isAbove(plain.length, 1)
      assert.deepStrictEqual(yield* readBytes({ path }, gzipOf(text)), plain)
      assert.deepStrictEqual(yield* readText({ path: `${path}.gz` }, text), plain)
      assert.deepStrictEqual(yield* readText({ path: path.toUpperCase() }, text), plain)
    })
  )

  it.effect.each(logs)("%s is known by its content when its name says nothing", ([path, text]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* readText({ path: "upload" }, text), yield* readText({ path }, text))
    })
  )

  it.effect("goes by the format given before its name", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* readText({ path: "log.csv", format: "jsonl" }, jsonLines)).length, 2)
      assert.strictEqual(
        (yield* readToError({ path: "log.jsonl", format: "csv" }, bytesOf(jsonLines))).reason,
        "WrongFormat"
      )
    })
  )

  it.effect("of several gzip members is one text", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.from([...gzipOf(csv.slice(0, 70)), ...gzipOf(csv.slice(70))])

      assert.deepStrictEqual(yield* readBytes({ path: "log.csv" }, bytes), yield* readText({ path: "log.csv" }, csv))
    })
  )

  it.effect("with gzip data that is cut off or damaged is refused", () =>
    Effect.gen(function* () {
      const packed = gzipOf(csv)
      const damaged = packed.slice()
      damaged.fill(0xff, 30, 40)
      const cut = yield* readToError({ path: "log.csv" }, packed.slice(0, -9))
      const headOnly = yield* readToError({ path: "log.csv" }, packed.slice(0, 2))
      const broken = yield* readToError({ path: "log.csv" }, damaged)

      assert.deepStrictEqual([cut.reason, headOnly.reason, broken.reason], ["BrokenGzip", "BrokenGzip", "BrokenGzip"])
      assert.strictEqual((yield* readToError({ path: "log.csv" }, packed.slice(0, -1))).reason, "BrokenGzip")
    })
  )

  it.effect("of nothing in gzip, or in UTF-16, is refused for what it is", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* readToError({ path: "log.csv" }, gzipOf(""))).reason, "EmptyLog")
      assert.strictEqual(
        (yield* readToError({ path: "log.csv" }, Uint8Array.from([0xff, 0xfe, 0x61, 0]))).reason,
        "InvalidText"
      )
    })
  )

  it.effect("that cannot be read is refused by its name", () =>
    Effect.gen(function* () {
      const error = yield* EventLog.read({ path: "no-such-log.csv" }).pipe(Stream.runDrain, Effect.flip)

      assert.strictEqual(error.reason, "FileUnreadable")
      assert.include(error.message, "no-such-log.csv")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("is read anew by every run, and no further than it is asked for", () =>
    Effect.gen(function* () {
      let pulled = 0
      const endless = Stream.concat(
        Stream.succeed(bytesOf("case:concept:name,concept:name,time:timestamp\n")),
        Stream.forever(Stream.sync(() => (pulled++, bytesOf("A,Start,2025-03-01\n"))))
      )
      const rows = EventLog.read({ path: "log.csv" }).pipe(
        Stream.take(3),
        Stream.runCollect,
        Effect.provide(FileSystem.layerNoop({ stream: () => endless }))
      )

      assert.deepStrictEqual(yield* rows, yield* rows)
      assert.isBelow(pulled, 100)
    })
  )
})

describe("where the pieces of a file end", () => {
  it.effect.each(logs)("makes no difference: %s", ([path, text]) =>
    Effect.gen(function* () {
      const whole = yield* readText({ path }, text)
      yield* Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(fc.boolean(), fc.array(fc.nat({ max: 700 }), { maxLength: 30 }), async (isPacked, cuts) => {
            const bytes = isPacked ? gzipOf(text) : bytesOf(text)
            const ends = [...cuts.toSorted((left, right) => left - right), bytes.length]
            const pieces = ends.map((end, index) => bytes.slice(index === 0 ? 0 : ends[index - 1], end))
            assert.deepStrictEqual(await Effect.runPromise(readPieces({ path }, pieces)), whole)
          })
        )
      )
      assert.deepStrictEqual(yield* readPieces({ path }, piecesOf(bytesOf(text), 1)), whole)
    })
  )

  it.effect("moves no error", () =>
    Effect.gen(function* () {
      const bytes = Uint8Array.from([...bytesOf(csv), ...bytesOf("Ä,Start,2025-03-01,😀\n"), 0xe4, 0x0a])
      for (let cut = 0; cut <= bytes.length; cut++) {
        const pieces = [bytes.slice(0, cut), bytes.slice(cut)]
        const error = yield* Effect.flip(readPieces({ path: "log.csv" }, pieces))
        assert.deepStrictEqual([error.reason, error.line], ["InvalidText", 8])
      }
    })
  )
})
