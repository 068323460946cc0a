/** The definition of the simulations: one event of it throws until it is mended. And the naive model of it. */
import { Schema } from "effect"
import { Workflow } from "@refold/core"

const make = (isMended: boolean) => {
  const burst = (sum: number): { readonly sum: number } => {
    if (!isMended) throw new TypeError("evolve is broken")
    return { sum: sum + 100 }
  }
  return Workflow.make({
    name: "counter",
    events: {
      Added: Schema.Struct({ by: Schema.Int }),
      Burst: Schema.Struct({}),
      Guarded: Schema.Struct({}),
      Ended: Schema.Struct({})
    },
    data: Schema.Struct({ sum: Schema.Int }),
    initial: { state: "Open", data: { sum: 0 } },
    states: {
      Open: {
        Added: { to: "Open", guard: (data, { by }) => data.sum + by >= 0 },
        Burst: "Open",
        Guarded: { to: "Open", guard: (data) => data.sum % 2 === 0 },
        Ended: { to: "Closed", guard: (data) => data.sum > 8 }
      },
      Closed: {}
    },
    final: ["Closed"],
    evolve: { Added: (data, { by }) => ({ sum: data.sum + by }), Burst: (data) => burst(data.sum) }
  })
}

export const Counter = make(false)
export const CounterMended = make(true)

interface Model {
  readonly sum: number
  readonly isClosed: boolean
}

const isAdded = Schema.is(Schema.Struct({ by: Schema.Int }))

/** What the mended definition makes of events, all of them accepted. */
export const modelOf = (events: ReadonlyArray<Workflow.Submission>): Model => ({
  sum: events.reduce((sum, { event_name: name, payload }) => {
    if (name === "Added" && isAdded(payload)) return sum + payload.by
    return name === "Burst" ? sum + 100 : sum
  }, 0),
  isClosed: events.some((event) => event.event_name === "Ended")
})

export const isAccepted = ({ isClosed, sum }: Model, { event_name: name, payload }: Workflow.Submission): boolean => {
  if (isClosed) return false
  if (name === "Added") return isAdded(payload) && sum + payload.by >= 0
  if (name === "Guarded") return sum % 2 === 0
  return name === "Burst" || sum > 8
}
