import { NodeRuntime } from "@effect/platform-node"
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import { Workflow } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Console, Effect, Layer, Schema } from "effect"

const Loan = Workflow.make({
  name: "loan",
  events: { Renewed: Schema.Struct({ days: Schema.Int }), Returned: Schema.Undefined },
  data: Schema.Struct({ days: Schema.Int }),
  initial: { state: "Lent", data: { days: 14 } },
  states: {
    Lent: {
      Renewed: { to: "Lent", guard: (data, { days }) => data.days + days <= 60 || "a loan has at most 60 days" },
      Returned: "Returned"
    },
    Returned: {}
  },
  final: ["Returned"],
  evolve: { Renewed: (data, { days }) => ({ days: data.days + days }) }
})

const program = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  const loan = { tenant: "library", executionId: "loan-1" }
  yield* runtime.startWorkflow({ workflow: Loan, ...loan })
  const renewal = Workflow.submission(Loan, { event_name: "Renewed", payload: { days: 28 } })
  const renewed = yield* runtime.submitEvent({ ...loan, submission: renewal, idempotencyKey: "renewal-1" })
  const again = yield* runtime.submitEvent({ ...loan, submission: renewal, idempotencyKey: "renewal-1" })
  yield* Console.log(renewed.currentState, renewed.data, `position ${renewed.position}, then ${again.position}`)
  yield* Effect.catchTag(runtime.submitEvent({ ...loan, submission: renewal }), "TransitionRejected", (rejection) =>
    Console.log(rejection.message)
  )
  const { executionState } = yield* (yield* WorkflowEventSourcing).replayEvents("loan-1", "library", { replayTo: 1 })
  yield* Console.log(executionState.currentState, executionState.data, "at position 1")
})

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layer(Loan)),
  Layer.provide(MemoryStore.layer),
  Layer.provide(MemoryWakeUpChannel.layer)
)

NodeRuntime.runMain(Effect.provide(program, Live))
