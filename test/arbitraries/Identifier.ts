/** Names that users choose: ordinary ones, and ones that break a careless index, merge or collation. */
import fc from "fast-check"
import { Identifier } from "@refold/core"

/** Any text of well-formed code points, beyond U+FFFF included, without NUL. */
export const storableText = fc.string({ unit: "binary", maxLength: 12 }).filter((text) => !text.includes("\0"))

/** Any text: code units in any order, so also NUL and lone surrogates. */
export const anyText = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7fe, max: 0xe001 }), fc.constant(0)))
  .map((units) => String.fromCharCode(...units))

export const oddNames = [
  "constructor",
  "toString",
  "hasOwnProperty",
  "__proto__",
  "valueOf",
  "7",
  "-1",
  "a b",
  "'%\"",
  "🙂"
]

export const identifier = fc.oneof(
  fc.constantFrom(...oddNames),
  storableText.filter((text) => Identifier.problem(text) === undefined)
)
