/** Variants of the basket, each with one planted mistake. The compiler finds none of them. */
import { Upcast, Workflow } from "@refold/core"
import { type LawName, type Options, checkWorkflow } from "@refold/testing/laws"
import { Schema, SchemaTransformation } from "effect"
import { type Data, Basket, ItemAdded, ItemAddedV1, sound } from "./Basket.ts"

export interface Bug {
  readonly title: string
  /** The law that finds the mistake. For two mistakes it is not a law but the coverage or the generation of payloads. */
  readonly foundBy: LawName | "coverage" | "generation"
  readonly check: () => unknown
}

const oldPayloads = { ItemAdded: [ItemAddedV1] }

/** The basket with another handler for `ItemAdded`. */
const folding = (itemAdded: typeof sound.evolve.ItemAdded) =>
  Workflow.make({ ...sound, evolve: { ...sound.evolve, ItemAdded: itemAdded } })

/** Checks one law only; otherwise purity, which runs first, would find the mistake. */
const only = (law: LawName) => ({ oldPayloads, laws: [law] }) satisfies Options<typeof sound.events>

/** State outside the fold, which a handler keeps between replays. */
let cachedCents = 0
const withMemory = folding((data, item) => {
  cachedCents += item.cents + 1
  return { ...data, cents: cachedCents }
})

/** A guard that uses randomness. */
const isLucky = () => Math.random() > 0.005

/** The stored form of the data omits `gifts`, and decoding sets it to 0. */
const Forgetful = Schema.Struct({ skus: Schema.Array(Schema.String), cents: Schema.Int }).pipe(
  Schema.decodeTo(
    Schema.Struct({ skus: Schema.Array(Schema.String), cents: Schema.Int, gifts: Schema.Int }),
    SchemaTransformation.transform({
      decode: (stored) => ({ ...stored, gifts: 0 }),
      encode: ({ cents, skus }) => ({ cents, skus })
    })
  )
)

/** Effect cannot generate values of a schema with a custom test. */
const Voucher = Schema.declare((value): value is "voucher" => value === "voucher")

export const bugs: ReadonlyArray<Bug> = [
  {
    title: "evolve mutates its argument",
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
    title: "a guard uses randomness",
    foundBy: "purity",
    check: () => {
      const Open = { ...sound.states.Open, CheckedOut: { to: "CheckedOut", guard: isLucky } } as const
      return checkWorkflow(Workflow.make({ ...sound, states: { ...sound.states, Open } }), { oldPayloads })
    }
  },
  {
    title: "the stored data loses a field",
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
    title: "a guard throws on unexpected data",
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
    title: "an upcaster returns a payload that the schema refuses",
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
    title: "a handler keeps state between replays",
    foundBy: "fold",
    check: () => checkWorkflow(withMemory, only("fold"))
  },
  {
    title: "the same mistake, found by redelivered events",
    foundBy: "idempotence",
    check: () => checkWorkflow(withMemory, only("idempotence"))
  },
  {
    title: "the same mistake, found by temporal queries",
    foundBy: "temporal",
    check: () => checkWorkflow(withMemory, only("temporal"))
  },
  {
    title: "evolve depends on the order of keys",
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
    title: "a schema that Effect cannot generate values of",
    foundBy: "generation",
    check: () =>
      checkWorkflow(Workflow.make({ ...sound, events: { ...sound.events, CheckedOut: Voucher } }), { oldPayloads })
  }
]

export const checkSound = () => checkWorkflow(Basket, { oldPayloads })
