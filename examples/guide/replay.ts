import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import { Workflow, WorkflowExecutionModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Console, Effect, Layer, Stream } from "effect"

const writeNote = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  const note = { tenant: "acme", executionId: "note-1" }
  yield* runtime.startWorkflow({ workflow: Workflow.open("note"), ...note })
  yield* runtime.submitEvent({ ...note, submission: { event_name: "read", to_state: "read", payload: { by: "ann" } } })
})

const lookBack = Effect.gen(function* () {
  const sourcing = yield* WorkflowEventSourcing
  const now = yield* sourcing.replayEvents("note-1", "acme", { debug: true })
  const atPosition = yield* sourcing.replayEvents("note-1", "acme", { replayTo: 1 })
  const atInstant = yield* sourcing.replayEvents("note-1", "acme", { replayUntil: "9999-12-31" })
  for (const { executionState } of [now, atPosition, atInstant]) {
    yield* Console.log(executionState.position, executionState.currentState, executionState.data)
  }

  const executions = yield* WorkflowExecutionModel
  const asOf = "2025-03-01T12:00:00.000Z"
  const then = yield* Stream.runCollect(executions.list({ tenant: "acme", asOf }))
  yield* Console.log(`${then.length} executions as of ${asOf}`)
})

const Sourcing = WorkflowEventSourcing.layerWith({
  policy: { _tag: "AnyOf", policies: [{ _tag: "Every", eventCount: 50 }, { _tag: "OnComplete" }] },
  retention: { _tag: "KeepLast", count: 2 }
})

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(Sourcing),
  Layer.provide(Workflows.layerOpen()),
  Layer.provideMerge(MemoryStore.layer),
  Layer.provide(MemoryWakeUpChannel.layer)
)

await Effect.runPromise(Effect.andThen(writeNote, lookBack).pipe(Effect.provide(Live)))
