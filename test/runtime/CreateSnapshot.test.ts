/** `createSnapshot`: a snapshot cannot lie. */
import { assert, describe, it } from "@effect/vitest"
import { type ExecutionState, Workflow, WorkflowSnapshotModel } from "@refold/core"
import { WorkflowEventSourcing } from "@refold/runtime"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Order } from "./Order.ts"
import { inAnotherProcess, memory, orderOf, snapshotPositions, tenant } from "./Services.ts"

const snapshot = (state?: ExecutionState.ExecutionState, executionId = "order-1") =>
  WorkflowEventSourcing.use((sourcing) => sourcing.createSnapshot(executionId, tenant, state))

const layer = memory({ policy: { _tag: "Never" } })

describe("createSnapshot", () => {
  it.effect("stores what the log folds to, and returns it", () =>
    Effect.gen(function* () {
      yield* orderOf(2)
      yield* TestClock.adjust("1 minute")
      const taken = yield* snapshot()
      const { state_hash, ...fields } = taken
      assert.match(state_hash, /^[0-9a-f]{64}$/)
      assert.deepStrictEqual(fields, {
        tenant,
        execution_id: "order-1",
        position: 3,
        current_state: "Draft",
        data: { cents: 3, skus: ["pen", "pen"] },
        fingerprint: Order.fingerprint,
        started_at: "1970-01-01T00:00:00.000Z",
        updated_at: "1970-01-01T00:00:02.000Z",
        created_at: "1970-01-01T00:01:02.000Z"
      })
      assert.deepStrictEqual(yield* snapshotPositions(), [3])
    }).pipe(Effect.provide(layer))
  )

  it.effect("given a state, stores it at the state's position", () =>
    Effect.gen(function* () {
      yield* orderOf(5)
      const { replayEvents } = yield* WorkflowEventSourcing
      const { executionState } = yield* replayEvents("order-1", tenant, { replayTo: 3 })
      assert.strictEqual((yield* snapshot(executionState)).position, 3)
      assert.deepStrictEqual(yield* snapshotPositions(), [3])
    }).pipe(Effect.provide(layer))
  )

  it.effect.each<[string, Partial<ExecutionState.ExecutionState>]>([
    ["tenant", { tenant: "rival" }],
    ["executionId", { executionId: "order-2" }],
    ["workflow", { workflow: { name: "other", version: 1 } }],
    ["version", { workflow: { name: "order", version: 2 } }],
    ["currentState", { currentState: "Review" }],
    ["data", { data: { cents: 4, skus: ["pen", "pen"] } }],
    ["data's order", { data: { cents: 3, skus: ["pen", "ink"] } }],
    ["data's shape", { data: { cents: "3" } }],
    ["data, absent", { data: undefined }],
    ["position", { position: 2 }],
    ["position, 0", { position: 0 }],
    ["position, below 0", { position: -1 }],
    ["position, beyond the end", { position: 4 }],
    ["isComplete", { isComplete: true }],
    ["startedAt", { startedAt: "1970-01-01T00:00:00.001Z" }],
    ["updatedAt", { updatedAt: "1970-01-01T00:00:01.000Z" }]
  ])("refuses a state that diverges in its %s, and stores nothing", ([, difference]) =>
    Effect.gen(function* () {
      const state = yield* orderOf(2)
      const error = yield* Effect.flip(snapshot({ ...state, ...difference }))
      assert.strictEqual(error._tag, "SnapshotDivergence")
      assert.deepStrictEqual(yield* snapshotPositions(), [])
    }).pipe(Effect.provide(layer))
  )

  it.effect.each([1.5, 0.5, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses a state at position %d, which is none",
    (position) =>
      Effect.gen(function* () {
        const state = yield* orderOf(2)
        const error = yield* Effect.flip(snapshot({ ...state, position }))
        assert.include(["SnapshotDivergence", "InvalidInput"], error._tag)
        assert.deepStrictEqual(yield* snapshotPositions(), [])
      }).pipe(Effect.provide(layer))
  )

  it.effect("is made from the log alone: a snapshot that lies is not passed on", () =>
    Effect.gen(function* () {
      yield* orderOf(4)
      const { replayEvents } = yield* WorkflowEventSourcing
      const { executionState } = yield* replayEvents("order-1", tenant, { replayTo: 2 })
      const early = yield* snapshot(executionState)
      const doubled = Workflow.make({
        name: "order",
        events: {},
        data: Schema.Struct({ cents: Schema.Int, skus: Schema.Array(Schema.String) }),
        initial: { state: "Draft", data: { cents: 100, skus: [] } },
        states: { Draft: {} }
      })
      const lie = yield* snapshot().pipe(inAnotherProcess({ definitions: [doubled] }))
      yield* WorkflowSnapshotModel.use((snapshots) =>
        snapshots.save({ snapshot: { ...lie, fingerprint: early.fingerprint }, prune: [] })
      )
      assert.deepStrictEqual((yield* snapshot()).data, { cents: 10, skus: ["pen", "pen", "pen", "pen"] })
    }).pipe(Effect.provide(layer))
  )

  it.effect("of an older position survives its own pruning", () =>
    Effect.gen(function* () {
      yield* orderOf(9)
      const { replayEvents } = yield* WorkflowEventSourcing
      for (const replayTo of [10, 9, 2]) {
        const { executionState } = yield* replayEvents("order-1", tenant, { replayTo, useSnapshots: false })
        yield* snapshot(executionState)
      }
      assert.deepStrictEqual(yield* snapshotPositions(), [2, 9, 10])
      const { executionState } = yield* replayEvents("order-1", tenant, { replayTo: 1 })
      yield* snapshot(executionState)
      assert.deepStrictEqual(yield* snapshotPositions(), [1, 2, 9, 10])
    }).pipe(Effect.provide(layer))
  )

  it.effect("fails for an execution that is not there, as a replay does", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(snapshot(undefined, "none")))._tag, "ExecutionNotFound")
    }).pipe(Effect.provide(layer))
  )

  it.effect("data that its own schema cannot encode is refused by name", () =>
    Effect.gen(function* () {
      const Broken = Workflow.make({
        name: "order",
        events: { Added: Schema.Json },
        data: Schema.Struct({ cents: Schema.Int, skus: Schema.Array(Schema.String) }),
        initial: { state: "Draft", data: { cents: 0, skus: [] } },
        states: { Draft: { Added: "Draft" } },
        evolve: { Added: (data) => ({ ...data, cents: Number.NaN }) }
      })
      yield* orderOf(1)
      const error = yield* snapshot().pipe(inAnotherProcess({ definitions: [Broken] }), Effect.flip)
      assert.strictEqual(error._tag, "SnapshotUnencodable")
      assert.include(error.message, "/cents")
    }).pipe(Effect.provide(layer))
  )
})
