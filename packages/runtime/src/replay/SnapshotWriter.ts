/** Stores snapshots in the background, after the response: by policy, with pruning by retention. A failure fails no caller. */
import {
  type ExecutionState,
  Instant,
  Snapshot,
  type StoreError,
  type Workflow,
  WorkflowEventModel,
  WorkflowSnapshotModel,
  executionKey
} from "@refold/core"
import { Clock, Context, Effect, FiberMap, Layer, Metric, Result, Schema } from "effect"
import * as Metrics from "../Metrics.ts"

/** The data of a state is not what its own schema can encode. */
export class SnapshotUnencodable extends Schema.TaggedError<SnapshotUnencodable>()("SnapshotUnencodable", {
  executionId: Schema.String,
  path: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `The data of execution "${this.executionId}"${this.path === "" ? "" : ` at ${this.path}`} ${this.problem}: make evolve return what the data's schema describes`
  }
}

/** Snapshots being stored; beyond this, a due snapshot is left to the next replay. */
const maxPending = 64

export class SnapshotWriter extends Context.Service<
  SnapshotWriter,
  {
    /** Stores the snapshot of a state, and prunes. */
    readonly store: <State extends string, Data>(
      workflow: Workflow.Workflow<State, Data>,
      state: ExecutionState.ExecutionState<Data>
    ) => Effect.Effect<Snapshot.Snapshot, StoreError | SnapshotUnencodable>

    /** Whether the policy asks for a snapshot after a fold from `before` to `after`. */
    readonly isDue: (before: Snapshot.Progress, after: Snapshot.Progress) => boolean

    /** Stores the snapshot of a state soon. Returns at once. */
    readonly offer: <State extends string, Data>(
      workflow: Workflow.Workflow<State, Data>,
      state: ExecutionState.ExecutionState<Data>
    ) => Effect.Effect<void>
  }
>()("@refold/runtime/replay/SnapshotWriter") {
  /** Closing the layer waits for the snapshots in flight. */
  static readonly layer = (options: {
    readonly policy: Snapshot.SnapshotPolicy
    readonly retention: Snapshot.Retention
  }) =>
    Layer.effect(
      SnapshotWriter,
      Effect.gen(function* () {
        const { isInTransaction } = yield* WorkflowEventModel
        const snapshots = yield* WorkflowSnapshotModel
        const pending = yield* FiberMap.make<string, void, never>()
        yield* Effect.addFinalizer(() => FiberMap.awaitEmpty(pending))

        const store = Effect.fn("SnapshotWriter.store")(function* <State extends string, Data>(
          workflow: Workflow.Workflow<State, Data>,
          state: ExecutionState.ExecutionState<Data>
        ) {
          const { executionId, tenant } = state
          const takenAt = Instant.fromEpochMillis(yield* Clock.currentTimeMillis)
          const taken = Snapshot.take(workflow, state, takenAt)
          if (Result.isFailure(taken)) return yield* new SnapshotUnencodable({ executionId, ...taken.failure })
          const snapshot = taken.success
          const positions = yield* snapshots.positions({ tenant, executionId })
          const prune = Snapshot.toPrune(options.retention, [...new Set([...positions, snapshot.position])])
          yield* snapshots.save({ snapshot, prune })
          yield* Metric.update(Metrics.snapshotsStored, 1)
          return snapshot
        })

        const offer = Effect.fnUntraced(function* <State extends string, Data>(
          workflow: Workflow.Workflow<State, Data>,
          state: ExecutionState.ExecutionState<Data>
        ) {
          // Its fiber would outlive the caller's transaction, whose connection it would use, for a state that may be rolled back.
          if (yield* isInTransaction) return
          if ((yield* FiberMap.size(pending)) >= maxPending) return
          yield* FiberMap.run(
            pending,
            executionKey(state),
            store(workflow, state).pipe(
              Effect.asVoid,
              Effect.catchCause((cause) =>
                Effect.andThen(
                  Metric.update(Metrics.snapshotFailures, 1),
                  Effect.logWarning("A snapshot was not stored; replays start further back until one is", cause)
                )
              )
            ),
            { onlyIfMissing: true }
          )
        })

        return SnapshotWriter.of({
          store,
          isDue: (before, after) => Snapshot.isDue(options.policy, before, after),
          offer
        })
      })
    )
}
