/** Variations of a JSON value: smaller values, which shrink a counterexample, and values with one other leaf. */
import { Json } from "@refold/core"

/**
 * Values that are one step smaller, the smallest first.
 *
 * **Details**
 *
 * Every chain of steps ends: a step shortens a text or a list, removes a key, moves a number towards zero or its integer part, or
 * simplifies a part. The caller checks whether a schema accepts the result.
 */
export function* simpler(json: Json.Json): Generator<Json.Json> {
  if (typeof json === "boolean") {
    if (json) yield false
  } else if (typeof json === "number") yield* simplerNumbers(json)
  else if (typeof json === "string") yield* simplerTexts(json)
  else if (Array.isArray(json)) yield* simplerLists(json)
  else yield* simplerObjects(json)
}

function* simplerNumbers(number: number): Generator<number> {
  const whole = Math.trunc(number)
  if (number < 0) yield -number
  if (whole !== number) return yield whole
  for (const small of [0, 1, 2, 3]) if (small < number) yield small
  // A large number minus a small one can be the same number again, which is not a step.
  for (let less = Math.trunc(number / 2); number - less !== number; less = Math.trunc(less / 2)) yield number - less
}

const plainInstant = "2025-03-01T12:00:00.000Z"
const looksLikeInstant = /^[+-]?\d{4,6}-\d\d-\d\dT\d\d:\d\d.{4,}$/

function* simplerTexts(text: string): Generator<string> {
  if (text !== plainInstant && text.length >= plainInstant.length && looksLikeInstant.test(text)) yield plainInstant
  for (const part of withoutRuns([...text])) yield part.join("")
  const chars = [...text]
  for (const [index, char] of chars.entries()) if (char !== "a") yield chars.with(index, "a").join("")
}

function* simplerLists(list: ReadonlyArray<Json.Json>): Generator<Json.Json> {
  yield* withoutRuns(list)
  for (const [index, member] of list.entries()) {
    for (const less of simpler(member)) yield list.with(index, less)
  }
}

function* simplerObjects(json: Json.Json): Generator<Json.Json> {
  const object = Json.asObject(json)
  if (object === undefined) return
  const entries = Object.entries(object)
  for (const less of withoutRuns(entries)) yield Object.fromEntries(less)
  for (const [index, [key, member]] of entries.entries()) {
    if (member === undefined) continue
    for (const less of simpler(member)) yield Object.fromEntries(entries.with(index, [key, less]))
  }
}

/** The list without some of its members: without all, each half, each quarter, and finally each single one. */
export function* withoutRuns<Member>(members: ReadonlyArray<Member>): Generator<ReadonlyArray<Member>> {
  for (let size = members.length; size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < members.length; from += size) {
      yield [...members.slice(0, from), ...members.slice(from + size)]
    }
  }
}

export type Leaf = string | number

/** The texts and numbers in a value, in order of its keys. */
export const leavesOf = (json: Json.Json | undefined): ReadonlyArray<Leaf> => {
  if (typeof json === "string" || typeof json === "number") return [json]
  if (Array.isArray(json)) return json.flatMap(leavesOf)
  return Object.values(Json.asObject(json) ?? {}).flatMap(leavesOf)
}

/** The value with its leaf at `index` (of {@link leavesOf}) changed. */
export const withLeaf = (json: Json.Json, index: number, change: (leaf: Leaf) => Leaf): Json.Json => {
  let count = 0
  const visit = (part: Json.Json): Json.Json => {
    if (typeof part === "string" || typeof part === "number") return count++ === index ? change(part) : part
    if (Array.isArray(part)) return part.map(visit)
    const object = Json.asObject(part)
    if (object === undefined) return part
    return Object.fromEntries(
      Object.entries(object).flatMap(([key, member]) => (member === undefined ? [] : [[key, visit(member)]]))
    )
  }
  return visit(json)
}
