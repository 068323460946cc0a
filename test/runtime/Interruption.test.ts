/** Calls that are interrupted after every number of their steps, on a store in memory. */
import { describe, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { memory } from "./Services.ts"
import { type Interrupting, interruptedCalls } from "./interruptions.ts"

/** A fiber gives way after so many steps at most. With fewer than three it would take none. */
const leastSteps = 3

const afterSteps: Interrupting = {
  until: (call, round) =>
    Effect.tap(
      Effect.forkChild(Effect.provideService(call, References.MaxOpsBeforeYield, leastSteps + round)),
      () => Effect.yieldNow
    ),
  maxRounds: 1000
}

/** The twentieth event, by which a snapshot is due, is the one of the call. */
const calls = interruptedCalls(afterSteps, 19)

describe("Interrupted, after whatever step, and made again", () => {
  it.effect.each(Object.entries(calls))("%s", ([, call]) => Effect.provide(call, memory()))
})
