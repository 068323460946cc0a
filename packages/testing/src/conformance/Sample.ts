/** Commits and values for the checks of all suites. */
import { type Commit, type ExecutionRef, Identifier, type Json, WorkflowEventModel } from "@refold/core"
import { Array, Effect, Option, Random, Result, Stream } from "effect"
import { ConformanceFailure } from "./Check.ts"

/** A tenant that no other check uses. */
export const freshTenant: Effect.Effect<string> = Effect.map(
  Effect.all([Random.nextInt, Random.nextInt]),
  (parts) => `tenant-${parts.map((part) => Math.abs(part).toString(36)).join("-")}`
)

export const workflow = { name: "sample", version: 3 }

/** A commit with one event per state, named after the state. */
export const moves = (
  { executionId, tenant }: ExecutionRef,
  expectedPosition: number,
  states: Array.NonEmptyReadonlyArray<string>
) => ({
  tenant,
  executionId,
  workflow,
  expectedPosition,
  isComplete: false,
  events: Array.map(states, (state, index) => newEvent(executionId, expectedPosition + index + 1, state))
})

/** A commit of imported events, which bring their own instants: `[state, created_at]`. */
export const imports = (
  { executionId, tenant }: ExecutionRef,
  expectedPosition: number,
  states: Array.NonEmptyReadonlyArray<readonly [state: string, createdAt: string]>
) => ({
  tenant,
  executionId,
  workflow,
  expectedPosition,
  isComplete: false,
  events: Array.map(states, ([state, createdAt], index) => ({
    ...newEvent(executionId, expectedPosition + index + 1, state),
    created_at: createdAt
  }))
})

/** The same commit, with an idempotency key on its first event. */
export const keyed = (
  commit: Commit.Commit & { readonly events: Array.NonEmptyReadonlyArray<Commit.NewEvent> },
  idempotencyKey: string
): Commit.Commit => {
  const [first, ...others] = commit.events
  return { ...commit, events: [{ ...first, idempotency_key: idempotencyKey }, ...others] }
}

/** A minimal event. Its id is unique within the tenant if execution ids are. */
const newEvent = (executionId: string, position: number, state: string) => ({
  event_id: `${executionId}#${position}`,
  event_name: `${state} reached`,
  event_type: "workflow",
  from_state: "before",
  to_state: state,
  schema_version: 1,
  metadata: {}
})

/** States `1`, `2` … for a longer log. */
export const numbered = (count: number): Array.NonEmptyReadonlyArray<string> =>
  Array.makeBy(count, (n) => String(n + 1))

/** Commits, and fails unless every commit was accepted. Returns all events, in the order of the commits. */
export const accepted = Effect.fnUntraced(function* (...commits: Array.NonEmptyReadonlyArray<Commit.Commit>) {
  const model = yield* WorkflowEventModel
  const results = yield* model.commit(commits)
  const refusal = results.find(Result.isFailure)
  if (refusal !== undefined || results.length !== commits.length) {
    return yield* new ConformanceFailure({
      what: `all of ${commits.length} commits to be accepted`,
      actual: refusal?.failure.message ?? `${results.length} answers`
    })
  }
  return results.flatMap((result) => (Result.isSuccess(result) ? result.success.events : []))
})

/** All events of an execution. */
export const logOf = Effect.fnUntraced(function* (ref: ExecutionRef) {
  const model = yield* WorkflowEventModel
  return yield* Stream.runCollect(model.read(ref))
})

/** All events of a partition's feed. */
export const feedOf = Effect.fnUntraced(function* (partition: number) {
  const model = yield* WorkflowEventModel
  return yield* Stream.paginate(0, (after) =>
    Effect.map(
      model.readFeed({ partition, after, limit: 500 }),
      (events) => [events, Option.map(Array.last(events), (last) => last.offset)] as const
    )
  ).pipe(Stream.runCollect)
})

/** Names that have broken stores before. All of them are valid text. */
export const oddNames: Array.NonEmptyReadonlyArray<string> = [
  "'",
  '"; drop table events; --',
  "100 %_",
  "line\nfeed\ttab",
  "back\\slash",
  "{a,b}",
  "NULL",
  " blank ",
  "\u007f",
  "Ünïcödé ß ﬃ",
  "e\u0301 is not \u00e9",
  "family 👨‍👩‍👧, flag 🏴‍☠️",
  "constructor",
  "__proto__",
  "$1",
  "漢".repeat(255),
  "😀".repeat(127)
]

/** A name of maximum length that does not compress; each seed gives another one. */
export const longName = (seed: number): string =>
  String.fromCharCode(...Array.makeBy(Identifier.maxLength, (n) => 0x4e00 + ((n * 7919 + seed * 104_729) % 20_000)))

/** Values that stores have rounded, sorted, merged or lost before. */
export const payloads: Readonly<Record<string, Json.Json>> = {
  "the order of keys": { b: 1, a: 2, aa: 3, Z: 4 },
  "keys of Object.prototype": { constructor: 1, toString: { hasOwnProperty: null }, valueOf: [] },
  "an empty key": { "": { "": [""] } },
  nesting: { a: [[[{ b: [{ c: { d: [] } }] }]], {}, [], [null, [null]]] },
  "text of every kind": [
    "",
    " ",
    '"',
    "\\",
    "\n\r\t\b\f",
    "\u0001",
    "\u2028",
    "ß",
    "漢",
    "😀",
    "e\u0301",
    "\ufeff",
    "\\u0000"
  ],
  numbers: [0, -1, 0.1, 1e21, 1e-7, 5e-324, Number.MAX_VALUE, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
  "many digits": [123_456_789.123_456_79, 0.1 + 0.2, 2 ** 60],
  booleans: [true, false],
  "a bare text": "null",
  "a bare zero": 0,
  "a bare false": false,
  "an empty object": {},
  "a long text": "0123456789abcdef".repeat(8192)
}
