/** The basket again and again, each time with one mistake planted. The compiler finds none of them. */
import { Upcast, Workflow } from "@refold/core"
import { type LawName, type Options, checkWorkflow } from "@refold/testing/laws"
import { Schema, SchemaTransformation } from "effect"
import { type Data, Basket, ItemAdded, ItemAddedV1, sound } from "./Basket.ts"

export interface Bug {
  readonly title: string
  /** The law that finds it, or what is said where no law can be checked. */
  readonly foundBy: LawName | "coverage" | "generation"
  readonly check: () => unknown
}

const oldPayloads = { ItemAdded: [ItemAddedV1] }

/** A basket whose `ItemAdded` is folded otherwise. */
const folding = (itemAdded: typeof sound.evolve.ItemAdded) =>
  Workflow.make({ ...sound, evolve: { ...sound.evolve, ItemAdded: itemAdded } })

/** A law by itself: the first one that runs, purity, would find the mistake before it. */
const only = (law: LawName) => ({ oldPayloads, laws: [law] }) satisfies Options<typeof sound.events>

/** Something beside the state that a handler remembers, from one replay to the next. */
let cachedCents = 0
const withMemory = folding((data, item) => {
  cachedCents += item.cents + 1
  return { ...data, cents: cachedCents }
})

/** A guard that throws a die. */
const isLucky = () => Math.random() > 0.005

/** The stored form of the data leaves the gifts out, and reads them as none. */
const Forgetful = Schema.Struct({ skus: Schema.Array(Schema.String), cents: Schema.Int }).pipe(
  Schema.decodeTo(
    Schema.Struct({ skus: Schema.Array(Schema.String), cents: Schema.Int, gifts: Schema.Int }),
    SchemaTransformation.transform({
      decode: (stored) => ({ ...stored, gifts: 0 }),
      encode: ({ cents, skus }) => ({ cents, skus })
    })
  )
)

/** Effect cannot know what values such a test lets pass. */
const Voucher = Schema.declare((value): value is "voucher" => value === "voucher")

export const bugs: ReadonlyArray<Bug> = [
  {
    title: "evolve changes what it is given",
    foundBy: "purity",
    check: () =>
      checkWorkflow(
        folding((data, item) =>
          Object.assign(data, { skus: [...data.skus, item.sku], cents: data.cents + item.cents })
        ),
        { oldPayloads }
      )
  },
  {
    title: "evolve reads the clock",
    foundBy: "purity",
    check: () =>
      checkWorkflow(
        folding((data, item) => ({ ...data, cents: new Date().getDay() === 5 ? item.cents : data.cents + item.cents })),
        { oldPayloads }
      )
  },
  {
    title: "a guard draws lots",
    foundBy: "purity",
    check: () => {
      const Open = { ...sound.states.Open, CheckedOut: { to: "CheckedOut", guard: isLucky } } as const
      return checkWorkflow(Workflow.make({ ...sound, states: { ...sound.states, Open } }), { oldPayloads })
    }
  },
  {
    title: "the stored data forgets a field",
    foundBy: "round-trip",
    check: () =>
      checkWorkflow(
        Workflow.make({
          ...sound,
          data: Forgetful,
          evolve: { ItemAdded: (data, item) => ({ ...data, gifts: data.gifts + (item.gift ? 1 : 0) }) }
        }),
        { oldPayloads }
      )
  },
  {
    title: "a guard throws on data that it did not expect",
    foundBy: "decisions",
    check: () => {
      const guard = ({ skus }: Data) => {
        if (skus.length > 2) throw new RangeError("too many items")
        return skus.length > 0
      }
      const Open = { ...sound.states.Open, CheckedOut: { to: "CheckedOut", guard } } as const
      return checkWorkflow(Workflow.make({ ...sound, states: { ...sound.states, Open } }), only("decisions"))
    }
  },
  {
    title: "an upcaster drops data",
    foundBy: "upcasts",
    check: () => {
      const dropping = Upcast.to(ItemAdded, [
        (old) => (Schema.is(ItemAddedV1)(old) ? { sku: old.sku, cents: old.euros * 100, gift: false } : null)
      ])
      return checkWorkflow(Workflow.make({ ...sound, events: { ...sound.events, ItemAdded: dropping } }), {
        oldPayloads
      })
    }
  },
  {
    title: "an upcaster yields what its schema refuses",
    foundBy: "upcasts",
    check: () => {
      const refused = Upcast.to(ItemAdded, [
        (old) => (Schema.is(ItemAddedV1)(old) ? { sku: old.sku, cents: old.euros / 100, gift: old.gift } : null)
      ])
      return checkWorkflow(Workflow.make({ ...sound, events: { ...sound.events, ItemAdded: refused } }), {
        oldPayloads
      })
    }
  },
  {
    title: "a handler remembers the last replay",
    foundBy: "fold",
    check: () => checkWorkflow(withMemory, only("fold"))
  },
  {
    title: "the same, by events that come twice",
    foundBy: "idempotence",
    check: () => checkWorkflow(withMemory, only("idempotence"))
  },
  {
    title: "the same, by questions about the past",
    foundBy: "temporal",
    check: () => checkWorkflow(withMemory, only("temporal"))
  },
  {
    title: "evolve counts on the order of keys",
    foundBy: "snapshots",
    check: () =>
      checkWorkflow(
        Workflow.make({
          name: "stock",
          events: { Counted: Schema.Struct({ shelf: Schema.Literals(["b", "a"]), count: Schema.Int }) },
          data: Schema.Struct({ counts: Schema.Record(Schema.String, Schema.Int), first: Schema.String }),
          initial: { state: "Open", data: { counts: {}, first: "" } },
          states: { Open: { Counted: "Open" } },
          evolve: {
            Counted: ({ counts }, { count, shelf }) => ({
              counts: { ...counts, [shelf]: count },
              first: Object.keys(counts)[0] ?? ""
            })
          }
        })
      )
  },
  {
    title: "a guard that is never true",
    foundBy: "coverage",
    check: () => {
      const guard = ({ skus }: Data) => skus.includes("a voucher of last year")
      const Open = { ...sound.states.Open, CheckedOut: { to: "CheckedOut", guard } } as const
      return checkWorkflow(Workflow.make({ ...sound, states: { ...sound.states, Open } }), { oldPayloads, numRuns: 20 })
    }
  },
  {
    title: "a schema that no value can be drawn of",
    foundBy: "generation",
    check: () =>
      checkWorkflow(Workflow.make({ ...sound, events: { ...sound.events, CheckedOut: Voucher } }), { oldPayloads })
  }
]

export const checkSound = () => checkWorkflow(Basket, { oldPayloads })
