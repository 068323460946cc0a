/** Calls that are interrupted on a PostgreSQL: before, while and after its connection is used. */
import { describe, it } from "@effect/vitest"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { Array, Effect, Layer } from "effect"
import { servicesWith } from "../runtime/Services.ts"
import { type Interrupting, interruptedCalls } from "../runtime/interruptions.ts"
import { ownSchema } from "./ownSchema.ts"

/**
 * After turns of the event loop, of which an answer of the server takes a hundred or more: few from one round to the next at
 * first, more where the call waits for its second and third answer.
 */
const afterTurns: Interrupting = {
  until: (call, round) =>
    Effect.tap(Effect.forkChild(call), () =>
      Effect.forEach(Array.range(0, round + Math.floor(round ** 2 / 16)), () => Effect.yieldNow, { discard: true })
    ),
  maxRounds: 160
}

const calls = interruptedCalls(afterTurns, 2)

describe("Interrupted on PostgreSQL, wherever that meets it, and made again", () => {
  it.effect.each(Object.entries(calls))("%s", ([, call]) => {
    const { layer } = ownSchema("interrupted", { maxConnections: 2 })
    return Effect.provide(call, servicesWith().pipe(Layer.provideMerge(Layer.merge(layer, MemoryWakeUpChannel.layer))))
  })
})
