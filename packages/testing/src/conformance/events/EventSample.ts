/** Parts of events and of results of commits, for the checks of this folder. */
import { type Commit, type WorkflowEvent, WorkflowEventModel } from "@refold/core"
import { type Array, Effect, Result } from "effect"

export const positionOf = (event: WorkflowEvent): number => event.position

export const stateOf = (event: WorkflowEvent): string => event.to_state

export const partitionOf = (events: ReadonlyArray<WorkflowEvent>): number => events[0]?.partition ?? -1

export const ofTenant = (events: ReadonlyArray<WorkflowEvent>, tenant: string): ReadonlyArray<WorkflowEvent> =>
  events.filter((event) => event.tenant === tenant)

/** Commits, and returns the refusals as plain fields. */
export const refusals = Effect.fnUntraced(function* (...commits: Array.NonEmptyReadonlyArray<Commit.Commit>) {
  const model = yield* WorkflowEventModel
  const results = yield* model.commit(commits)
  return results.map((result) => {
    if (Result.isSuccess(result)) return "accepted"
    return result.failure._tag === "PositionConflict" ? conflict(result.failure) : reversal(result.failure)
  })
})

export const conflict = ({
  actual,
  executionId,
  expected,
  tenant
}: Pick<Commit.PositionConflict, "tenant" | "executionId" | "expected" | "actual">) => ({
  refused: "PositionConflict",
  tenant,
  executionId,
  expected,
  actual
})

export const reversal = ({
  createdAt,
  executionId,
  position,
  previousCreatedAt,
  tenant
}: Pick<Commit.TimeReversed, "tenant" | "executionId" | "position" | "createdAt" | "previousCreatedAt">) => ({
  refused: "TimeReversed",
  tenant,
  executionId,
  position,
  createdAt,
  previousCreatedAt
})

/** A result in one line. */
export const summaryOf = (result: Result.Result<Commit.Committed, Commit.CommitRefused>): string => {
  if (Result.isSuccess(result)) return result.success.events.map(positionOf).join(" ")
  const refused = result.failure
  return refused._tag === "PositionConflict"
    ? `PositionConflict ${refused.expected} ${refused.actual}`
    : `TimeReversed ${refused.position} ${refused.createdAt} ${refused.previousCreatedAt}`
}
