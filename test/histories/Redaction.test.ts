/** Redaction: nothing that was said shows through, and what is left has the shape that it had. */
import { assert, describe, it } from "@effect/vitest"
import { Instant, type Json, Redaction, Workflow, type WorkflowEvent } from "@refold/core"
import { Result, Schema } from "effect"
import fc from "fast-check"
import { eventAt } from "../core/Invoice.ts"

const secret = fc.string({ minLength: 1 })

/** Text in which something identifies: five letters or digits in a row. */
const telling = fc
  .tuple(
    fc.string({ unit: "grapheme" }),
    fc.stringMatching(/^[A-Za-z1-9äßЖ字]{5,20}$/),
    fc.string({ unit: "grapheme" })
  )
  .map((parts) => parts.join(""))

/** Letters of any script are letters, and so is what is neither a letter, a digit nor plain punctuation. */
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
      // A text that a literal of the schema happens to be is a word of the program.
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
