/**
 * JSON values that both PostgreSQL and JavaScript can hold without loss.
 *
 * **Details**
 *
 * Texts have no NUL and no lone surrogate, numbers are finite, objects are plain and have no key `__proto__`. A value has at
 * most {@link maxDepth} levels, and a size that the caller bounds. Everything that enters the log passes `check` first.
 */
import { JsonPointer, Result, Schema } from "effect"

export type Json = Schema.Json
export const Json = Schema.Json

/** Default bound of a payload: 256 KiB of JSON text in UTF-8. */
export const defaultMaxBytes = 256 * 1024

/** Deeper values are refused. The bound also ends the walk through a cycle. */
export const maxDepth = 100

/** Where a value breaks the rules, and how. `path` is a JSON pointer; the empty one is the whole value. */
export interface JsonProblem {
  readonly path: string
  readonly problem: string
}

/** Whether the text has neither NUL nor a lone surrogate. */
export const isStorableText = (text: string): boolean => !unstorable.test(text)

const unstorable = /\0|\p{Surrogate}/u

/** The text with U+FFFD in place of what cannot be stored: for messages, which must not fail. */
export const toStorableText = (text: string): string => text.replaceAll(new RegExp(unstorable, "gu"), "\ufffd")

/** The value as JSON if all of it may be stored; else the first part that may not. */
export const check = (value: unknown, maxBytes: number = defaultMaxBytes): Result.Result<Json, JsonProblem> => {
  const problem = findProblem(value, 0)
  if (!isJson(value, problem)) return Result.fail(problem ?? { path: "", problem: "must be JSON" })
  if (maxBytes === Number.POSITIVE_INFINITY) return Result.succeed(value)
  const text = JSON.stringify(value)
  // A code unit of UTF-16 takes at most three bytes of UTF-8, so the bytes of few texts need to be counted.
  if (text.length * 3 <= maxBytes) return Result.succeed(value)
  const size = utf8Length(text)
  return size <= maxBytes
    ? Result.succeed(value)
    : Result.fail({ path: "", problem: `is ${size} bytes of JSON; at most ${maxBytes} are accepted` })
}

/** A value in which `findProblem` finds no problem is JSON. */
const isJson = (_value: unknown, problem: JsonProblem | undefined): _value is Json => problem === undefined

/** The path is built on the way back, because most values have no problem. */
const findProblem = (value: unknown, depth: number): JsonProblem | undefined => {
  if (depth > maxDepth) return here(`is nested more than ${maxDepth} levels deep, or contains itself`)
  switch (typeof value) {
    case "boolean":
      return undefined
    case "number":
      return Number.isFinite(value) ? undefined : here("must be a finite number")
    case "string":
      return isStorableText(value) ? undefined : here("must not hold NUL or half a surrogate pair")
    case "object":
      break
    default:
      return here(`must be JSON, not ${typeof value}`)
  }
  if (value === null) return undefined
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const problem = findProblem(value[index], depth + 1)
      if (problem !== undefined) return within(String(index), problem)
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return here("must be a plain object")
  for (const [key, member] of Object.entries(value)) {
    const problem =
      key === "__proto__"
        ? here("must not use the key __proto__")
        : isStorableText(key)
          ? findProblem(member, depth + 1)
          : here("must not hold NUL or half a surrogate pair in a key")
    if (problem !== undefined) return within(key, problem)
  }
  return undefined
}

const here = (problem: string): JsonProblem => ({ path: "", problem })

const within = (key: string, { path, problem }: JsonProblem): JsonProblem => ({
  path: `/${JsonPointer.escapeToken(key)}${path}`,
  problem
})

const utf8Length = (text: string): number => {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    // A surrogate pair is two units and four bytes, so each half adds one byte.
    if (unit > 0x7f) bytes += unit <= 0x7ff || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return bytes
}

/** The value if it is an object and no array, else undefined. */
export const asObject = (value: Json | undefined): Schema.JsonObject | undefined =>
  isJsonObject(value) ? value : undefined

const isJsonObject = (value: Json | undefined): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * Canonical JSON text by RFC 8785 (JCS): equal values give equal text.
 *
 * **Details**
 *
 * The keys of every object are ordered by UTF-16 code unit, also those that look like numbers. ECMAScript's own
 * `JSON.stringify` already writes strings and numbers as the RFC wants (`-0` becomes `0`), so it writes the leaves. The
 * value must have passed {@link check}: the RFC refuses numbers that are not finite and lone surrogates.
 */
export const canonical = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const members = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`)
  return `{${members.join(",")}}`
}
