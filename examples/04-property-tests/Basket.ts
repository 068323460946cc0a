/** A basket: items are added, it is checked out, and paid or abandoned. */
import { Upcast, Workflow } from "@refold/core"
import { Schema } from "effect"

/** The payload of `ItemAdded` in the first release, with a price in euros. */
export const ItemAddedV1 = Schema.Struct({
  sku: Schema.String,
  euros: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 })),
  gift: Schema.Boolean
})

export const ItemAdded = Schema.Struct({
  sku: Schema.String,
  cents: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)),
  gift: Schema.Boolean
})

export const events = {
  ItemAdded: Upcast.to(ItemAdded, [
    (old) => (Schema.is(ItemAddedV1)(old) ? { sku: old.sku, cents: old.euros * 100, gift: old.gift } : null)
  ]),
  CheckedOut: Schema.Undefined,
  Paid: Schema.Struct({ at: Schema.DateTimeUtcFromString }),
  Abandoned: Schema.Undefined
}

export const Data = Schema.Struct({
  skus: Schema.Array(Schema.String),
  cents: Schema.Int,
  gifts: Schema.Int,
  paidAt: Schema.optionalKey(Schema.DateTimeUtcFromString)
})
export type Data = typeof Data.Type

export const sound = {
  name: "basket",
  events,
  data: Data,
  initial: { state: "Open", data: { skus: [], cents: 0, gifts: 0 } },
  states: {
    Open: {
      ItemAdded: "Open",
      CheckedOut: { to: "CheckedOut", guard: ({ skus }: Data) => skus.length > 0 },
      Abandoned: "Abandoned"
    },
    CheckedOut: { Paid: "Paid", Abandoned: "Abandoned" },
    Paid: {},
    Abandoned: {}
  },
  final: ["Paid", "Abandoned"],
  evolve: {
    ItemAdded: (data: Data, item: typeof ItemAdded.Type): Data => ({
      ...data,
      skus: [...data.skus, item.sku],
      cents: data.cents + item.cents,
      gifts: data.gifts + (item.gift ? 1 : 0)
    }),
    Paid: (data: Data, { at }: { readonly at: NonNullable<Data["paidAt"]> }): Data => ({ ...data, paidAt: at })
  }
} as const

export const Basket = Workflow.make(sound)
