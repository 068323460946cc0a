/** Definitions shared by the tests of the runtime: one typed workflow in two versions. */
import { Schema } from "effect"
import { Workflow } from "@refold/core"

const Added = Schema.Struct({ sku: Schema.String, cents: Schema.Int })

export const Order = Workflow.make({
  name: "order",
  events: { Added, Placed: Schema.Struct({}), Approved: Schema.Struct({ by: Schema.String }), Cancelled: Schema.Json },
  data: Schema.Struct({ cents: Schema.Int, skus: Schema.Array(Schema.String) }),
  initial: { state: "Draft", data: { cents: 0, skus: [] } },
  states: {
    Draft: { Added: "Draft", Placed: { to: "Review", guard: (data) => data.cents > 0 }, Cancelled: "Dropped" },
    Review: { Approved: "Done", Cancelled: "Dropped" },
    Done: {},
    Dropped: {}
  },
  final: ["Done", "Dropped"],
  evolve: { Added: (data, { cents, sku }) => ({ cents: data.cents + cents, skus: [...data.skus, sku] }) }
})

/** The same name and version with another fold, as after a deploy of a changed `evolve`. */
export const OrderDoubled = Workflow.make({
  name: "order",
  events: { Added },
  data: Schema.Struct({ cents: Schema.Int, skus: Schema.Array(Schema.String) }),
  initial: { state: "Draft", data: { cents: 0, skus: [] } },
  states: { Draft: { Added: "Draft" } },
  evolve: { Added: (data, { cents, sku }) => ({ cents: data.cents + 2 * cents, skus: [...data.skus, sku] }) }
})

/** Version 2 has other transitions. */
export const OrderTwo = Workflow.make({
  name: "order",
  version: 2,
  events: { Added },
  data: Schema.Struct({ total: Schema.Int }),
  initial: { state: "Open", data: { total: 0 } },
  states: { Open: { Added: "Open" } },
  evolve: { Added: (data, { cents }) => ({ total: data.total + cents }) }
})

export const add = (cents: number, sku = "pen") =>
  Workflow.submission(Order, { event_name: "Added", payload: { cents, sku } })
