/**
 * JSON values that both Postgres and JavaScript can hold without loss or surprise.
 *
 * **Details**
 *
 * No NUL and no lone surrogate in any text, numbers finite, plain objects and arrays only, no key `__proto__`, at most
 * {@link maxDepth} levels, and a size the caller bounds. Everything that enters the log passes `check` first.
 */
import { JsonPointer, Result, Schema } from "effect"

export type Json = Schema.Json
export const Json = Schema.Json

/** Default bound of a payload: 256 KiB of JSON text in UTF-8. */
export const defaultMaxBytes = 256 * 1024

/** Deeper values are refused; it also ends the walk through a cycle. */
export const maxDepth = 100

/** Where a value breaks the rules and what it should be instead. `path` is a JSON pointer; empty is the whole value. */
export interface JsonProblem {
  readonly path: string
  readonly problem: string
}

/** The text has neither NUL nor a lone surrogate. */
export const isStorableText = (text: string): boolean => !unstorable.test(text)

const unstorable = /\0|\p{Surrogate}/u

/** The text with U+FFFD in place of what cannot be stored: for messages, which must not fail. */
export const toStorableText = (text: string): string => text.replaceAll(new RegExp(unstorable, "gu"), "\ufffd")

/** The value as JSON, if every part of it may be stored; else the first part that may not. */
export const check = (value: unknown, maxBytes: number = defaultMaxBytes): Result.Result<Json, JsonProblem> => {
  const problem = findProblem(value, 0)
  if (!isJson(value, problem)) return Result.fail(problem ?? { path: "", problem: "must be JSON" })
  if (maxBytes === Number.POSITIVE_INFINITY) return Result.succeed(value)
  const text = JSON.stringify(value)
  // A unit of UTF-16 is three bytes of UTF-8 at most: few texts need to be counted.
  if (text.length * 3 <= maxBytes) return Result.succeed(value)
  const size = utf8Length(text)
  return size <= maxBytes
    ? Result.succeed(value)
    : Result.fail({ path: "", problem: `is ${size} bytes of JSON; at most ${maxBytes} are accepted` })
}

/** A value that `findProblem` finds nothing wrong with is JSON. */
const isJson = (_value: unknown, problem: JsonProblem | undefined): _value is Json => problem === undefined

/** The path is put together on the way back: nearly always there is none to tell. */
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
    for (let place = 0; place < value.length; place++) {
      const problem = findProblem(value[place], depth + 1)
      if (problem !== undefined) return within(String(place), problem)
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
  for (let place = 0; place < text.length; place++) {
    const unit = text.charCodeAt(place)
    // A surrogate pair is two units and four bytes, so each half counts one extra.
    if (unit > 0x7f) bytes += unit <= 0x7ff || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return bytes
}

/** The value as an object that is not an array, or undefined. */
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
