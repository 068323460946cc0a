import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import fc from "fast-check"
import { Identifier } from "@refold/core"
import { anyText, identifier, storableText } from "../arbitraries/Identifier.ts"

describe("Identifier", () => {
  it("is 1 to 255 code units of text that can be stored", () => {
    assert.strictEqual(Identifier.problem(""), "is empty; give it 1 to 255 characters")
    assert.isUndefined(Identifier.problem("x".repeat(255)))
    assert.strictEqual(Identifier.problem("x".repeat(256)), "is 256 characters long; at most 255 are accepted")
    assert.isUndefined(Identifier.problem("🙂".repeat(127)))
    assert.strictEqual(Identifier.problem("🙂".repeat(128)), "is 256 characters long; at most 255 are accepted")
    for (const text of ["a\0", "\ud83d", "\ude42"]) {
      assert.strictEqual(Identifier.problem(text), "holds NUL or half a surrogate pair; leave those out")
    }
  })

  it("says by its schema what it says by problem", () =>
    fc.assert(
      fc.property(fc.oneof(anyText, identifier, fc.string({ minLength: 250, maxLength: 260 })), (text) =>
        assert.strictEqual(Schema.is(Identifier.Identifier)(text), Identifier.problem(text) === undefined)
      ),
      { numRuns: 1000 }
    ))

  it("says by its schema what is wrong with a text that cannot be stored", () => {
    const refused = Schema.decodeUnknownResult(Identifier.Identifier)("a\0")
    assert.include(Result.getOrThrow(Result.flip(refused)).message, "text without NUL or half a surrogate pair")
  })

  it("is ordered by UTF-8 bytes, as Postgres's collation C is", () => {
    const examples: Array<[string, string]> = [
      ["\u{ffff}", "🙂"],
      ["🙂", "\u{e000}"],
      // Both ends of the surrogate range, which sort differently as code units and as code points.
      ["\u{d7ff}", "\u{e000}"],
      ["\u{10000}", "\u{ffff}"],
      ["\u{10ffff}", "\u{d7ff}"],
      ["a", "ab"],
      ["é", "z"]
    ]
    fc.assert(
      fc.property(storableText, storableText, (left, right) => {
        const expected = Buffer.compare(Buffer.from(left), Buffer.from(right))
        assert.strictEqual(Math.sign(Identifier.compare(left, right)), expected)
        assert.strictEqual(Math.sign(Identifier.compare(`${left}${left}`, `${left}${right}`)), expected)
      }),
      { numRuns: 1000, examples }
    )
  })
})
