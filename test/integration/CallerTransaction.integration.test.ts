/** The runtime's writes join a caller's transaction: a rollback leaves nothing, in the store or in memory. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { type ImportedRow, Workflow, WorkflowEventModel, WorkflowSnapshotModel, type Submission } from "@refold/core"
import { EventLogImport, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Array, Deferred, Effect, Fiber, Layer, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Order, OrderTwo, add } from "../runtime/Order.ts"
import { brokenStore, changed, inAnotherProcess, servicesWith } from "../runtime/Services.ts"
import { commitOf } from "./commits.ts"
import { ownSchema, uniqueName } from "./ownSchema.ts"
import { isBlocked, nameOf } from "./sessions.ts"

const name = "a caller with a transaction"
const { layer: store } = ownSchema("caller", { applicationName: nameOf(name) })

const eachEvent = { policy: { _tag: "Every", eventCount: 1 } } as const

const it = layer(
  servicesWith({ ...eachEvent, definitions: [Order, OrderTwo] }).pipe(
    Layer.provideMerge(Layer.merge(store, MemoryWakeUpChannel.layer))
  )
)

/** Runs the effect in a transaction that is rolled back; returns the effect's result. */
const rolledBack = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const sql = yield* SqlClient.SqlClient
  const answer = yield* Deferred.make<A>()
  yield* effect.pipe(
    Effect.flatMap((value) => Deferred.succeed(answer, value)),
    Effect.andThen(Effect.fail("rolled back" as const)),
    sql.withTransaction,
    Effect.flip
  )
  return yield* Deferred.await(answer)
})

const started = Effect.fnUntraced(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  const at = { tenant: uniqueName("tenant"), executionId: "order-1" }
  yield* runtime.startWorkflow({ ...at, workflow: Order, data: { cents: 0, skus: [] } })
  return at
})

const cancel = Workflow.submission(Order, { event_name: "Cancelled", payload: null })

it("A caller's transaction", (it) => {
  it.effect("that is rolled back takes a submission with it, and the state that it led to", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const at = yield* started()
      const dropped = yield* rolledBack(runtime.submitEvent({ ...at, submission: cancel }))
      assert.strictEqual(dropped.currentState, "Dropped")

      const state = yield* runtime.submitEvent({ ...at, submission: add(5) })
      assert.deepInclude(state, { currentState: "Draft", position: 2, data: { cents: 5, skus: ["pen"] } })
    })
  )

  it.effect("that is committed keeps it: each submission goes on from the one before", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const sql = yield* SqlClient.SqlClient
      const at = yield* started()
      const submit = (cents: number) => runtime.submitEvent({ ...at, submission: add(cents) })
      const inside = yield* Effect.andThen(submit(1), submit(2)).pipe(sql.withTransaction)
      assert.deepInclude(inside, { position: 3, data: { cents: 3, skus: ["pen", "pen"] } })
      assert.deepInclude(yield* submit(4), { position: 4, data: { cents: 7, skus: ["pen", "pen", "pen"] } })
    })
  )

  it.effect("that is rolled back leaves no snapshot, of a submission or of a replay", () =>
    Effect.gen(function* () {
      const snapshots = yield* WorkflowSnapshotModel
      const at = yield* started()
      const submitted = Effect.gen(function* () {
        const runtime = yield* TypeScriptWorkflowRuntime
        yield* runtime.submitEvent({ ...at, submission: add(1) })
        yield* runtime.getExecutionState(at)
        // Closing these services waits for the snapshots in progress.
      }).pipe(inAnotherProcess(eachEvent))
      const positions = yield* rolledBack(Effect.andThen(submitted, snapshots.positions(at)))
      assert.notInclude(positions, 2)
    })
  )

  it.effect("that is rolled back takes a start with it, and what the execution ran", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const at = { tenant: uniqueName("tenant"), executionId: "order-1" }
      const refused = { ...at, submission: { event_name: "Cancelled" } }
      yield* rolledBack(
        Effect.andThen(runtime.startWorkflow({ ...at, workflow: OrderTwo }), Effect.flip(runtime.enqueueEvent(refused)))
      )
      yield* runtime.startWorkflow({ ...at, workflow: { name: "order", version: 1 } })
      yield* runtime.enqueueEvent({ ...at, submission: cancel })
    })
  )

  it.effect("that is rolled back leaves a queued event waiting that was processed in it", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const events = yield* WorkflowEventModel
      const at = yield* started()
      const first = yield* runtime.enqueueEvent({ ...at, submission: cancel })
      const process = runtime.processQueuedEvent({ ...at, ...first, workerId: "me" })
      assert.isTrue((yield* rolledBack(process)).success)

      assert.deepInclude(yield* runtime.submitEvent({ ...at, submission: add(5) }), { position: 2 })
      assert.deepInclude(yield* process, { success: true, previousState: "Draft", currentState: "Dropped" })
      const names = (yield* Stream.runCollect(events.read(at))).map((event) => event.event_name)
      assert.deepStrictEqual(names, ["workflow.started", "Added", "Cancelled"])
    })
  )

  it.effect("that is rolled back leaves no claim to go on with", () =>
    Effect.gen(function* () {
      const events = yield* WorkflowEventModel
      const at = yield* started()
      let isBroken = true
      const breaking = changed({
        events: ({ commit }) => ({ commit: (commits) => (isBroken ? Effect.fail(brokenStore) : commit(commits)) })
      })
      yield* Effect.gen(function* () {
        const runtime = yield* TypeScriptWorkflowRuntime
        const process = Effect.fnUntraced(function* (submission: Submission) {
          const enqueued = yield* runtime.enqueueEvent({ ...at, submission })
          return yield* runtime.processQueuedEvent({ ...at, ...enqueued, workerId: "me" })
        })
        const error = yield* process(cancel).pipe(
          (all) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(all)),
          Effect.flip
        )
        assert.deepStrictEqual(error, brokenStore)
        isBroken = false
        assert.isTrue((yield* process(add(5))).success)
      }).pipe(inAnotherProcess({ definitions: [Order] }), Effect.provide(breaking))
      const names = (yield* Stream.runCollect(events.read(at))).map((event) => event.event_name)
      assert.deepStrictEqual(names, ["workflow.started", "Added"])
    })
  )

  it.effect("takes a whole import, or nothing of it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tenant = uniqueName("tenant")
      const rows = Array.makeBy(5000, (place): ImportedRow => ({
        execution_id: `case ${place % 500}`,
        event_name: "one",
        event_type: "workflow",
        created_at: "2025-01-01T00:00:00.000Z",
        place,
        line: place
      }))
      const imported = EventLogImport.importRows(Stream.fromArray(rows), { tenant, workflow: "log" })
      assert.strictEqual((yield* rolledBack(imported)).eventsAdded, rows.length)
      assert.strictEqual((yield* sql.withTransaction(imported)).eventsAdded, rows.length)
      assert.strictEqual((yield* imported).eventsAdded, 0)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("goes on while another submission to the execution waits for it", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const runtime = yield* TypeScriptWorkflowRuntime
      const at = yield* started()
      const submit = (cents: number) => runtime.submitEvent({ ...at, submission: add(cents) })
      const isLocked = yield* Deferred.make<void>()
      const rival = yield* Effect.forkScoped(Effect.andThen(Deferred.await(isLocked), submit(2)))
      yield* Effect.gen(function* () {
        yield* submit(1)
        yield* Deferred.succeed(isLocked, undefined)
        yield* isBlocked(name)
        yield* submit(3)
      }).pipe(sql.withTransaction)
      assert.deepInclude(yield* Fiber.join(rival), { position: 4 })
    })
  )

  it.effect("goes on after a commit that the store refused", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* WorkflowEventModel
      const at = yield* started()
      const other = { ...at, executionId: "order-2" }
      const taken = commitOf(at, 1, ["taken"])
      yield* events.commit([taken])
      yield* Effect.gen(function* () {
        const error = yield* Effect.flip(events.commit([{ ...taken, expectedPosition: 2 }]))
        assert.strictEqual(error.reason._tag, "Refused")
        yield* events.commit([commitOf(other, 0, ["kept"])])
      }).pipe(sql.withTransaction)
      assert.lengthOf(yield* Stream.runCollect(events.read(other)), 1)
    })
  )
})
