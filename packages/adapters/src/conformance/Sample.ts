/** Commits to check an adapter with. */
import { type Commit, WorkflowEventModel } from "@refold/core"
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
      what: "a commit of the sample",
      expected: `${commits.length} accepted`,
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
