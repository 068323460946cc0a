/** The definition that the tests of core share, and events for its log. */
import { Schema } from "effect"
import { Upcast, Workflow, type WorkflowEvent } from "@refold/core"

const Added = Schema.Struct({ cents: Schema.Int, note: Schema.optionalKey(Schema.String) })

export const Invoice = Workflow.make({
  name: "invoice",
  events: {
    Added: Upcast.to(Added, [
      (old) => ({ cents: Schema.is(Schema.Struct({ euros: Schema.Finite }))(old) ? old.euros * 100 : 0 })
    ]),
    Paid: Schema.Struct({ at: Schema.DateTimeUtcFromString }),
    Cancelled: Schema.Struct({})
  },
  data: Schema.Struct({ cents: Schema.Int, paidAt: Schema.optionalKey(Schema.DateTimeUtcFromString) }),
  initial: { state: "Draft", data: { cents: 0 } },
  states: {
    Draft: {
      Added: "Draft",
      Paid: [
        { to: "Audited", guard: (data) => data.cents >= 1_000_000 },
        { to: "Paid", guard: (data) => data.cents > 0 }
      ],
      Cancelled: "Cancelled"
    },
    Audited: { Paid: "Paid" },
    Paid: {},
    Cancelled: {}
  },
  final: ["Paid", "Cancelled"],
  evolve: {
    Added: (data, { cents }) => ({ ...data, cents: data.cents + cents }),
    Paid: (data, { at }) => ({ ...data, paidAt: at })
  }
})

const instantAt = (position: number) => new Date(Date.UTC(2025, 2, 1, 12, 0, position)).toISOString()

/** An event as the store could return it at the position, one second after the event before. */
export const eventAt = (position: number, fields: Partial<WorkflowEvent> = {}): WorkflowEvent => ({
  event_id: `event-${position}`,
  tenant: "acme",
  execution_id: "invoice-1",
  position,
  event_name: "Added",
  event_type: "workflow",
  from_state: "Draft",
  to_state: "Draft",
  payload: { cents: 5 },
  schema_version: 2,
  created_at: instantAt(position),
  recorded_at: instantAt(position),
  partition: 0,
  offset: position,
  metadata: {},
  ...fields
})

export const startedEvent: WorkflowEvent = eventAt(1, {
  event_name: "workflow.started",
  from_state: "none",
  payload: { cents: 0 },
  schema_version: 1
})

/** The start and then `count` events of 5 cents. */
export const addedLog = (count: number): ReadonlyArray<WorkflowEvent> => [
  startedEvent,
  ...Array.from({ length: count }, (_, place) => eventAt(place + 2))
]
