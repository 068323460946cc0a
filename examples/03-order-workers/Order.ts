/** An order: it is paid, its items are packed one after another, it is shipped and delivered. */
import { Workflow } from "@refold/core"
import { Schema } from "effect"

export const itemCount = 6

/** An item is accepted in its turn alone: were two of them swapped, or one doubled, the order would refuse it. */
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

/** All that happens to one order, in the order in which it must be applied. */
export const submissions = [
  Workflow.submission(Order, { event_name: "Paid", payload: { cents: 4200 } }),
  ...Array.from({ length: itemCount }, (_, packedBefore) =>
    Workflow.submission(Order, { event_name: "ItemPacked", payload: { item: packedBefore + 1 } })
  ),
  Workflow.submission(Order, { event_name: "Shipped" }),
  Workflow.submission(Order, { event_name: "Delivered" })
]
