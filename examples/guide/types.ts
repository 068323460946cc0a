import { MemoryStore, MemoryWakeUpChannel } from "@refold/adapters/memory"
import { Workflow, WorkflowEventModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Console, Effect, Layer, Schema, Stream } from "effect"
import { Invoice } from "../01-invoice-approval/Invoice.ts"

/** Version 2 accepts one more event and reuses everything else. */
const InvoiceV2 = Workflow.make({
  ...Invoice.options,
  version: 2,
  events: { ...Invoice.options.events, Disputed: Schema.Struct({ reason: Schema.String }) },
  states: { ...Invoice.options.states, Approved: { ...Invoice.options.states.Approved, Disputed: "Submitted" } }
})

const invoice = { tenant: "acme", executionId: "invoice-1" }

const addLine = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  // The definition's initial data leaves out the customer, so a start without it does not compile.
  yield* runtime.startWorkflow({ workflow: InvoiceV2, ...invoice, data: { customer: "Globex" } })
  const submission = Workflow.submission(InvoiceV2, {
    event_name: "LineAdded",
    payload: { text: "Turbine", cents: 45_000 }
  })
  const { currentState, data } = yield* runtime.submitEvent({ ...invoice, submission })
  yield* Console.log(currentState, data.customer, data.cents)
})

const showLines = Effect.gen(function* () {
  const log = yield* WorkflowEventModel
  const events = yield* Stream.runCollect(log.read(invoice))
  for (const event of events) {
    const read = yield* Effect.fromResult(Workflow.decodeEvent(InvoiceV2, event))
    if (read.event_name === "LineAdded") yield* Console.log(read.payload.text, read.payload.cents)
  }
})

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provide(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layer(Invoice, InvoiceV2)),
  Layer.provideMerge(Layer.merge(MemoryStore.layer, MemoryWakeUpChannel.layer))
)

await Effect.runPromise(Effect.andThen(addLine, showLines).pipe(Effect.provide(Live)))
