/** Calls that are interrupted on a PostgreSQL: before, while and after its connection is used. */
import { describe, it } from "@effect/vitest"
import { MemoryEventStream } from "@refold/adapters/memory"
import { Array, Effect, Layer } from "effect"
import { servicesWith } from "../runtime/Services.ts"
import { interruptedCalls } from "../runtime/interruptions.ts"
import { ownSchema } from "./ownSchema.ts"

/** Turns of the event loop, of which an answer of the server takes about a hundred, from one interruption to the next. */
const turnsPerRound = 3

const calls = interruptedCalls(
  (call, round) =>
    Effect.tap(Effect.forkChild(call), () =>
      Effect.forEach(Array.range(0, round * turnsPerRound), () => Effect.yieldNow, { discard: true })
    ),
  2
)

describe("Interrupted on PostgreSQL, wherever that meets it, and made again", () => {
  it.effect.each(Object.entries(calls))("%s", ([, call]) => {
    const { layer } = ownSchema("interrupted", { maxConnections: 2 })
    return Effect.provide(call, servicesWith().pipe(Layer.provideMerge(Layer.merge(layer, MemoryEventStream.layer))))
  })
})
