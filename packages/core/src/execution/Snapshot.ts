/**
 * Snapshots: a fold paused at a position, kept as plain data.
 *
 * Snapshots change how long a replay takes, never the state that it yields. Law 3 (`@refold/testing/laws`) checks that.
 */
import { Result, Schema } from "effect"
import * as ExecutionState from "./ExecutionState.ts"
import { Identifier } from "../event/Identifier.ts"
import { Instant } from "../event/Instant.ts"
import type { JsonProblem } from "../event/Json.ts"
import { Position } from "../event/Position.ts"
import type { Workflow } from "../workflow/Workflow.ts"

/**
 * **Details**
 *
 * `position` is the position of the last event folded in, `updated_at` its instant, `started_at` the instant of the first
 * event. `fingerprint` identifies the fold that made the snapshot, `state_hash` the state. `created_at` is when it was taken.
 */
export const Snapshot = Schema.Struct({
  tenant: Identifier,
  execution_id: Identifier,
  position: Position,
  current_state: Identifier,
  data: Schema.Json,
  fingerprint: Schema.String,
  state_hash: Schema.String,
  started_at: Instant,
  updated_at: Instant,
  created_at: Instant
})
export type Snapshot = typeof Snapshot.Type

/** When to take a snapshot, as data: it can be stored, compared, logged, generated. */
export type SnapshotPolicy =
  | { readonly _tag: "Never" }
  | { readonly _tag: "Every"; readonly eventCount: number }
  | { readonly _tag: "OnComplete" }
  | { readonly _tag: "AnyOf"; readonly policies: ReadonlyArray<SnapshotPolicy> }

export const SnapshotPolicy: Schema.Codec<SnapshotPolicy> = Schema.Union([
  Schema.TaggedStruct("Never", {}),
  Schema.TaggedStruct("Every", { eventCount: Schema.Int.check(Schema.isGreaterThan(0)) }),
  Schema.TaggedStruct("OnComplete", {}),
  Schema.TaggedStruct("AnyOf", { policies: Schema.Array(Schema.suspend(() => SnapshotPolicy)) })
])

/** Which snapshots of an execution to keep, as data. */
export const Retention = Schema.Union([
  Schema.TaggedStruct("KeepAll", {}),
  Schema.TaggedStruct("KeepLast", { count: Schema.Int.check(Schema.isGreaterThan(0)) })
])
export type Retention = typeof Retention.Type

export const defaultPolicy: SnapshotPolicy = { _tag: "Every", eventCount: 20 }
export const defaultRetention: Retention = { _tag: "KeepLast", count: 3 }

/** The progress of an execution. An `ExecutionState` is one. */
export interface Progress {
  readonly position: number
  readonly isComplete: boolean
}

/** The progress of the empty log. */
export const origin: Progress = { position: 0, isComplete: false }

/**
 * Whether a fold that moved an execution from `before` to `after` calls for a snapshot.
 *
 * **Details**
 *
 * Compares the count of whole intervals below each position, so that an append of many events across a boundary is due.
 */
export const isDue = (policy: SnapshotPolicy, before: Progress, after: Progress): boolean => {
  switch (policy._tag) {
    case "Never":
      return false
    case "Every":
      return Math.floor(after.position / policy.eventCount) > Math.floor(before.position / policy.eventCount)
    case "OnComplete":
      return after.isComplete && !before.isComplete
    case "AnyOf":
      return policy.policies.some((each) => isDue(each, before, after))
  }
}

/** The positions to prune, of all snapshots of an execution. */
export const toPrune = (retention: Retention, positions: ReadonlyArray<number>): ReadonlyArray<number> => {
  switch (retention._tag) {
    case "KeepAll":
      return []
    case "KeepLast":
      return positions.toSorted((left, right) => right - left).slice(retention.count)
  }
}

/** Takes the snapshot of a state. Fails only for data that its own schema cannot encode. */
export const take = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState.ExecutionState<Data>,
  createdAt: Instant
): Result.Result<Snapshot, JsonProblem> =>
  Result.map(workflow.encodeData(state.data), (data) => ({
    tenant: state.tenant,
    execution_id: state.executionId,
    position: state.position,
    current_state: state.currentState,
    data,
    fingerprint: workflow.fingerprint,
    state_hash: ExecutionState.hash(state, data),
    started_at: state.startedAt,
    updated_at: state.updatedAt,
    created_at: createdAt
  }))

/** Why a snapshot cannot be used: another fold made it, or its content was changed after it was taken. */
export type Unusable = "FingerprintMismatch" | "Damaged"

/** The state that the snapshot holds. A caller ignores a snapshot that cannot be used, since the log holds everything. */
export const restore = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  snapshot: Snapshot
): Result.Result<ExecutionState.ExecutionState<Data>, Unusable> => {
  if (snapshot.fingerprint !== workflow.fingerprint) return Result.fail("FingerprintMismatch")
  const paused = {
    tenant: snapshot.tenant,
    executionId: snapshot.execution_id,
    workflow: workflow.ref,
    currentState: snapshot.current_state,
    position: snapshot.position,
    startedAt: snapshot.started_at,
    updatedAt: snapshot.updated_at
  }
  if (ExecutionState.hash(paused, snapshot.data) !== snapshot.state_hash) return Result.fail("Damaged")
  return workflow.decodeData(snapshot.data).pipe(
    Result.mapError(() => "Damaged" as const),
    Result.map((data) => ({ ...paused, data, isComplete: workflow.finalStates.has(snapshot.current_state) }))
  )
}
