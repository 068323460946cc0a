/** A check: a promise of a port, and the effect that verifies it on an adapter. */
import type { WakeUpChannelError, StoreError } from "@refold/core"
import { Effect, Equal, Formatter, Predicate, Schema } from "effect"

/**
 * **Details**
 *
 * `title` is the promise. Checks are independent: they run in any order or concurrently. Each creates its own tenant, or uses
 * its own partitions of a channel, so they can share one store, even one with data.
 */
export interface Check<Port> {
  readonly title: string
  readonly check: Effect.Effect<void, ConformanceFailure | StoreError | WakeUpChannelError, Port>
}

/** The adapter broke a promise. `expected` is absent if `what` describes it. */
export class ConformanceFailure extends Schema.TaggedError<ConformanceFailure>()("ConformanceFailure", {
  what: Schema.String,
  expected: Schema.optionalKey(Schema.Unknown),
  actual: Schema.Unknown
}) {
  override get message(): string {
    if (!("expected" in this)) return `expected: ${this.what}\n   found: ${show(this.actual)}`
    const { actual, expected, what } = this
    const lines = [`${what}:`, `expected: ${show(expected)}`, `   found: ${show(actual)}`]
    const difference = firstDifference(expected, actual)
    return [...lines, ...(difference === undefined ? [] : [`      at: ${difference}`])].join("\n")
  }
}

/** Fails unless the values are equal in every part. An absent field differs from an `undefined` one. */
export const equal = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, ConformanceFailure> =>
  Equal.equals(actual, expected) ? Effect.void : Effect.fail(new ConformanceFailure({ what, expected, actual }))

/** Fails unless the condition holds; `what` is the expectation, as a phrase. */
export const holds = (what: string, isTrue: boolean, actual: unknown): Effect.Effect<void, ConformanceFailure> =>
  isTrue ? Effect.void : Effect.fail(new ConformanceFailure({ what, actual }))

/** The value; fails if it is undefined. */
export const present = <A>(what: string, value: A | undefined): Effect.Effect<A, ConformanceFailure> =>
  value === undefined ? Effect.fail(new ConformanceFailure({ what, actual: value })) : Effect.succeed(value)

const show = (value: unknown): string => {
  const text = Formatter.format(value)
  return text.length <= 2000 ? text : `${text.slice(0, 2000)} …`
}

/** The first difference between two values, with its path; undefined if they differ as a whole. */
const firstDifference = (expected: unknown, actual: unknown, path = ""): string | undefined => {
  if (!Predicate.isObjectKeyword(expected) || !Predicate.isObjectKeyword(actual)) {
    return path === "" ? undefined : `${path}, expected ${show(expected)}, found ${show(actual)}`
  }
  const [wanted, found] = [new Map<string, unknown>(Object.entries(expected)), new Map(Object.entries(actual))]
  for (const key of new Set([...wanted.keys(), ...found.keys()])) {
    const at = Array.isArray(expected) ? `${path}[${key}]` : `${path}.${key}`
    if (!found.has(key)) return `${at}, which is missing`
    if (!wanted.has(key)) return `${at}, which should be absent`
    if (!Equal.equals(wanted.get(key), found.get(key))) {
      return firstDifference(wanted.get(key), found.get(key), at)
    }
  }
  return undefined
}
