/** Redaction hides every text and keeps its shape. */
import { assert, describe, it } from "@effect/vitest"
import { Instant, type Json, type Upcast, Workflow, type WorkflowEvent } from "@refold/core"
import { Redaction } from "@refold/testing/recording"
import { Result, Schema } from "effect"
import fc from "fast-check"
import { eventAt } from "../core/Invoice.ts"

const secret = fc.string({ minLength: 1 })

/** Text with five letters or digits in a row, which may identify something. */
const telling = fc
  .tuple(
    fc.string({ unit: "grapheme" }),
    fc.stringMatching(/^[A-Za-z1-9äßЖ字]{5,20}$/),
    fc.string({ unit: "grapheme" })
  )
  .map((parts) => parts.join(""))

/** Letters of any script count as letters, and so do characters that are no letters, digits or plain punctuation. */
const shapeOf = (text: string): string =>
  text
    .replaceAll(/\p{N}/gu, (digit) => "9".repeat(digit.length))
    .replaceAll(/\p{Lu}/gu, (letter) => "A".repeat(letter.length))
    .replaceAll(/[^\u0020-\u007e\s]|[a-z]/g, "a")

/** Every text in a value, keys included. */
const textsOf = (value: Json.Json): ReadonlyArray<string> => {
  if (typeof value === "string") return [value]
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([key, member]: readonly [string, Json.Json]) => [key, ...textsOf(member)])
}

describe("Redaction.pseudonym", () => {
  it("differs from its text, is the same under the same secret and another under another", () =>
    fc.assert(
      fc.property(telling, secret, (text, key) => {
        const pseudonym = Redaction.pseudonym(text, key)
        assert.notStrictEqual(pseudonym, text)
        assert.strictEqual(Redaction.pseudonym(text, key), pseudonym)
        assert.notStrictEqual(Redaction.pseudonym(text, `${key}.`), pseudonym)
      })
    ))

  it("has the length, the punctuation and the kinds of characters of its text", () =>
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), secret, (text, key) => {
        const pseudonym = Redaction.pseudonym(text, key)
        assert.strictEqual(pseudonym.length, text.length)
        assert.strictEqual(shapeOf(pseudonym), shapeOf(text))
      })
    ))

  it("of a date, an instant or a UUID is one as well, spelled as it was", () => {
    const spellings = [
      "1971-05-03",
      "1971/05/31",
      "2024-02-29T23:59:59.999Z",
      "2024-02-29 23:59+02:00",
      "2024-02-29T23:59:59,5 -0330"
    ]
    const spelled = (text: string) => text.slice(0, 19).replaceAll(/\d/g, "9")
    const isUuid = Schema.is(Schema.String.check(Schema.isUUID(4)))
    for (let place = 0; place < 200; place++) {
      const text = spellings[place % spellings.length] ?? ""
      const pseudonym = Redaction.pseudonym(text, `key ${place}`)
      assert.strictEqual(spelled(pseudonym), spelled(text))
      assert.isTrue(Result.isSuccess(Instant.parse(pseudonym)), pseudonym)
      assert.isTrue(isUuid(Redaction.pseudonym("0d9c5b1e-5b0a-4e57-9c0c-f0c2b6a1d111", `key ${place}`)))
    }
  })

  it("of a number in a text is a number as long, that begins with no zero", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1 }), secret, (number, key) => {
        const pseudonym = Number(Redaction.pseudonym(String(number), key))
        assert.strictEqual(String(pseudonym).length, String(number).length)
      })
    ))

  const secrets = Array.from({ length: 400 }, (_, place) => `key ${place}`)
  const pseudonymsOf = (text: string) => secrets.map((key) => Redaction.pseudonym(text, key))
  /** The characters at each index of some texts. */
  const charactersAt = (texts: ReadonlyArray<string>) =>
    Array.from(texts[0] ?? "", (_, place) => [...new Set(texts.map((text) => text.charAt(place)))].toSorted().join(""))

  const lower = "abcdefghijklmnopqrstuvwxyz"

  it("of a letter is any letter of its case, at every place of a long text", () => {
    assert.deepStrictEqual(charactersAt(pseudonymsOf("a".repeat(60))), Array(60).fill(lower))
    assert.deepStrictEqual(charactersAt(pseudonymsOf("ÄB")), Array(2).fill(lower.toUpperCase()))
    assert.deepStrictEqual(charactersAt(pseudonymsOf("ß字")), Array(2).fill(lower))
  })

  it("does not repeat itself within a text", () => {
    for (const text of pseudonymsOf("a".repeat(60))) {
      const parts = [0, 16, 32, 44].map((from) => text.slice(from, from + 16))
      assert.lengthOf(new Set(parts), parts.length, text)
    }
  })

  it("is never the text itself, however short it is", () => {
    for (const text of ["a", "Z", "5", "10", "é"]) assert.notInclude(pseudonymsOf(text), text)
  })

  it("of a text without letters and digits is that text", () => {
    for (const text of ["", " ", "-- / --", "0", "0.0", "(\n)"]) {
      assert.deepStrictEqual(new Set(pseudonymsOf(text)), new Set([text]))
    }
  })

  it("of a number begins with zero only if that does, and goes on with any digit", () => {
    const [any, first] = ["0123456789", "123456789"]
    assert.deepStrictEqual(charactersAt(pseudonymsOf("5505")), [first, any, any, any])
    assert.deepStrictEqual(charactersAt(pseudonymsOf("0907")), ["0", any, any, any])
    // Each number in a text is separate.
    assert.deepStrictEqual(
      charactersAt(pseudonymsOf("a50-07 10")).join(" "),
      `${lower} ${first} ${any} - 0 ${any}   ${first} ${any}`
    )
  })

  // --- Dates and UUIDs ---

  const numbersOf = (text: string) => (text.match(/\d+/g) ?? []).map(Number)
  const between = (least: number, greatest: number) =>
    Array.from({ length: greatest - least + 1 }, (_, place) => least + place)
  /** Every number at each index of some texts. */
  const numbersAt = (texts: ReadonlyArray<string>) =>
    numbersOf(texts[0] ?? "").map((_, place) =>
      [...new Set(texts.map((text) => numbersOf(text)[place] ?? 0))].toSorted((left, right) => left - right)
    )

  it.each(["1971-01-01", "1971-09-30", "1971-10-10", "2024-11-29", "2024-12-31", "1999/12/09"])(
    "of the date %s is any date of the years that are no secret",
    (text) => {
      assert.deepStrictEqual(numbersAt(pseudonymsOf(text).map((each) => each.replaceAll("-", "/"))), [
        between(2000, 2027),
        between(1, 12),
        between(1, 28)
      ])
    }
  )

  const hours = ["00", "09", "10", "19", "20", "23"]
  const endings = [
    { seconds: "", fraction: "" },
    { seconds: ":00", fraction: "" },
    { seconds: ":59", fraction: "" },
    { seconds: ":59", fraction: ".1" },
    { seconds: ":07", fraction: ",123456789" }
  ]
  const offsets = ["", "Z", " Z", "+01:00", "-0330", " +0100", " -11"]

  it("of a time is one as well, with seconds and fraction where it has them, and keeps the offset", () => {
    for (const separator of ["T", " "]) {
      for (const hour of hours) {
        for (const { fraction, seconds } of endings) {
          for (const offset of offsets) {
            const text = `1971-05-03${separator}${hour}:59${seconds}${fraction}${offset}`
            for (const key of secrets.slice(0, 12)) {
              const pseudonym = Redaction.pseudonym(text, key)
              assert.strictEqual(shapeOf(pseudonym.slice(11)), shapeOf(text.slice(11)), `${text}, ${pseudonym}`)
              assert.strictEqual(pseudonym.charAt(10), separator)
              assert.strictEqual(pseudonym.slice(text.length - offset.length), offset)
              assert.isTrue(Result.isSuccess(Instant.parse(pseudonym)), `${text}, ${pseudonym}`)
            }
          }
        }
      }
    }
  })

  it("of a time is any time of the day", () => {
    const times = pseudonymsOf("1971-05-03T00:00:00").map((text) => text.slice(11))
    const [hour = [], minute = [], second = []] = numbersAt([
      ...times,
      ...pseudonymsOf("1971-05-03 23:59:59").map((text) => text.slice(11))
    ])
    assert.deepStrictEqual(hour, between(0, 23))
    assert.deepStrictEqual(minute, between(0, 59))
    assert.deepStrictEqual(second, between(0, 59))
  })

  it.each([
    "x2020-01-01",
    "on 2020-12-31",
    "2020-01-011",
    "2020-01-01x",
    "2020-01-01, noon",
    "2020-13-01",
    "2020-00-01",
    "2020-01-32",
    "2020-1-1",
    "12020-01-01"
  ])("takes %s for no date: its digits are any", (text) => {
    const pseudonyms = pseudonymsOf(text)
    for (const pseudonym of pseudonyms) assert.strictEqual(shapeOf(pseudonym), shapeOf(text))
    // The year of a date is at most 2027.
    assert.isTrue(numbersAt(pseudonyms)[0]?.some((year) => year > 2027))
  })

  it.each([
    "2020-01-01 Ann",
    "2020-01-01T12:30 Ann",
    "2020-01-01T12:30:15 Ann",
    "2020-01-01 12:30:15Ann",
    "2020-01-01 12:30:15.5 Ann",
    "2020-01-01 at 12:30 Ann",
    "2020-01-01  12:30 Ann",
    "2020-01-01 12:30:15Z Ann",
    "2020-01-01 12:30:15 Ann +01:00",
    "2020-01-01T12:60 Ann",
    "2020-01-01T24:30 Ann"
  ])("of %s lets nothing of what follows the date show through", (text) => {
    const followingAt = text.indexOf("Ann")
    for (const pseudonym of pseudonymsOf(text)) {
      assert.strictEqual(shapeOf(pseudonym.slice(0, 10)), "9999-99-99")
      assert.isAtMost(Number(pseudonym.slice(5, 7)), 12)
      // The `T` of a time may stay.
      assert.strictEqual(shapeOf(pseudonym.slice(11)), shapeOf(text.slice(11)))
      assert.notInclude(pseudonym, "Ann")
    }
    const letters = charactersAt(pseudonymsOf(text)).slice(followingAt, followingAt + 3)
    assert.deepStrictEqual(letters, [lower.toUpperCase(), lower, lower])
  })

  const hexadecimal = "0123456789abcdef"

  it("of a UUID has any digit where that has one, and its version and its variant", () => {
    const places = charactersAt(pseudonymsOf("0d9c5b1e-5b0a-7e57-9c0c-f0c2b6a1d111"))
    const expected = Array.from("xxxxxxxx-xxxx-7xxx-9xxx-xxxxxxxxxxxx", (char) => (char === "x" ? hexadecimal : char))
    assert.deepStrictEqual(places, expected)
  })

  it("of a UUID in upper case is in upper case", () => {
    const upper = hexadecimal.toUpperCase()
    for (const text of ["ABCDEFAB-CDEF-4ABC-BDEF-ABCDEFABCDEF", "0D9C5B1E-5B0A-4E57-BC0C-F0C2B6A1D111"]) {
      const expected = Array.from("xxxxxxxx-xxxx-4xxx-Bxxx-xxxxxxxxxxxx", (char) => (char === "x" ? upper : char))
      assert.deepStrictEqual(charactersAt(pseudonymsOf(text)), expected)
    }
  })

  it("of a UUID in a text, or with a digit too many, is letters for letters", () => {
    const id = "ffffffff-ffff-4fff-afff-ffffffffffff"
    for (const text of [`id-${id}`, `${id}.pdf`, `f${id}`, `${id}f`]) {
      const pseudonyms = pseudonymsOf(text)
      for (const pseudonym of pseudonyms) assert.strictEqual(shapeOf(pseudonym), shapeOf(text))
      assert.include(pseudonyms.join(""), "z")
    }
  })
})

describe("Redaction.redactor", () => {
  const Form = Workflow.make({
    name: "form",
    events: {
      Filled: Schema.Struct({
        kind: Schema.Literals(["private", "business"]),
        name: Schema.String,
        age: Schema.Int,
        children: Schema.Array(Schema.Struct({ name: Schema.String }))
      }),
      Tagged: Schema.Struct({ tags: Schema.Record(Schema.String, Schema.String) }),
      Anything: Schema.Json
    },
    data: Schema.Struct({ owner: Schema.String }),
    initial: { state: "Open", data: { owner: "nobody" } },
    states: { Open: { Filled: "Open", Tagged: "Open", Anything: "Open" } }
  })
  const redact = (event: Partial<WorkflowEvent>, workflow: Workflow.Workflow = Form) =>
    Redaction.redactor(workflow, "secret")(eventAt(1, event))
  const stand = (text: string) => Redaction.pseudonym(text, "secret")

  it("keeps fields, literals, numbers and structure; a text has one pseudonym wherever it stands", () => {
    const payload = { kind: "private", name: "Ann Lee", age: 41, children: [{ name: "Ann Lee" }, { name: "business" }] }
    const redacted = redact({ event_name: "Filled", payload, user_id: "Ann Lee" })
    assert.deepStrictEqual(redacted.payload, {
      kind: "private",
      name: stand("Ann Lee"),
      age: 41,
      // A text that equals a literal of the schema is a word of the program.
      children: [{ name: stand("Ann Lee") }, { name: "business" }]
    })
    assert.strictEqual(redacted.user_id, stand("Ann Lee"))
  })

  it("keeps the fields of an older version of a payload", () => {
    assert.deepStrictEqual(redact({ event_name: "Filled", payload: { fullName: "Ann Lee" } }).payload, {
      fullName: stand("Ann Lee")
    })
  })

  it("replaces keys that are data, and every key of an event that the definition no longer has", () => {
    const tags = { "ann@example.com": "boss" }
    const replaced = { [stand("ann@example.com")]: stand("boss") }
    assert.deepStrictEqual(redact({ event_name: "Tagged", payload: { tags } }).payload, { tags: replaced })
    assert.deepStrictEqual(redact({ event_name: "Anything", payload: tags }).payload, replaced)
    assert.deepStrictEqual(redact({ event_name: "Gone", payload: tags }).payload, replaced)
  })

  it("keeps the keys of an open workflow, which are the columns of its log", () => {
    const redacted = redact({ event_name: "Noted", payload: { note: "Ann Lee" } }, Workflow.open("log"))
    assert.deepStrictEqual(redacted.payload, { note: stand("Ann Lee") })
  })

  it("leaves a payload away where there was none", () => {
    const { payload: _, ...event } = eventAt(1, { event_name: "Filled" })
    assert.notProperty(Redaction.redactor(Form, "secret")(event), "payload")
  })

  /** The redacted payload under a definition with this schema. */
  const redactAs = (schema: Upcast.PayloadSchema, payload: Json.Json) => {
    const workflow = Workflow.make({
      name: "form",
      events: { Sent: schema },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Sent: "Open" } }
    })
    return redact({ event_name: "Sent", payload }, workflow).payload
  }

  const Colour = Schema.Literals(["red", "blue"])

  type Tree = { readonly colour: "red" | "blue"; readonly children: ReadonlyArray<Tree> }
  const Tree = Schema.Struct({
    colour: Colour,
    children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
  })
  const Later = Schema.suspend((): Schema.Codec<"red" | "blue"> => Colour)

  const shapes: ReadonlyArray<readonly [title: string, Upcast.PayloadSchema, payload: Json.Json, left: Json.Json]> = [
    ["a list", Schema.Array(Colour), ["red", "Ann Lee"], ["red", stand("Ann Lee")]],
    ["a tuple", Schema.Tuple([Schema.Int, Colour]), [1, "red"], [1, "red"]],
    [
      "the rest of a tuple",
      Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Colour]),
      ["Ann Lee", "red"],
      [stand("Ann Lee"), "red"]
    ],
    ["a union", Schema.Union([Schema.Struct({ colour: Colour }), Colour]), "red", "red"],
    ["an optional field", Schema.Struct({ colour: Schema.optionalKey(Colour) }), { colour: "red" }, { colour: "red" }],
    ["the values of a record", Schema.Record(Schema.String, Colour), { Ann: "red" }, { [stand("Ann")]: "red" }],
    [
      "a schema that names itself",
      Tree,
      { colour: "red", children: [{ colour: "blue", children: [], by: "Ann Lee" }] },
      { colour: "red", children: [{ colour: "blue", children: [], by: stand("Ann Lee") }] }
    ],
    [
      "a schema that is named before it is there",
      Schema.Struct({ colour: Later }),
      { colour: "red", by: "Ann Lee" },
      { colour: "red", by: stand("Ann Lee") }
    ],
    ["what a schema decodes from", Schema.FiniteFromString, "12 Ann", stand("12 Ann")]
  ]
  it.each(shapes)("finds the words of %s, and no others", (_title, schema, payload, left) => {
    assert.deepStrictEqual(redactAs(schema, payload), left)
  })

  it("keeps the texts of an enum, not its names, nor a text that is one of its numbers", () => {
    const Level = { Low: "low", High: "high", None: 1234 } as const
    const schema = Schema.Struct({ level: Schema.Enum(Level) })
    for (const level of ["low", "high", 1234]) assert.deepStrictEqual(redactAs(schema, { level }), { level })
    for (const level of ["Low", "None", "1234"]) {
      assert.deepStrictEqual(redactAs(schema, { level }), { level: stand(level) })
    }
  })

  it("keeps no text for being a number that the schema names", () => {
    const schema = Schema.Struct({ size: Schema.Literals([4711, "large"]), note: Schema.String })
    assert.deepStrictEqual(redactAs(schema, { size: 4711, note: "4711" }), { size: 4711, note: stand("4711") })
    assert.deepStrictEqual(redactAs(schema, { size: "large", note: "large" }), { size: "large", note: "large" })
  })

  it("keeps the fields beside free keys", () => {
    const schema = Schema.StructWithRest(Schema.Struct({ name: Schema.String }), [
      Schema.Record(Schema.String, Schema.String)
    ])
    assert.deepStrictEqual(redactAs(schema, { name: "Ann Lee", "Bob Ray": "boss" }), {
      name: stand("Ann Lee"),
      [stand("Bob Ray")]: stand("boss")
    })
  })

  it("replaces the keys of what a schema says nothing of", () => {
    for (const dataSchema of [Schema.Json, Schema.Unknown, Schema.Any, Schema.ObjectKeyword]) {
      const redacted = redact({ event_name: "workflow.started", payload: { "Ann Lee": 1 } }, { ...Form, dataSchema })
      assert.deepStrictEqual(redacted.payload, { [stand("Ann Lee")]: 1 })
    }
  })

  it("leaves no telling text of the payload, the ids, the user or the metadata anywhere", () =>
    fc.assert(
      fc.property(telling, fc.jsonValue({ maxDepth: 3, stringUnit: "grapheme" }), (text, noise) => {
        const payload: Json.Json = JSON.parse(JSON.stringify({ [text]: [text, { [text]: noise }] }))
        const event = {
          event_name: "Anything",
          payload,
          user_id: text,
          tenant: text,
          execution_id: text,
          event_id: text,
          metadata: { correlation_id: text, causation_id: text, traceparent: text }
        }
        const redacted: Json.Json = JSON.parse(JSON.stringify(redact(event)))
        assert.isFalse(textsOf(redacted).some((each) => each.includes(text)))
      })
    ))
})
