/** Uses each service of the library once, on two stores: what `scripts/check.ts` runs on both ends of the range of `effect`. */
import assert from "node:assert/strict"
import { MemoryStore, MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import { Workflow } from "@refold/core"
import { TypeScriptWorkflowRuntime, Verification, Worker, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Effect, Layer, Schema } from "effect"

const Loan = Workflow.make({
  name: "loan",
  events: { Renewed: Schema.Struct({ days: Schema.Int }), Returned: Schema.Undefined },
  data: Schema.Struct({ days: Schema.Int }),
  initial: { state: "Lent", data: { days: 14 } },
  states: {
    Lent: { Renewed: { to: "Lent", guard: (data, { days }) => data.days + days <= 60 }, Returned: "Returned" },
    Returned: {}
  },
  final: ["Returned"],
  evolve: { Renewed: (data, { days }) => ({ days: data.days + days }) }
})

const program = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  const sourcing = yield* WorkflowEventSourcing
  const loan = { tenant: "library", executionId: "loan-1" }
  yield* runtime.startWorkflow({ workflow: Loan, ...loan })
  const renewal = Workflow.submission(Loan, { event_name: "Renewed", payload: { days: 28 } })
  const renewed = yield* runtime.submitEvent({ ...loan, submission: renewal, idempotencyKey: "renewal-1" })
  assert.deepEqual([renewed.position, renewed.data], [2, { days: 42 }])
  const rejection = yield* Effect.flip(runtime.submitEvent({ ...loan, submission: renewal }))
  assert.equal(rejection._tag, "TransitionRejected")
  yield* sourcing.createSnapshot("loan-1", "library")
  const { processingId } = yield* runtime.enqueueEvent({ ...loan, submission: { event_name: "Returned" } })
  assert.notEqual(processingId, "")
  const state = yield* runtime.waitForCompletion({ ...loan, timeout: "20 seconds" })
  assert.deepEqual([state.currentState, state.isComplete], ["Returned", true])
  const past = yield* sourcing.replayEvents("loan-1", "library", { replayTo: 1 })
  assert.deepEqual(past.executionState.data, { days: 14 })
  const report = yield* Verification.verify({})
  assert.deepEqual([report.eventCount, report.findings], [3, []])
})

const services = Worker.layer().pipe(
  Layer.provideMerge(TypeScriptWorkflowRuntime.layer),
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provideMerge(Workflows.layer(Loan)),
  Layer.provide(MemoryWakeUpChannel.layer)
)
const Pglite = PostgresStore.layerMigrated().pipe(Layer.provide(PgliteStore.layerClient()))

for (const [name, store] of [
  ["memory", MemoryStore.layer],
  ["pglite", Pglite]
] as const) {
  await Effect.runPromise(Effect.provide(program, Layer.provideMerge(services, store)))
  console.log(name, "ok")
}
