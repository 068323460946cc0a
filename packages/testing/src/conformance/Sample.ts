/** Commits to check an adapter with. */
import { type Commit, Identifier, type Json, WorkflowEventModel } from "@refold/core"
import { Array, Effect, Option, Random, Result, Stream } from "effect"
import { ConformanceFailure } from "./Check.ts"

/** A tenant that nobody else uses. */
export const freshTenant: Effect.Effect<string> = Effect.map(
  Effect.all([Random.nextInt, Random.nextInt]),
  (parts) => `tenant-${parts.map((part) => Math.abs(part).toString(36)).join("-")}`
)

export interface Place {
  readonly tenant: string
  readonly executionId: string
}

export const workflow = { name: "sample", version: 3 }

/** A commit of one event per state, each named after it. */
export const moves = (
  { executionId, tenant }: Place,
  expectedPosition: number,
  states: Array.NonEmptyReadonlyArray<string>
) => ({
  tenant,
  executionId,
  workflow,
  expectedPosition,
  isComplete: false,
  events: Array.map(states, (state, place) => newEvent(executionId, expectedPosition + place + 1, state))
})

/** The same, of events that bring their instants: `[state, created_at]`. */
export const imports = (
  { executionId, tenant }: Place,
  expectedPosition: number,
  states: Array.NonEmptyReadonlyArray<readonly [state: string, createdAt: string]>
) => ({
  tenant,
  executionId,
  workflow,
  expectedPosition,
  isComplete: false,
  events: Array.map(states, ([state, createdAt], place) => ({
    ...newEvent(executionId, expectedPosition + place + 1, state),
    created_at: createdAt
  }))
})

/** The commit with an idempotency key at its first event. */
export const keyed = (
  commit: Commit.Commit & { readonly events: Array.NonEmptyReadonlyArray<Commit.NewEvent> },
  idempotencyKey: string
): Commit.Commit => {
  const [first, ...others] = commit.events
  return { ...commit, events: [{ ...first, idempotency_key: idempotencyKey }, ...others] }
}

/** An event of least content. Its id is unique within the tenant, as long as execution ids are. */
const newEvent = (executionId: string, position: number, state: string) => ({
  event_id: `${executionId}#${position}`,
  event_name: `${state} reached`,
  event_type: "workflow",
  from_state: "before",
  to_state: state,
  schema_version: 1,
  metadata: {}
})

/** States `1`, `2` … of a longer log. */
export const numbered = (count: number): Array.NonEmptyReadonlyArray<string> =>
  Array.makeBy(count, (n) => String(n + 1))

/** Commits, and fails unless every commit was accepted; answers with all events, in the order of the commits. */
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
export const logOf = Effect.fnUntraced(function* (place: Place) {
  const model = yield* WorkflowEventModel
  return yield* Stream.runCollect(model.read(place))
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

/** Names that have broken stores before. All of them are accepted text. */
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

/** A name of full length that nothing compresses; another for each seed. */
export const longName = (seed: number): string =>
  String.fromCharCode(...Array.makeBy(Identifier.maxLength, (n) => 0x4e00 + ((n * 7919 + seed * 104_729) % 20_000)))

/** Values that stores have rounded, sorted, merged or lost. */
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
