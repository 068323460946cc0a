import { Upcast, Workflow } from "@refold/core"
import { Schema } from "effect"

const PaidInEuros = Schema.Struct({ euros: Schema.Finite })

export const Fine = Workflow.make({
  name: "fine",
  events: {
    // Version 1 of the payload had euros; the current version, 2, has cents.
    Paid: Upcast.to(Schema.Struct({ cents: Schema.Int }), [
      (old) => (Schema.is(PaidInEuros)(old) ? { cents: Math.round(old.euros * 100) } : (old ?? null))
    ])
  },
  data: Schema.Struct({ paidCents: Schema.Int }),
  initial: { state: "Open", data: { paidCents: 0 } },
  states: { Open: { Paid: "Open" } },
  evolve: { Paid: (data, { cents }) => ({ paidCents: data.paidCents + cents }) }
})
