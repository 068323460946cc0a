/** The definition for the simulations, with one event that can do harm, and its simple model. */
import { Schema } from "effect"
import { Workflow, type Submission } from "@refold/core"

/** `evolve` calls `onBurst` each time that it folds a Burst. */
export const make = (name: string, onBurst: () => void) => {
  const burst = (sum: number): { readonly sum: number } => {
    onBurst()
    return { sum: sum + 100 }
  }
  return Workflow.make({
    name,
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

/** Never folds a Burst. */
export const breaks = () => {
  throw new TypeError("evolve is broken")
}

export const Counter = make("counter", breaks)
export const CounterMended = make("counter", () => {})

export interface Model {
  readonly sum: number
  readonly isClosed: boolean
}

const isAdded = Schema.is(Schema.Struct({ by: Schema.Int }))

export const emptyModel: Model = { sum: 0, isClosed: false }

/** The model's state after one accepted event. */
export const after = ({ isClosed, sum }: Model, { event_name: name, payload }: Submission): Model => ({
  sum: sum + (name === "Burst" ? 100 : name === "Added" && isAdded(payload) ? payload.by : 0),
  isClosed: isClosed || name === "Ended"
})

/** The state of the fixed definition after events, all of them accepted. */
export const modelOf = (events: ReadonlyArray<Submission>): Model => events.reduce(after, emptyModel)

export const isAccepted = ({ isClosed, sum }: Model, { event_name: name, payload }: Submission): boolean => {
  if (isClosed) return false
  if (name === "Added") return isAdded(payload) && sum + payload.by >= 0
  if (name === "Guarded") return sum % 2 === 0
  return name === "Burst" || sum > 8
}
