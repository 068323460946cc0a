/** A definition with older versions: two workflow versions, an event whose payload changed twice, data beyond plain JSON. */
import { Upcast, Workflow } from "@refold/core"
import { Schema, Struct } from "effect"

const inEuros = Schema.is(Schema.Struct({ euros: Schema.Finite }))
const inCents = Schema.is(Schema.Struct({ cents: Schema.Int }))

const events = {
  // Version 1 had euros, version 2 cents, version 3 has a price with its currency.
  Paid: Upcast.to(Schema.Struct({ price: Schema.Struct({ cents: Schema.Int, currency: Schema.String }) }), [
    (old) => ({ cents: inEuros(old) ? Math.round(old.euros * 100) : 0 }),
    (old) => ({ price: { cents: inCents(old) ? old.cents : 0, currency: "EUR" } })
  ]),
  Paused: Schema.Struct({ until: Schema.DateTimeUtcFromString }),
  Resumed: Schema.Undefined,
  Ended: Schema.Struct({ reason: Schema.Literals(["moved", "unhappy", "other"]) })
}

const data = Schema.Struct({
  plan: Schema.String,
  paidCents: Schema.Int,
  pausedUntil: Schema.optionalKey(Schema.DateTimeUtcFromString)
})

export const Subscription = Workflow.make({
  name: "subscription",
  events,
  data,
  initial: { state: "Active", data: { plan: "basic", paidCents: 0 } },
  states: {
    Active: { Paid: "Active", Paused: "Paused", Ended: "Ended" },
    Paused: { Resumed: "Active", Ended: "Ended" },
    Ended: {}
  },
  final: ["Ended"],
  evolve: {
    Paid: (data, { price }) => ({ ...data, paidCents: data.paidCents + price.cents }),
    Paused: (data, { until }) => ({ ...data, pausedUntil: until }),
    Resumed: (data) => Struct.omit(data, ["pausedUntil"])
  }
})

/** Starts with a trial that ends at the first payment; there is no pause any more. */
export const SubscriptionTwo = Workflow.make({
  name: "subscription",
  version: 2,
  events: { Paid: events.Paid, Ended: events.Ended },
  data,
  initial: { state: "Trial", data: { plan: "basic", paidCents: 0 } },
  states: {
    Trial: { Paid: { to: "Active", guard: (_data, { price }) => price.cents >= 500 }, Ended: "Ended" },
    Active: { Paid: "Active", Ended: "Ended" },
    Ended: {}
  },
  final: ["Ended"],
  evolve: { Paid: (data, { price }) => ({ ...data, paidCents: data.paidCents + price.cents }) }
})
