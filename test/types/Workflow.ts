/** Code that the compiler must accept or refuse; `tsc -p test` fails if an expectation is wrong. */
import { Result, Schema } from "effect"
import {
  type Commit,
  Decision,
  ExecutionState,
  Replay,
  Snapshot,
  type Submission,
  Upcast,
  Workflow,
  type WorkflowEvent,
  withoutUndefined
} from "@refold/core"
import { checkWorkflow } from "@refold/testing/laws"
import fc from "fast-check"

const Order = Workflow.make({
  name: "order",
  events: {
    Placed: Schema.Struct({ cents: Schema.Int, note: Schema.optionalKey(Schema.String) }),
    Shipped: Upcast.to(Schema.Struct({ at: Schema.DateTimeUtcFromString }), [
      () => ({ at: "1970-01-01T00:00:00.000Z" })
    ])
  },
  data: Schema.Struct({ cents: Schema.Int }),
  initial: { state: "New", data: { cents: 0 } },
  states: {
    New: { Placed: "Placed" },
    Placed: {
      Shipped: [{ to: "Shipped", guard: (data, payload) => data.cents > 0 && payload.at.epochMilliseconds > 0 }]
    },
    Shipped: {}
  },
  final: ["Shipped"],
  evolve: { Placed: (data, payload) => ({ cents: data.cents + payload.cents }) }
})

// Submissions: valid ones.
Workflow.submission(Order, { event_name: "Placed", payload: { cents: 1 } })
Workflow.submission(Order, {
  event_name: "Placed",
  payload: { cents: 1, note: "n" },
  to_state: "Placed",
  user_id: "ann"
})
Workflow.submission(Order, { event_name: "Shipped", payload: { at: "2025-03-01T12:00:00.000Z" } })

// An event may have no payload, or one that can be absent.
const Bell = Workflow.make({
  name: "bell",
  events: { Rung: Schema.Undefined, Noted: Schema.UndefinedOr(Schema.String) },
  data: Schema.Struct({}),
  initial: { state: "Open", data: {} },
  states: { Open: { Rung: "Open", Noted: "Open" } }
})
Workflow.submission(Bell, { event_name: "Rung" })
Workflow.submission(Bell, { event_name: "Noted" })
Workflow.submission(Bell, { event_name: "Noted", payload: "n" })
// @ts-expect-error Rung has no payload
Workflow.submission(Bell, { event_name: "Rung", payload: "n" })

// Submissions: invalid ones.
// @ts-expect-error no event of this name
Workflow.submission(Order, { event_name: "Payed", payload: { cents: 1 } })
// @ts-expect-error no state of this name
Workflow.submission(Order, { event_name: "Placed", payload: { cents: 1 }, to_state: "Nowhere" })
// @ts-expect-error cents is a number
Workflow.submission(Order, { event_name: "Placed", payload: { cents: "1" } })
// @ts-expect-error the payload of another event
Workflow.submission(Order, { event_name: "Shipped", payload: { cents: 1 } })
// @ts-expect-error Placed has a payload
Workflow.submission(Order, { event_name: "Placed" })
// @ts-expect-error payloads travel as JSON: an instant is text
Workflow.submission(Order, { event_name: "Shipped", payload: { at: new Date() } })
// @ts-expect-error a key that no submission has
Workflow.submission(Order, { event_name: "Placed", payload: { cents: 1 }, user: "ann" })

// A mistake is reported for the event that is named. The type of the name is no part of it.
const shipping = { event_name: "Shipped", payload: { cents: 1 } } as const
// @ts-expect-error the payload of another event
Workflow.submission(Order, shipping)
declare const either: Workflow.SubmissionOf<typeof Order>
Workflow.submission(Order, either)
export const placing: Workflow.SubmissionOf<typeof Order, "Placed"> = { event_name: "Placed", payload: { cents: 1 } }
// @ts-expect-error another event than the one named
export const otherwise: Workflow.SubmissionOf<typeof Order, "Placed"> = { event_name: "Shipped", payload: { at: "" } }

// A typed submission remembers its definition; plain data is a submission too.
type MadeFor<S> = S extends Workflow.TypedSubmission<infer W> ? W : never
export const made: Equal<MadeFor<ReturnType<typeof Workflow.submission<typeof Order, "Placed">>>, typeof Order> = true
declare const plain: Submission
export const untyped: Workflow.TypedSubmission<typeof Order> = plain

// The types that a definition carries.
type Equal<A, B> = [A, B] extends [B, A] ? true : false
export const stateNames: Equal<Workflow.StateOf<typeof Order>, "New" | "Placed" | "Shipped"> = true
export const eventNames: Equal<Workflow.EventNameOf<typeof Order>, "Placed" | "Shipped"> = true
export const orderData: Equal<Workflow.DataOf<typeof Order>, { readonly cents: number }> = true
export const anyState: Equal<Workflow.StateOf<Workflow.Workflow>, string> = true
export const anyData: Equal<Workflow.DataOf<Workflow.Workflow>, unknown> = true
const Log = Workflow.open("log")
export const logData: Equal<Workflow.DataOf<typeof Log>, Workflow.OpenData> = true

// Events are told apart by their names, with payloads as handlers see them.
export const amountOf = (event: Workflow.EventOf<typeof Order>): number => {
  // @ts-expect-error not yet known which event it is
  if (event.payload.cents === 0) return 0
  switch (event.event_name) {
    case "workflow.started":
      return event.payload.cents
    case "Placed":
      // @ts-expect-error no such field in the payload
      return event.payload.cents + event.payload.amount
    case "Shipped":
      // @ts-expect-error the instant is decoded: it is no text
      return event.payload.at.length + event.payload.at.epochMilliseconds
    // @ts-expect-error no event of this name
    case "Payed":
      return 0
  }
}
export const noteOf = (event: Workflow.EventOf<typeof Bell>): string | undefined =>
  // @ts-expect-error Rung has no payload
  event.event_name === "Rung" ? event.payload.length : event.event_name === "Noted" ? event.payload : undefined
export const anyEvent: Equal<Workflow.EventOf<typeof Log>, WorkflowEvent> = true
export const decoded = (event: WorkflowEvent): number =>
  Result.match(Workflow.decodeEvent(Order, event), { onFailure: () => 0, onSuccess: amountOf })

// Data that a start must bring: what the initial data leaves out, as JSON.
const LoanData = Schema.Struct({
  customer: Schema.String,
  due: Schema.DateTimeUtcFromString,
  paid: Schema.Int,
  status: Schema.Literals(["running", "late"]),
  tags: Schema.mutable(Schema.Array(Schema.String)),
  note: Schema.optionalKey(Schema.String)
})
const Loan = Workflow.make({
  name: "loan",
  events: { Paid: Schema.Struct({ cents: Schema.Int }) },
  data: LoanData,
  initial: { state: "Open", data: { paid: 0, status: "running", tags: ["new"] } },
  states: { Open: { Paid: { to: "Closed", guard: (data, { cents }) => data.paid + cents > 0 } }, Closed: {} },
  final: ["Closed"],
  evolve: { Paid: (data, { cents }) => ({ ...data, paid: data.paid + cents }) }
})
export const loanStart: Equal<
  Workflow.StartDataOf<typeof Loan>,
  {
    readonly customer: string
    readonly due: string
    readonly paid?: number
    readonly status?: "running" | "late"
    readonly tags?: Array<string>
    readonly note?: string
  }
> = true
export const orderStart: Equal<Workflow.StartDataOf<typeof Order>, { readonly cents?: number }> = true
export const logStart: Equal<Workflow.StartDataOf<typeof Log>, Schema.JsonObject> = true
export const anyStart: Equal<Workflow.StartDataOf<Workflow.Workflow>, Schema.JsonObject> = true
export const given: { readonly paid: number; readonly status: "running" | "late" } = Loan.initial.data

// Initial data may be a part of one object; a list, or one of several shapes, is whole.
const part = { name: "part", events: {}, states: { Open: {} } } as const
const Pair = Schema.Struct({ a: Schema.Int, b: Schema.Int })
Workflow.make({ ...part, data: Pair, initial: { state: "Open", data: {} } })
// @ts-expect-error a field that the data does not have
Workflow.make({ ...part, data: Pair, initial: { state: "Open", data: { a: 1, c: 1 } } })
// @ts-expect-error a field of another type
Workflow.make({ ...part, data: Pair, initial: { state: "Open", data: { a: "1" } } })
declare const perhaps: { readonly a?: number }
// @ts-expect-error a field that may be absent is neither given nor left out
Workflow.make({ ...part, data: Pair, initial: { state: "Open", data: perhaps } })
const Tally = Workflow.make({ ...part, data: Schema.Array(Schema.Int), initial: { state: "Open", data: [1] } })
export const tallyStart: Workflow.StartDataOf<typeof Tally> = {}
// @ts-expect-error a list is not merged with anything
export const tallyField: Workflow.StartDataOf<typeof Tally> = { length: 1 }
const Shapes = Schema.Union([Schema.TaggedStruct("A", { x: Schema.Int }), Schema.TaggedStruct("B", { y: Schema.Int })])
Workflow.make({ ...part, data: Shapes, initial: { state: "Open", data: { _tag: "A", x: 1 } } })
// @ts-expect-error a part of one of several shapes
Workflow.make({ ...part, data: Shapes, initial: { state: "Open", data: { _tag: "A" } } })

// The next version reuses what it does not change.
const LoanV2 = Workflow.make({
  ...Loan.options,
  version: 2,
  events: { ...Loan.options.events, Extended: Schema.Struct({ until: Schema.DateTimeUtcFromString }) },
  states: {
    ...Loan.options.states,
    Open: { ...Loan.options.states.Open, Extended: "Extended" },
    Extended: { Paid: { to: "Closed", guard: (data) => data.due.epochMilliseconds > 0 } }
  },
  evolve: { ...Loan.options.evolve, Extended: (data, { until }) => ({ ...data, due: until }) }
})
export const stillStart: Equal<Workflow.StartDataOf<typeof LoanV2>, Workflow.StartDataOf<typeof Loan>> = true
export const moreStates: Equal<Workflow.StateOf<typeof LoanV2>, "Open" | "Closed" | "Extended"> = true
Workflow.submission(LoanV2, { event_name: "Extended", payload: { until: "2025-03-01T12:00:00.000Z" } })
// @ts-expect-error Closed is a target of the table that is reused
Workflow.make({ ...Loan.options, states: { Open: Loan.options.states.Open } })
// @ts-expect-error the handler and the guard that are reused want another payload
Workflow.make({ ...Loan.options, events: { Paid: Schema.Struct({ euros: Schema.Int }) } })
// @ts-expect-error the handler that is reused does not give the new field
Workflow.make({ ...Loan.options, data: Schema.Struct({ ...LoanData.fields, rate: Schema.Int }) })
Workflow.make({
  ...Loan.options,
  data: Schema.Struct({ ...LoanData.fields, rate: Schema.Int }),
  evolve: { Paid: (data, { cents }) => ({ ...data, paid: data.paid + cents }) }
})

// Definitions: invalid ones, each with one mistake.
const base = {
  name: "base",
  events: { Done: Schema.Struct({ by: Schema.String }) },
  data: Schema.Struct({ count: Schema.Int })
} as const
const initial = { state: "Open", data: { count: 0 } } as const
const states = { Open: { Done: "Closed" }, Closed: {} } as const
Workflow.make({ ...base, initial, states })
// @ts-expect-error no state to go to
Workflow.make({ ...base, initial, states: { Open: { Done: "Nowhere" }, Closed: {} } })
// @ts-expect-error no state to go to, under a guard
Workflow.make({ ...base, initial, states: { Open: { Done: { to: "Nowhere", guard: () => true } }, Closed: {} } })
// @ts-expect-error no state to go to, one of several
Workflow.make({ ...base, initial, states: { Open: { Done: ["Closed", "Nowhere"] }, Closed: {} } })
// @ts-expect-error no state to begin in
Workflow.make({ ...base, initial: { state: "Nowhere", data: { count: 0 } }, states })
// @ts-expect-error first data of another shape
Workflow.make({ ...base, initial: { state: "Open", data: { total: 0 } }, states })
// @ts-expect-error no state to end in
Workflow.make({ ...base, initial, states, final: ["Nowhere"] })
// @ts-expect-error no event to accept
Workflow.make({ ...base, initial, states: { Open: { Gone: "Closed" }, Closed: {} } })
// @ts-expect-error no event to fold
Workflow.make({ ...base, initial, states, evolve: { Gone: (data: { readonly count: number }) => data } })
// @ts-expect-error evolve yields data of another shape
Workflow.make({ ...base, initial, states, evolve: { Done: () => ({ count: "1" }) } })
Workflow.make({
  ...base,
  initial,
  states,
  // @ts-expect-error the payload has no such field
  evolve: { Done: (data, payload) => ({ count: data.count + payload.amount }) }
})
Workflow.make({
  ...base,
  initial,
  // @ts-expect-error the data has no such field
  states: { Open: { Done: { to: "Closed", guard: (data) => data.total > 0 } }, Closed: {} }
})
Workflow.make({
  ...base,
  initial,
  states: { Open: { Done: { to: "Closed", guard: (data) => data.count > 0 || "the count is 0" } }, Closed: {} }
})
// @ts-expect-error a guard answers with true, false or a text
Workflow.make({ ...base, initial, states: { Open: { Done: { to: "Closed", guard: () => 1 } }, Closed: {} } })
// @ts-expect-error a guard answers at once
Workflow.make({ ...base, initial, states: { Open: { Done: { to: "Closed", guard: async () => true } }, Closed: {} } })
// @ts-expect-error a Date is not JSON: use DateTimeUtcFromString
Workflow.make({ ...base, initial, states, events: { Done: Schema.Struct({ at: Schema.Date }) } })
Workflow.make({
  ...base,
  initial: { state: "Open", data: { count: 0n } },
  states,
  // @ts-expect-error a bigint is not JSON: use BigIntFromString
  data: Schema.Struct({ count: Schema.BigInt })
})

// States: narrowed to a definition's.
export const centsOf = (state: ExecutionState.ExecutionState): number | undefined => {
  // @ts-expect-error not yet known what it holds
  if (state.data.cents === 0) return 0
  if (!ExecutionState.is(Order, state)) return undefined
  const current: "New" | "Placed" | "Shipped" = state.currentState
  // @ts-expect-error no state of this name
  if (state.currentState === "Nowhere") return 0
  return current === "New" ? 0 : state.data.cents
}

// Replay and snapshots keep the type of the data.
export const replayed = (events: ReadonlyArray<WorkflowEvent>): number => {
  const state = Result.getOrThrow(Replay.fold(Order, undefined, events))
  // @ts-expect-error no such field in the data
  if (state?.data.total === 1) return 1
  return state?.data.cents ?? 0
}
export const restored = (snapshot: Snapshot.Snapshot): number =>
  Result.match(Snapshot.restore(Order, snapshot), { onFailure: () => 0, onSuccess: ({ data }) => data.cents })

// A registry holds definitions of different data.
export const registry: ReadonlyArray<Workflow.Workflow> = [Order, Loan, Workflow.open("log")]

// A state is decided on by its own definition only.
export const decideOther = (state: ExecutionState.ExecutionState<{ readonly other: boolean }>) =>
  // @ts-expect-error a state of another definition's data
  Decision.decide(Order, state, { event_name: "Placed" })

// Commits: either the store stamps every event, or every event brings its own instant.
declare const stamped: Commit.NewEvent
declare const imported: Commit.ImportedEvent
declare const commit: Commit.Commit
export const alike: ReadonlyArray<Commit.Commit> = [
  { ...commit, events: [stamped, stamped] },
  { ...commit, events: [imported, imported] }
]
// @ts-expect-error the two do not mix
export const mixed: Commit.Commit = { ...commit, events: [stamped, imported] }

// Fields that may be undefined become optional; the others stay required.
declare const optional: { readonly name: string; readonly user?: string; readonly note: string | undefined }
export const present: { readonly name: string; readonly user?: string; readonly note?: string } =
  withoutUndefined(optional)
// @ts-expect-error the note may be absent
export const absent: { readonly note: string } = withoutUndefined(optional)
// @ts-expect-error the name is text
export const misread: { readonly name: number } = withoutUndefined(optional)

// Laws: generators must match the definition's events and payloads.
checkWorkflow(Order, {
  payloads: { Placed: fc.record({ cents: fc.integer() }) },
  oldPayloads: { Shipped: [fc.constant({})] }
})
// @ts-expect-error cents is a number
checkWorkflow(Order, { payloads: { Placed: fc.record({ cents: fc.string() }) } })
// @ts-expect-error no event of this name
checkWorkflow(Order, { payloads: { Payed: fc.constant({}) } })
// A schema generates its own values.
checkWorkflow(Order, { payloads: { Placed: Schema.Struct({ cents: Schema.Literal(5) }) } })
// @ts-expect-error its payloads are no payloads of the event
checkWorkflow(Order, { payloads: { Placed: Schema.Struct({ cents: Schema.String }) } })
