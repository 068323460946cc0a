/** Snapshots in the background: stored and pruned by policy, ignored if they do not match, never blocking. */
import { assert, describe, it } from "@effect/vitest"
import { Snapshot, WorkflowSnapshotModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing } from "@refold/runtime"
import { Deferred, Effect, Exit, Fiber, Layer, Metric, Option, Scope } from "effect"
import { Order, OrderDoubled, add } from "./Order.ts"
import {
  brokenStore,
  capturedLogs,
  changed,
  eventsOf,
  inAnotherProcess,
  memory,
  orderOf,
  place,
  servicesWith,
  snapshotPositions,
  tenant
} from "./Services.ts"

const replay = (useSnapshots = true) =>
  WorkflowEventSourcing.use((sourcing) => sourcing.replayEvents("order-1", tenant, { useSnapshots, debug: true }))

const failures = Metric.value(Metric.counter("refold_snapshot_failures", { incremental: true }))

const newest = Effect.flatMap(WorkflowSnapshotModel, (snapshots) =>
  Effect.map(snapshots.find({ ...place(), fingerprint: Order.fingerprint }), Option.getOrThrow)
)

describe("automatic snapshots", () => {
  it.effect("every 20 events, the last 3 kept, by default", () =>
    Effect.gen(function* () {
      yield* orderOf(95).pipe(inAnotherProcess())
      assert.deepStrictEqual(yield* snapshotPositions(), [40, 60, 80])
    }).pipe(Effect.provide(memory()))
  )

  it.effect("by the policy and the retention given", () =>
    Effect.gen(function* () {
      const options = { policy: { _tag: "Every", eventCount: 2 }, retention: { _tag: "KeepLast", count: 2 } } as const
      yield* orderOf(8).pipe(inAnotherProcess(options))
      assert.deepStrictEqual(yield* snapshotPositions(), [6, 8])
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )

  it.effect("on completion, with that policy", () =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        yield* orderOf(3)
        const runtime = yield* TypeScriptWorkflowRuntime
        yield* runtime.submitEvent({ ...place(), submission: { event_name: "Cancelled", payload: null } })
      }).pipe(inAnotherProcess({ policy: { _tag: "OnComplete" } }))
      assert.deepStrictEqual(yield* snapshotPositions(), [5])
      assert.isTrue((yield* replay()).executionState.isComplete)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )

  it.effect("a replay that folded enough stores one; the next starts from it", () =>
    Effect.gen(function* () {
      const state = yield* orderOf(24)
      const first = yield* replay().pipe(inAnotherProcess())
      assert.strictEqual(first.debug?.fromSnapshot, false)
      assert.deepStrictEqual(yield* snapshotPositions(), [25])
      const second = yield* replay()
      assert.strictEqual(second.debug?.snapshotPosition, 25)
      assert.strictEqual(second.debug?.eventsProcessed, 0)
      assert.deepStrictEqual(second.executionState, state)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )

  it.effect("a replay without snapshots, or of the past, stores none", () =>
    Effect.gen(function* () {
      yield* orderOf(24)
      yield* Effect.gen(function* () {
        yield* replay(false)
        const { replayEvents } = yield* WorkflowEventSourcing
        yield* replayEvents("order-1", tenant, { replayTo: 22 })
        yield* replayEvents("order-1", tenant, { replayUntil: "1970-01-01T00:00:22Z" })
      }).pipe(inAnotherProcess())
      assert.deepStrictEqual(yield* snapshotPositions(), [])
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )

  it.effect("states are the same with snapshots, without, and after all were removed", () =>
    Effect.gen(function* () {
      const state = yield* orderOf(47)
      assert.deepStrictEqual((yield* replay()).executionState, state)
      assert.deepStrictEqual((yield* replay(false)).executionState, state)
      yield* WorkflowSnapshotModel.use((snapshots) => snapshots.clear({ tenant }))
      const healed = yield* replay()
      assert.strictEqual(healed.debug?.fromSnapshot, false)
      assert.deepStrictEqual(healed.executionState, state)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Every", eventCount: 5 } })))
  )
})

describe("snapshots that do not fit", () => {
  it.effect("of another fold are ignored, and the next replay heals", () =>
    Effect.gen(function* () {
      yield* orderOf(24).pipe(inAnotherProcess())
      assert.deepStrictEqual(yield* snapshotPositions(), [20])

      const changedFold = yield* replay().pipe(inAnotherProcess({ definitions: [OrderDoubled] }))
      assert.strictEqual(changedFold.debug?.fingerprintMismatch, true)
      assert.strictEqual(changedFold.debug?.fromSnapshot, false)
      assert.deepStrictEqual(changedFold.executionState.data, {
        cents: 2 * 300,
        skus: Array.from({ length: 24 }, () => "pen")
      })

      const healed = yield* replay().pipe(inAnotherProcess({ definitions: [OrderDoubled] }))
      assert.strictEqual(healed.debug?.fromSnapshot, true)
      assert.isUndefined(healed.debug?.fingerprintMismatch)
      assert.deepStrictEqual(healed.executionState, changedFold.executionState)

      const before = yield* replay()
      assert.strictEqual(before.debug?.snapshotPosition, 20)
      assert.isUndefined(before.debug?.fingerprintMismatch)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )

  it.effect.each([
    ["its data", { data: { cents: 999, skus: [] } }],
    ["its state", { current_state: "Review" }],
    ["its data, beyond the schema", { data: "gone" }],
    ["its hash", { state_hash: "00" }]
  ] as const)("damaged in %s are ignored with a warning", ([, damage]) => {
    const logs = capturedLogs()
    return Effect.gen(function* () {
      const state = yield* orderOf(6)
      const { createSnapshot } = yield* WorkflowEventSourcing
      const snapshot = yield* createSnapshot("order-1", tenant)
      yield* WorkflowSnapshotModel.use((snapshots) =>
        snapshots.save({ snapshot: { ...snapshot, ...damage }, prune: [] })
      )
      const { debug, executionState } = yield* replay().pipe(Effect.provide(logs.layer))

      assert.deepStrictEqual(executionState, state)
      assert.strictEqual(debug?.fromSnapshot, false)
      assert.isUndefined(debug?.fingerprintMismatch)
      assert.strictEqual(logs.lines.length, 1)
      assert.match(logs.lines.join(""), /^Warn A snapshot is damaged/)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  })
})

describe("a snapshot store that fails", () => {
  it.effect("on writing fails no replay and no submission, and shows in logs and metrics", () => {
    const logs = capturedLogs()
    return Effect.gen(function* () {
      const failedBefore = (yield* failures).count
      const state = yield* orderOf(3).pipe(
        inAnotherProcess({ policy: { _tag: "Every", eventCount: 3 } }),
        Effect.provide(changed({ snapshots: () => ({ save: () => Effect.fail(brokenStore) }) })),
        Effect.provide(logs.layer)
      )
      assert.strictEqual(state.position, 4)
      assert.strictEqual((yield* eventsOf()).length, 4)
      assert.isAbove((yield* failures).count, failedBefore)
      assert.match(logs.lines.join("\n"), /Warn A snapshot was not stored(.|\n)*no room left/)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  })

  it.effect("by a defect fails no replay either", () => {
    const logs = capturedLogs()
    return Effect.gen(function* () {
      yield* orderOf(3)
      const { executionState } = yield* replay().pipe(
        inAnotherProcess({ policy: { _tag: "Every", eventCount: 3 } }),
        Effect.provide(changed({ snapshots: () => ({ positions: () => Effect.die("broken") }) })),
        Effect.provide(logs.layer)
      )
      assert.strictEqual(executionState.position, 4)
      assert.match(logs.lines.join("\n"), /Warn A snapshot was not stored(.|\n)*broken/)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  })
})

describe("pending snapshots", () => {
  it.effect("do not hold up the answer, and closing the layer waits for them", () =>
    Effect.gen(function* () {
      const saving = yield* Deferred.make<void>()
      const mayGoOn = yield* Deferred.make<void>()
      const slow = changed({
        snapshots: ({ save }) => ({
          save: (options) =>
            Deferred.succeed(saving, undefined).pipe(
              Effect.andThen(Deferred.await(mayGoOn)),
              Effect.andThen(save(options))
            )
        })
      })
      const scope = yield* Scope.make()
      const services = yield* Layer.buildWithScope(
        Layer.fresh(servicesWith({ policy: { _tag: "Every", eventCount: 2 } })).pipe(Layer.provide(slow)),
        scope
      )
      const state = yield* orderOf(1).pipe(Effect.provide(services))
      assert.strictEqual(state.position, 2)
      yield* Deferred.await(saving)

      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.yieldNow
      assert.isUndefined(closing.pollUnsafe())
      assert.deepStrictEqual(yield* snapshotPositions(), [])
      yield* Deferred.succeed(mayGoOn, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(yield* snapshotPositions(), [2])
      assert.strictEqual((yield* newest).position, 2)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )

  it.effect("are as of the state that called for them, whatever comes after", () =>
    Effect.gen(function* () {
      yield* Effect.gen(function* () {
        const runtime = yield* TypeScriptWorkflowRuntime
        yield* orderOf(1)
        yield* runtime.submitEvent({ ...place(), submission: add(7) })
      }).pipe(inAnotherProcess({ policy: { _tag: "Every", eventCount: 2 } }))
      const snapshot = yield* newest
      assert.strictEqual(snapshot.position, 2)
      assert.deepStrictEqual(snapshot.data, { cents: 1, skus: ["pen"] })
      assert.isTrue(Snapshot.restore(Order, snapshot)._tag === "Success")
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )
})
