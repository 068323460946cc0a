/** What a suite is made of: a promise of a port, and the effect that holds an adapter to it. */
import type { EventStreamError, StoreError } from "@refold/core"
import { Effect, Equal, Schema } from "effect"

/**
 * **Details**
 *
 * `title` is the promise. Checks are independent, in any order or at once: each makes a tenant, or partitions of a
 * stream, that no other knows, so they may share one store, also one that holds data.
 */
export interface Check<Port> {
  readonly title: string
  readonly check: Effect.Effect<void, ConformanceFailure | StoreError | EventStreamError, Port>
}

/** The adapter broke the promise. */
export class ConformanceFailure extends Schema.TaggedError<ConformanceFailure>()("ConformanceFailure", {
  what: Schema.String,
  expected: Schema.Unknown,
  actual: Schema.Unknown
}) {
  override get message(): string {
    return `${this.what}: expected ${show(this.expected)}, got ${show(this.actual)}`
  }
}

/** Fails unless the values are equal in every part; an absent field and one that is `undefined` differ. */
export const equal = (what: string, actual: unknown, expected: unknown): Effect.Effect<void, ConformanceFailure> =>
  Equal.equals(actual, expected) ? Effect.void : Effect.fail(new ConformanceFailure({ what, expected, actual }))

/** Fails unless the statement holds of the value. */
export const holds = (what: string, isTrue: boolean, actual: unknown): Effect.Effect<void, ConformanceFailure> =>
  isTrue ? Effect.void : Effect.fail(new ConformanceFailure({ what, expected: "it to hold", actual }))

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= 2000 ? text : `${text.slice(0, 2000)} …`
}
