/**
 * Names chosen by users: tenants, execution ids, workflow, event and state names, user ids, idempotency keys.
 *
 * **Details**
 *
 * 1 to 255 UTF-16 code units of any text that can be stored; quotes, `%`, line feeds and emoji are allowed. Three
 * identifiers fit one index entry of PostgreSQL.
 */
import { Result, Schema } from "effect"
import { isStorableText } from "./Json.ts"

export const maxLength = 255

export const Identifier = Schema.String.check(
  Schema.isMinLength(1),
  Schema.isMaxLength(maxLength),
  Schema.makeFilter((text) => isStorableText(text), { expected: "text without NUL or half a surrogate pair" })
)
export type Identifier = typeof Identifier.Type

/** Why a text is no identifier, as the end of a sentence that begins with the field's name; undefined if it is one. */
export const problem = (text: string): string | undefined => {
  if (text.length === 0) return "is empty; give it 1 to 255 characters"
  if (text.length > maxLength) return `is ${text.length} characters long; at most ${maxLength} are accepted`
  return isStorableText(text) ? undefined : "holds NUL or half a surrogate pair; leave those out"
}

/** A name, id or instant that cannot be accepted; nothing was written. `problem` ends a sentence that begins with `field`. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  field: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.field} ${this.problem}`
  }
}

/** Refuses the first field whose text is not an identifier. An absent field passes. */
export const check = (fields: { readonly [field: string]: string | undefined }): Result.Result<void, InvalidInput> => {
  for (const [field, text] of Object.entries(fields)) {
    const found = text === undefined ? undefined : problem(text)
    if (found !== undefined) return Result.fail(new InvalidInput({ field, problem: found }))
  }
  return Result.void
}

/** The order of PostgreSQL's collation "C": by code point, so by UTF-8 byte. The order of code units differs beyond U+FFFF. */
export const compare = (left: string, right: string): number => {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index++) {
    const leftUnit = left.charCodeAt(index)
    const rightUnit = right.charCodeAt(index)
    if (leftUnit !== rightUnit) return codePointRank(leftUnit) - codePointRank(rightUnit)
  }
  return left.length - right.length
}

/** Ranks surrogates above U+E000 to U+FFFF, because they encode the highest code points. */
const codePointRank = (unit: number): number => (unit < 0xd800 ? unit : unit >= 0xe000 ? unit - 0x800 : unit + 0x2000)
