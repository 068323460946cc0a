/** Code that the compiler must accept or refuse; `tsc -p test` fails if an expectation is wrong. */
import { Result, Schema } from "effect"
import {
  type Commit,
  Decision,
  ExecutionState,
  Replay,
  Snapshot,
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
export const registry: ReadonlyArray<Workflow.Workflow> = [Order, Workflow.open("log")]

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
