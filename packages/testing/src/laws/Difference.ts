/** Describes where two values differ. */
import { Equal } from "effect"
import fc from "fast-check"

/** Maximum number of differences in a description. */
const maxLines = 20

/**
 * One line for each difference: a JSON pointer, the expected and the actual value. Compares objects and lists member by
 * member, and all other values, including instances of classes, as a whole. Values that are not objects or lists give no lines.
 */
export const between = (expected: unknown, actual: unknown): ReadonlyArray<string> => {
  if (!isContainer(expected) || !isContainer(actual)) return []
  const all = [...differences(expected, actual, "")]
  const shown = all.slice(0, maxLines)
  const width = Math.max(...shown.map(({ path }) => path.length), 0)
  const lines = shown.map(
    ({ path, ...found }) => `${path.padEnd(width)}  expected ${found.expected}, not ${found.actual}`
  )
  return all.length > maxLines ? [...lines, `and ${all.length - maxLines} more`] : lines
}

/** The value on one line. An instance with a `toJSON` method is shown as that JSON. */
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

/** A list, or an object that is not an instance of a class. */
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
