/** Interrupts calls on PostgreSQL before, during and after the use of their connection. */
import { describe, it } from "@effect/vitest"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { Array, Effect, Layer } from "effect"
import { servicesWith } from "../runtime/Services.ts"
import { type Interrupting, interruptedCalls } from "../runtime/interruptions.ts"
import { ownSchema } from "./ownSchema.ts"

/**
 * Interrupts after turns of the event loop. An answer of the server takes a hundred turns or more, so the distance between
 * two rounds is small at first and larger while the call waits for its second and third answer.
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
