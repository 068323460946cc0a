import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import fc from "fast-check"
import { Json, Replay, Workflow } from "@refold/core"
import { anyText } from "../arbitraries/Identifier.ts"
import { json, jsonObject } from "../arbitraries/Json.ts"
import { eventAt } from "./Invoice.ts"

const problemOf = (value: unknown, maxBytes?: number) =>
  Result.match(Json.check(value, maxBytes), {
    onFailure: ({ path, problem }) => `${path} ${problem}`,
    onSuccess: () => undefined
  })

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])

describe("Json.check", () => {
  it.each([
    ["NUL in a text", { a: ["x\0"] }, "/a/0 must not hold NUL or half a surrogate pair"],
    ["half a surrogate pair", { a: "\ud83d" }, "/a must not hold NUL or half a surrogate pair"],
    ["the other half", ["\ude42x"], "/0 must not hold NUL or half a surrogate pair"],
    ["NUL in a key", { "k\0": 1 }, "/k\0 must not hold NUL or half a surrogate pair in a key"],
    [
      "a key __proto__",
      { a: JSON.parse(`{"__proto__":{"admin":true}}`) },
      "/a/__proto__ must not use the key __proto__"
    ],
    ["NaN", { a: { b: Number.NaN } }, "/a/b must be a finite number"],
    ["infinity", [1, Number.NEGATIVE_INFINITY], "/1 must be a finite number"],
    ["a date", { at: new Date(0) }, "/at must be a plain object"],
    ["a map", new Map(), " must be a plain object"],
    ["undefined", { a: undefined }, "/a must be JSON, not undefined"],
    ["a function", [() => 1], "/0 must be JSON, not function"],
    ["a bigint", { n: 1n }, "/n must be JSON, not bigint"],
    ["a symbol", Symbol("s"), " must be JSON, not symbol"],
    ["a hole", Array.from({ length: 2 }).fill(1, 0, 1), "/1 must be JSON, not undefined"],
    ["keys that a JSON pointer escapes", { "a/b": { "~": Number.NaN } }, "/a~1b/~0 must be a finite number"]
  ])("refuses %s and says where", (_what, value, problem) => {
    assert.strictEqual(problemOf(value), problem)
  })

  it("ends in a value that contains itself", () => {
    const cycle: { self?: unknown } = {}
    cycle.self = cycle
    assert.match(problemOf(cycle) ?? "", /is nested more than 100 levels deep, or contains itself$/)
  })

  it("accepts 100 levels and refuses 101", () => {
    assert.isUndefined(problemOf(nested(Json.maxDepth)))
    assert.match(problemOf(nested(Json.maxDepth + 1)) ?? "", /is nested more than 100 levels deep/)
  })

  it("bounds the size in bytes of UTF-8: 256 KiB unless told otherwise", () => {
    assert.isUndefined(problemOf("x".repeat(256 * 1024 - 2)))
    assert.strictEqual(problemOf("x".repeat(256 * 1024 - 1)), " is 262145 bytes of JSON; at most 262144 are accepted")
    assert.strictEqual(problemOf("x".repeat(300 * 1024)), " is 307202 bytes of JSON; at most 262144 are accepted")
    assert.isUndefined(problemOf("x".repeat(300 * 1024), 400 * 1024))
    assert.strictEqual(problemOf("🙂", 5), " is 6 bytes of JSON; at most 5 are accepted")
    assert.strictEqual(problemOf("€".repeat(10), 31), " is 32 bytes of JSON; at most 31 are accepted")
  })

  it("counts bytes as Buffer does at either side of every border of UTF-8's lengths", () => {
    for (const unit of [0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10fbff, 0x10ffff]) {
      const text = String.fromCodePoint(unit)
      const size = Buffer.byteLength(JSON.stringify(text))
      assert.isUndefined(problemOf(text, size), text)
      assert.match(problemOf(text, size - 1) ?? "", new RegExp(`^ is ${size} bytes`), text)
    }
  })

  it("counts bytes as Buffer does", () =>
    fc.assert(
      fc.property(json, (value) => {
        const size = Buffer.byteLength(JSON.stringify(value))
        assert.isUndefined(problemOf(value, size))
        assert.strictEqual(problemOf(value, size - 1), ` is ${size} bytes of JSON; at most ${size - 1} are accepted`)
      }),
      { numRuns: 1000 }
    ))

  it("accepts a text exactly when UTF-8 keeps it and it has no NUL", () =>
    fc.assert(
      fc.property(anyText, (text) =>
        assert.strictEqual(Json.isStorableText(text), Buffer.from(text).toString() === text && !text.includes("\0"))
      ),
      { numRuns: 1000 }
    ))

  it("accepts keys that name what every object inherits, and an open workflow merges them into its own data only", () => {
    const payload = JSON.parse(
      `{"constructor":{"prototype":{"admin":true}},"toString":1,"hasOwnProperty":null,"prototype":[]}`
    )
    assert.isUndefined(problemOf(payload))
    const log = Workflow.open("log")
    const started = eventAt(1, { event_name: "workflow.started", payload: {}, schema_version: 1 })
    // A log may contain values that `check` would refuse, because another program may have written it.
    const hostile = JSON.parse(`{"__proto__":{"admin":true}}`)
    const events = [
      started,
      eventAt(2, { payload, schema_version: 1 }),
      eventAt(3, { payload: hostile, schema_version: 1 })
    ]
    const state = Result.getOrThrow(Replay.fold(log, undefined, events))
    const data = state?.data ?? {}
    assert.deepStrictEqual(Object.keys(data), ["constructor", "toString", "hasOwnProperty", "prototype", "__proto__"])
    assert.strictEqual(Object.getPrototypeOf(data), Object.prototype)
    assert.isFalse("admin" in data)
    assert.isFalse("admin" in {})
    assert.isFalse(Object.hasOwn(Object.prototype, "prototype"))
  })
})

/** The same value with the keys of its objects in reverse order. */
const reordered = (value: Json.Json): Json.Json => {
  if (Array.isArray(value)) return value.map(reordered)
  const object = Json.asObject(value)
  if (object === undefined) return value
  return Object.fromEntries(
    Object.entries(object)
      .toReversed()
      .map(([key, member]) => [key, reordered(member)])
  )
}

/** The double of a bit pattern, as RFC 8785 lists them. */
const doubleOf = (bits: string): number => {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(`0x${bits}`))
  return view.getFloat64(0)
}

/** The keys of every object of a JSON text, in the order of the text; `JSON.parse` would put numbers first. */
const keysInText = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  const found: Array<Array<string>> = []
  const open: Array<Array<string>> = []
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(:)?|[{}]/g)) {
    if (token === "{") open.push([])
    else if (token === "}") found.push(open.pop() ?? [])
    else if (colon !== undefined && string !== undefined) open.at(-1)?.push(JSON.parse(string))
  }
  return found
}

describe("Json.canonical by RFC 8785", () => {
  it("writes the example of section 3.2.2", () => {
    const text = String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`
    assert.strictEqual(
      Json.canonical(JSON.parse(text)),
      String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`
    )
  })

  it("orders the keys of section 3.2.3 by UTF-16 code unit", () => {
    const text = String.raw`{
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis"
    }`
    const canonical = Json.canonical(JSON.parse(text))
    assert.deepStrictEqual(keysInText(canonical), [["\r", "1", "\u0080", "\u00f6", "\u20ac", "\u{1f600}", "\ufb33"]])
  })

  it("writes the structures of its test suite, whose keys look like numbers", () => {
    const text = String.raw`{"1": {"f": {"f": "hi", "F": 5}, "\n": 56.0}, "10": {}, "": "empty", "a": {}, "111": [{}], "A": {}}`
    assert.strictEqual(
      Json.canonical(JSON.parse(text)),
      String.raw`{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}`
    )
    assert.strictEqual(Json.canonical({ 9: 1, 10: 2, "-": 3 }), `{"-":3,"10":2,"9":1}`)
  })

  it.each([
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555554", "333333333.33333325"],
    ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"]
  ])("writes the number %s of appendix B as %s", (bits, text) => {
    assert.strictEqual(Json.canonical(doubleOf(bits)), text)
    assert.strictEqual(Json.canonical([doubleOf(bits)]), `[${text}]`)
  })

  it("sorts the keys of every object, and is its own canonical form", () =>
    fc.assert(
      fc.property(json, (value) => {
        const text = Json.canonical(value)
        for (const keys of keysInText(text)) assert.deepStrictEqual(keys, keys.toSorted())
        assert.strictEqual(Json.canonical(JSON.parse(text)), text)
      }),
      { numRuns: 1000 }
    ))
})

describe("Json.canonical", () => {
  it("is JSON of an equal value, and independent of the order of keys", () =>
    fc.assert(
      fc.property(json, (value) => {
        assert.deepStrictEqual(JSON.parse(Json.canonical(value)), JSON.parse(JSON.stringify(value)))
        assert.strictEqual(Json.canonical(reordered(value)), Json.canonical(value))
      }),
      { numRuns: 1000 }
    ))

  it("keeps the order of arrays and tells kinds apart", () => {
    assert.strictEqual(Json.canonical({ b: [2, 1], a: { d: null, c: "1" } }), `{"a":{"c":"1","d":null},"b":[2,1]}`)
    assert.notStrictEqual(Json.canonical(["1"]), Json.canonical([1]))
    assert.notStrictEqual(Json.canonical({}), Json.canonical([]))
  })

  it("differs for values that differ", () =>
    fc.assert(
      fc.property(jsonObject, jsonObject, (left, right) => {
        const isSame = JSON.stringify(reordered(reordered(left))) === JSON.stringify(right)
        if (isSame) assert.strictEqual(Json.canonical(left), Json.canonical(right))
        else if (Json.canonical(left) === Json.canonical(right)) assert.deepStrictEqual(left, right)
      }),
      { numRuns: 1000 }
    ))
})
