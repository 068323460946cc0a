/** Minimal commits and snapshots. */
import type { Commit, Snapshot } from "@refold/core"
import { Array } from "effect"

export interface At {
  readonly tenant: string
  readonly executionId: string
}

/** A commit with one event per state. `writer` distinguishes the events of writers that compete for a position. */
export const commitOf = (
  { executionId, tenant }: At,
  expectedPosition: number,
  states: Array.NonEmptyReadonlyArray<string>,
  writer = ""
): Commit.Commit => ({
  tenant,
  executionId,
  workflow: { name: "sample", version: 1 },
  expectedPosition,
  isComplete: false,
  events: Array.map(states, (state, place) => ({
    event_id: `${executionId}#${expectedPosition + place + 1}${writer}`,
    event_name: "moved",
    event_type: "workflow",
    from_state: "before",
    to_state: state,
    schema_version: 1,
    metadata: {}
  }))
})

export const snapshotOf = ({ executionId, tenant }: At, position: number): Snapshot.Snapshot => ({
  tenant,
  execution_id: executionId,
  position,
  current_state: "open",
  data: {},
  fingerprint: "fingerprint",
  state_hash: "hash",
  started_at: "2001-01-01T00:00:00.000Z",
  updated_at: "2001-01-01T00:00:00.000Z",
  created_at: "2001-01-01T00:00:00.000Z"
})
