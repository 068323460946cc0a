import { Workflow } from "@refold/core"
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import { Metrics, TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Console, Effect, Layer, Metric } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp } from "effect/observability"

/** Sends spans, metrics and logs to a collector. Provide it to the whole program. */
export const Telemetry = Otlp.layerJson({
  baseUrl: "http://localhost:4318",
  resource: { serviceName: "approvals" }
}).pipe(Layer.provide(FetchHttpClient.layer))

const program = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  yield* runtime.startWorkflow({ workflow: Workflow.open("note"), tenant: "acme", executionId: "note-1" })
  const { count } = yield* Metric.value(Metrics.eventsAppended)
  yield* Console.log(`${count} event`)
})

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provide(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layerOpen()),
  Layer.provide(Layer.merge(MemoryStore.layer, MemoryWakeUpChannel.layer))
)

await Effect.runPromise(Effect.provide(program, Live))
