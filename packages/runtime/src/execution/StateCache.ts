/** States of the executions used last, so that the next event of one needs no replay. */
import { type ExecutionRef, type ExecutionState, WorkflowEventModel, deepFreeze } from "@refold/core"
import { Context, Effect, Layer } from "effect"
import { LruCache } from "./LruCache.ts"

/** States kept by default. */
export const defaultCapacity = 1000

/**
 * **Details**
 *
 * A state may be older than its execution, of which other processes write as well: what is decided on it is proved by the
 * commit, at the position of the state. The data is frozen: it is what callers were given too, and an `evolve` that
 * changed it would spoil the decisions to come.
 */
export class StateCache extends Context.Service<
  StateCache,
  {
    readonly get: (ref: ExecutionRef) => ExecutionState.ExecutionState | undefined
    /** Freezes the data and keeps the state; not in a transaction of the caller's, whose rollback could not take it back. */
    readonly set: (state: ExecutionState.ExecutionState) => Effect.Effect<void>
    readonly delete: (ref: ExecutionRef) => void
  }
>()("@refold/runtime/execution/StateCache") {
  static readonly layer = (capacity: number) =>
    Layer.effect(
      StateCache,
      Effect.map(WorkflowEventModel, ({ isInTransaction }) => {
        const states = new LruCache<ExecutionState.ExecutionState>(capacity)
        return StateCache.of({
          get: (ref) => states.get(ref),
          set: (state) =>
            Effect.map(isInTransaction, (mayBeRolledBack) => {
              deepFreeze(state.data)
              if (!mayBeRolledBack) states.set(state, state)
            }),
          delete: (ref) => states.delete(ref)
        })
      })
    )
}
