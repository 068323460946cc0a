/** The state of one execution: what its events fold to. */
import { type Json, canonical } from "../event/Json.ts"
import type { Instant } from "../event/Instant.ts"
import { sha256 } from "../internal/Hash.ts"
import type { Workflow } from "../workflow/Workflow.ts"
import type { WorkflowRef } from "../workflow/WorkflowRef.ts"
import type { ExecutionRef } from "./ExecutionRef.ts"

/**
 * **Details**
 *
 * `position` is the last event folded in, hence also their count. `startedAt` and `updatedAt` are the instants of the
 * first and the last of them.
 */
export interface ExecutionState<Data = unknown, State extends string = string> extends ExecutionRef {
  readonly workflow: WorkflowRef
  readonly currentState: State
  readonly data: Data
  readonly position: number
  readonly isComplete: boolean
  readonly startedAt: Instant
  readonly updatedAt: Instant
}

/** Whether a state is one of this definition's, of this version; narrows its data and the name of its state. */
export const is = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState
): state is ExecutionState<Data, State> =>
  state.workflow.name === workflow.name && state.workflow.version === workflow.version && workflow.isData(state.data)

/** SHA-256 of everything in the state, its data given as JSON; independent of the order of keys. */
export const hash = (state: Omit<ExecutionState, "data" | "isComplete">, data: Json): string =>
  sha256(
    canonical([
      state.tenant,
      state.executionId,
      state.workflow.name,
      state.workflow.version,
      state.currentState,
      data,
      state.position,
      state.startedAt,
      state.updatedAt
    ])
  )
