/** What a suite is made of: a promise of a port, and the effect that holds an adapter to it. */
import type { WakeUpChannelError, StoreError } from "@refold/core"
import { Effect, Equal, Formatter, Predicate, Schema } from "effect"

/**
 * **Details**
 *
 * `title` is the promise. Checks are independent, in any order or at once: each makes a tenant, or partitions of a
 * stream, that no other knows, so they may share one store, also one that holds data.
 */
export interface Check<Port> {
  readonly title: string
  readonly check: Effect.Effect<void, ConformanceFailure | StoreError | WakeUpChannelError, Port>
}

/** The adapter broke the promise. `expected` is absent where `what` says it all. */
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

/** Fails unless the values are equal in every part; an absent field and one that is `undefined` differ. */
export const equal = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, ConformanceFailure> =>
  Equal.equals(actual, expected) ? Effect.void : Effect.fail(new ConformanceFailure({ what, expected, actual }))

/** Fails unless what is expected of the value, told as a phrase, is so. */
export const holds = (what: string, isTrue: boolean, actual: unknown): Effect.Effect<void, ConformanceFailure> =>
  isTrue ? Effect.void : Effect.fail(new ConformanceFailure({ what, actual }))

/** The value, which must be there for the check to go on. */
export const present = <A>(what: string, value: A | undefined): Effect.Effect<A, ConformanceFailure> =>
  value === undefined ? Effect.fail(new ConformanceFailure({ what, actual: value })) : Effect.succeed(value)

const show = (value: unknown): string => {
  const text = Formatter.format(value)
  return text.length <= 2000 ? text : `${text.slice(0, 2000)} …`
}

/** Where two values differ first, and what is there; nothing, where they differ as a whole. */
const firstDifference = (expected: unknown, actual: unknown, path = ""): string | undefined => {
  if (!Predicate.isObjectKeyword(expected) || !Predicate.isObjectKeyword(actual)) {
    return path === "" ? undefined : `${path}, expected ${show(expected)}, found ${show(actual)}`
  }
  const [wanted, found] = [new Map<string, unknown>(Object.entries(expected)), new Map(Object.entries(actual))]
  for (const key of new Set([...wanted.keys(), ...found.keys()])) {
    const place = Array.isArray(expected) ? `${path}[${key}]` : `${path}.${key}`
    if (!found.has(key)) return `${place}, which is missing`
    if (!wanted.has(key)) return `${place}, which should not be there`
    if (!Equal.equals(wanted.get(key), found.get(key))) {
      return firstDifference(wanted.get(key), found.get(key), place)
    }
  }
  return undefined
}
