/** The workflow of the figures, its log, and the hand-written loop that folds it. */
import { type Commit, Workflow, type WorkflowEvent } from "@refold/core"
import { Array, Schema } from "effect"

const Booked = Schema.Struct({ cents: Schema.Int, account: Schema.String, note: Schema.String })
type Booked = typeof Booked.Type

const Balance = Schema.Struct({ cents: Schema.Int, bookingCount: Schema.Int, lastAccount: Schema.String })
export type Balance = typeof Balance.Type

/** The reducer; the references call it as well. */
export const book = (data: Balance, { account, cents }: Booked): Balance => ({
  cents: data.cents + cents,
  bookingCount: data.bookingCount + 1,
  lastAccount: account
})

export const Ledger = Workflow.make({
  name: "ledger",
  events: { Booked, Closed: Schema.Struct({}) },
  data: Balance,
  initial: { state: "Open", data: { cents: 0, bookingCount: 0, lastAccount: "" } },
  states: { Open: { Booked: "Open", Closed: "Closed" }, Closed: {} },
  final: ["Closed"],
  evolve: { Booked: book }
})

/** The payload of every submitted or queued event. */
export const booking: Booked = {
  cents: 7,
  account: "account-7",
  note: "a booking as it might be, with some words to it"
}

type Fact =
  | { readonly event_name: "workflow.started"; readonly payload: Balance }
  | { readonly event_name: "Booked"; readonly payload: Booked }

/** The fields of a row that a fold needs, from the store or from the client. */
export type Row = Fact & { readonly to_state: string; readonly position: number; readonly created_at: string | Date }

const factAt = (position: number): Fact =>
  position === 1
    ? { event_name: "workflow.started", payload: Ledger.initial.data }
    : {
        event_name: "Booked",
        payload: {
          cents: (position * 7919) % 1000,
          account: `account-${position % 97}`,
          note: "a booking as it might be, with some words to it"
        }
      }

/** The events at positions `from` to `to`; position 1 is the start. */
export const eventsAt = (from: number, to: number): Array.NonEmptyArray<Commit.ImportedEvent & Fact> =>
  Array.makeBy(to - from + 1, (place) => ({
    event_id: crypto.randomUUID(),
    ...factAt(from + place),
    event_type: "workflow",
    from_state: from + place === 1 ? "none" : "Open",
    to_state: "Open",
    user_id: `user-${place % 13}`,
    schema_version: 1,
    created_at: new Date(Date.UTC(2025, 0, 1) + (from + place) * 1000).toISOString(),
    metadata: {}
  }))

/** A log as a store would return it. */
export const log = (eventCount: number): Array.NonEmptyArray<WorkflowEvent & Row> =>
  Array.map(eventsAt(1, eventCount), (event, place) => ({
    ...event,
    tenant: "bench",
    execution_id: "ledger",
    position: place + 1,
    recorded_at: event.created_at,
    partition: 0,
    offset: place + 1
  }))

/** The hand-written fold: in place, with the same reducer, without checks. */
export const foldByHand = (rows: ReadonlyArray<Row>) => {
  let data: Balance = Ledger.initial.data
  let currentState = ""
  let position = 0
  let updatedAt: string | Date = ""
  for (const row of rows) {
    data = row.event_name === "Booked" ? book(data, row.payload) : row.payload
    currentState = row.to_state
    position = row.position
    updatedAt = row.created_at
  }
  return { data, currentState, position, startedAt: rows[0]?.created_at, updatedAt }
}
