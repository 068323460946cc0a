/** Interrupts calls after each number of steps, on a store in memory. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { memory } from "./Services.ts"
import { type Interrupting, interruptedCalls, leastSteps, runFor } from "./interruptions.ts"

const afterSteps: Interrupting = {
  until: (call, round) => runFor(call, leastSteps + round),
  maxRounds: 1000
}

/** The call appends the twentieth event, after which a snapshot is due. */
const calls = interruptedCalls(afterSteps, 19)

describe("Interrupted, after whatever step, and made again", () => {
  it.effect.each(Object.entries(calls))("%s", ([, call]) => Effect.provide(call, memory()))
})
