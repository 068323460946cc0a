/** A definition whose guard and `evolve` throw on demand, as users' code may, and the same one fixed. */
import { Schema } from "effect"
import { Workflow, type Submission } from "@refold/core"

const make = (isMended: boolean) => {
  const fragile = <A>(value: A, what: string): A => {
    if (isMended) return value
    throw new TypeError(`${what} is broken`)
  }
  return Workflow.make({
    name: "fragile",
    events: { Added: Schema.Struct({ by: Schema.Int }), Guarded: Schema.Struct({}), Burst: Schema.Struct({}) },
    data: Schema.Struct({ sum: Schema.Int }),
    initial: { state: "Open", data: { sum: 0 } },
    states: {
      Open: { Added: "Open", Guarded: { to: "Open", guard: () => fragile(true, "the guard") }, Burst: "Open" }
    },
    evolve: {
      Added: (data, { by }) => ({ sum: data.sum + by }),
      Burst: (data) => fragile({ sum: data.sum + 100 }, "evolve")
    }
  })
}

export const Fragile = make(false)
export const FragileMended = make(true)

export const added = (by: number): Submission => ({ event_name: "Added", payload: { by } })
export const burst: Submission = { event_name: "Burst", payload: {} }
export const guarded: Submission = { event_name: "Guarded", payload: {} }
