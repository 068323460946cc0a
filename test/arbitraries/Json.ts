/** JSON that may be stored, with keys and values that merges, stores and text encodings often get wrong. */
import type { Schema } from "effect"
import fc from "fast-check"
import type { Json } from "@refold/core"
import { storableText } from "./Identifier.ts"

const key = fc.oneof(
  fc.constantFrom("constructor", "toString", "hasOwnProperty", "prototype", "0", "10", "9", "-1", "", "🙂", "\u{ffff}"),
  storableText.filter((text) => text !== "__proto__")
)

const leaf: fc.Arbitrary<Json.Json> = fc.oneof(
  storableText,
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  fc.boolean(),
  fc.constant(null)
)

export const json: fc.Arbitrary<Json.Json> = fc.letrec<{ json: Json.Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.array(tie("json"), { maxLength: 4 }),
    fc.dictionary(key, tie("json"), { maxKeys: 5 })
  )
})).json

export const jsonObject: fc.Arbitrary<Schema.JsonObject> = fc.dictionary(key, json, { maxKeys: 5 })
