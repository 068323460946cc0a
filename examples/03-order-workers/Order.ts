/** An order: it is paid, packed item by item, shipped and delivered. */
import { Workflow } from "@refold/core"
import { Schema } from "effect"

export const itemCount = 6

/** The order accepts items in sequence only. It refuses an item that comes too early or twice. */
export const Order = Workflow.make({
  name: "order",
  events: {
    Paid: Schema.Struct({ cents: Schema.Int }),
    ItemPacked: Schema.Struct({ item: Schema.Int }),
    Shipped: Schema.Undefined,
    Delivered: Schema.Undefined
  },
  data: Schema.Struct({ cents: Schema.Int, packedCount: Schema.Int }),
  initial: { state: "Placed", data: { cents: 0, packedCount: 0 } },
  states: {
    Placed: { Paid: "Packing" },
    Packing: {
      ItemPacked: { to: "Packing", guard: ({ packedCount }, { item }) => item === packedCount + 1 },
      Shipped: { to: "UnderWay", guard: ({ packedCount }) => packedCount === itemCount }
    },
    UnderWay: { Delivered: "AtHome" },
    AtHome: {}
  },
  final: ["AtHome"],
  evolve: {
    Paid: (data, { cents }) => ({ ...data, cents }),
    ItemPacked: (data) => ({ ...data, packedCount: data.packedCount + 1 })
  }
})

/** All events of one order, in the sequence in which they must be applied. */
export const submissions = [
  Workflow.submission(Order, { event_name: "Paid", payload: { cents: 4200 } }),
  ...Array.from({ length: itemCount }, (_, packedBefore) =>
    Workflow.submission(Order, { event_name: "ItemPacked", payload: { item: packedBefore + 1 } })
  ),
  Workflow.submission(Order, { event_name: "Shipped" }),
  Workflow.submission(Order, { event_name: "Delivered" })
]
