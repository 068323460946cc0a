/**
 * JSON values that both Postgres and JavaScript can hold without loss or surprise.
 *
 * **Details**
 *
 * No NUL and no lone surrogate in any text, numbers finite, plain objects and arrays only, no key `__proto__`, at most
 * {@link maxDepth} levels, and a size the caller bounds. Everything that enters the log passes `check` first.
 */
import { Result, Schema } from "effect"

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
  path: `/${pointerPart(key)}${path}`,
  problem
})

/** A key as RFC 6901 writes it in a JSON pointer. */
export const pointerPart = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1")

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

/** JSON text with the keys of every object in one order: equal values give equal text, whatever stored them. */
export const canonical = (value: Json): string => JSON.stringify(inOrder(value))

/** Keys that are numbers come first, as in every object; the others by code unit. */
const inOrder = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(inOrder)
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, inOrder(value[key] ?? null)])
  )
}
