/** Where two values differ, for people. */
import { Equal } from "effect"
import fc from "fast-check"

/** At most this many places are named. */
const maxPlaces = 20

/**
 * One line for each place where the values differ: a JSON pointer, what is expected there and what is. Objects and lists
 * are compared member by member; all else, instances included, as a whole. Values that are neither have no places.
 */
export const between = (expected: unknown, actual: unknown): ReadonlyArray<string> => {
  if (!isContainer(expected) || !isContainer(actual)) return []
  const places = [...differences(expected, actual, "")]
  const width = Math.max(...places.slice(0, maxPlaces).map(({ path }) => path.length), 0)
  const lines = places
    .slice(0, maxPlaces)
    .map(({ path, ...found }) => `${path.padEnd(width)}  expected ${found.expected}, not ${found.actual}`)
  return places.length > maxPlaces ? [...lines, `and at ${places.length - maxPlaces} places more`] : lines
}

/** The value on one line. An instance that has a JSON of its own is shown as that, with the name of its class. */
export const show = (value: unknown): string => fc.stringify(plain(value))

interface Difference {
  readonly path: string
  readonly expected: string
  readonly actual: string
}

function* differences(expected: unknown, actual: unknown, path: string): Generator<Difference> {
  if (Equal.equals(expected, actual)) return
  if (!isContainer(expected) || !isContainer(actual) || Array.isArray(expected) !== Array.isArray(actual)) {
    yield { path, expected: show(expected), actual: show(actual) }
    return
  }
  const keys = new Set([...Object.keys(expected), ...Object.keys(actual)])
  for (const key of keys) {
    const at = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`
    if (!Object.hasOwn(actual, key)) yield { path: at, expected: show(expected[key]), actual: "absent" }
    else if (!Object.hasOwn(expected, key)) yield { path: at, expected: "absent", actual: show(actual[key]) }
    else yield* differences(expected[key], actual[key], at)
  }
}

/** A list, or an object that is no instance of a class. */
const isContainer = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null
}

const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (isContainer(value)) return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
  return hasJson(value) ? value.toJSON() : value
}

const hasJson = (value: unknown): value is { toJSON(): unknown } =>
  typeof value === "object" && value !== null && "toJSON" in value && typeof value.toJSON === "function"
