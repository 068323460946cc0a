/** What the compiler accepts and refuses of the runtime's calls; `tsc -p test` fails when an expectation does not hold. */
import { type ExecutionState, type Submission, Workflow } from "@refold/core"
import type { StartData, StateFor, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Effect, Schema } from "effect"

const Loan = Workflow.make({
  name: "loan",
  events: { Paid: Schema.Struct({ cents: Schema.Int }), Closed: Schema.Undefined },
  data: Schema.Struct({ customer: Schema.String, due: Schema.DateTimeUtcFromString, paid: Schema.Int }),
  initial: { state: "Open", data: { paid: 0 } },
  states: { Open: { Paid: "Open", Closed: "Closed" }, Closed: {} },
  final: ["Closed"],
  evolve: { Paid: (data, { cents }) => ({ ...data, paid: data.paid + cents }) }
})
/** Its initial data is complete. */
const Tally = Workflow.make({
  name: "tally",
  events: {},
  data: Schema.Struct({ count: Schema.Int }),
  initial: { state: "Open", data: { count: 0 } },
  states: { Open: {} }
})

declare const runtime: TypeScriptWorkflowRuntime["Service"]
declare const anyWorkflow: Workflow.Workflow
const at = { tenant: "acme", executionId: "loan-1" }
const due = "2025-03-01T12:00:00.000Z"

// A start brings the fields that the definition leaves out, as JSON.
runtime.startWorkflow({ ...at, workflow: Loan, data: { customer: "ann", due } })
runtime.startWorkflow({ ...at, workflow: Loan, data: { customer: "ann", due, paid: 5 } })
// @ts-expect-error no data
runtime.startWorkflow({ ...at, workflow: Loan })
// @ts-expect-error no data
runtime.startWorkflow({ ...at, workflow: Loan, data: undefined })
// @ts-expect-error a field is missing
runtime.startWorkflow({ ...at, workflow: Loan, data: { customer: "ann" } })
// @ts-expect-error an instant is text in JSON
runtime.startWorkflow({ ...at, workflow: Loan, data: { customer: "ann", due: new Date(0) } })
// @ts-expect-error a field that the data does not have
runtime.startWorkflow({ ...at, workflow: Loan, data: { customer: "ann", due, rate: 1 } })
runtime.startWorkflow({ ...at, workflow: Tally })
runtime.startWorkflow({ ...at, workflow: Tally, data: { count: 5 } })
// @ts-expect-error a field of another type
runtime.startWorkflow({ ...at, workflow: Tally, data: { count: "5" } })
runtime.startWorkflow({ ...at, workflow: Workflow.open("log"), data: { anything: [1] } })
runtime.startWorkflow({ ...at, workflow: { name: "loan" }, data: { anything: [1] } })
runtime.startWorkflow({ ...at, workflow: { name: "loan", version: 1 } })
runtime.startWorkflow({ ...at, workflow: anyWorkflow, data: { anything: [1] } })
export const starting = (data: StartData<typeof Loan>) => runtime.startWorkflow({ ...at, workflow: Loan, data })

// The state has the types of the definition that was started, or that the submission was made for.
const paying = Workflow.submission(Loan, { event_name: "Paid", payload: { cents: 1 } })
declare const plain: Submission
export const typed = Effect.gen(function* () {
  const started = yield* runtime.startWorkflow({ ...at, workflow: Loan, data: { customer: "ann", due } })
  const submitted: StateFor<typeof Loan> = yield* runtime.submitEvent({ ...at, submission: paying })
  const current: "Open" | "Closed" = submitted.currentState
  // @ts-expect-error no state of this name
  if (started.currentState === "Nowhere") return current
  // @ts-expect-error no such field in the data
  if (submitted.data.rate === 1) return current
  return started.data.due.epochMilliseconds + submitted.data.paid
})
export const untyped = Effect.gen(function* () {
  const states: ReadonlyArray<ExecutionState.ExecutionState> = [
    yield* runtime.startWorkflow({ ...at, workflow: { name: "loan" } }),
    yield* runtime.submitEvent({ ...at, submission: plain }),
    yield* runtime.submitEvent({ ...at, submission: { event_name: "Paid", payload: { cents: 1 } } })
  ]
  const state = yield* runtime.submitEvent({ ...at, submission: plain })
  // @ts-expect-error not known what it holds
  return [states, state.data.paid]
})
export const opened = Effect.gen(function* () {
  const log = yield* runtime.startWorkflow({ ...at, workflow: Workflow.open("log") })
  return log.data["anything"]
})

// Queued events take the same submissions.
runtime.enqueueEvent({ ...at, submission: paying })
runtime.enqueueEvents([
  { ...at, submission: paying },
  { ...at, submission: plain }
])
