/** The state of one execution: the result of folding its events. */
import { type Json, canonical } from "../event/Json.ts"
import type { Instant } from "../event/Instant.ts"
import { sha256 } from "../internal/Hash.ts"
import type { Workflow } from "../workflow/Workflow.ts"
import type { WorkflowRef } from "../workflow/WorkflowRef.ts"
import type { ExecutionRef } from "./ExecutionRef.ts"

/**
 * **Details**
 *
 * `position` is the position of the last event folded in, which is also their count. `startedAt` and `updatedAt` are the
 * instants of the first and the last event.
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

/** Whether the state belongs to this version of the definition; narrows its data and the name of its state. */
export const is = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  state: ExecutionState
): state is ExecutionState<Data, State> =>
  state.workflow.name === workflow.name && state.workflow.version === workflow.version && workflow.isData(state.data)

/** SHA-256 of the whole state, with its data as JSON. Does not depend on the order of keys. */
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
