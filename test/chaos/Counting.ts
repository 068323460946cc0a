/** The workflow of the chaos run: each event has a number and is refused unless it is the next one. */
import { Workflow } from "@refold/core"
import { Schema } from "effect"

export const Counting = Workflow.make({
  name: "counting",
  events: { Counted: Schema.Struct({ n: Schema.Int }) },
  data: Schema.Struct({ last: Schema.Int }),
  initial: { state: "counting", data: { last: 0 } },
  states: { counting: { Counted: { to: "counting", guard: (data, { n }) => n === data.last + 1 } } },
  evolve: { Counted: (_data, { n }) => ({ last: n }) }
})
