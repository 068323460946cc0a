/** Law 6 on real servers: the same commands on PostgreSQL, with the channel in this process and over Redis. */
import { describe, inject, it } from "@effect/vitest"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import type { WakeUpChannel } from "@refold/core"
import { Duration, Effect, Layer, Logger, Redacted } from "effect"
import fc from "fast-check"
import { ownSchema, uniqueName } from "../integration/ownSchema.ts"
import { type Command, commands, simulate } from "./Simulation.ts"

const { layer: store } = ownSchema("delivery", { partitionCount: 2 })

/** The server's clock cannot be moved. Waits for the channel or for a connection take real time. */
const onServers = (run: ReadonlyArray<Command>) =>
  simulate(run, {
    prefix: `${uniqueName("delivery")} `,
    pass: Effect.yieldNow,
    jump: () => Effect.void,
    firstDelay: Duration.zero,
    recovery: "Turns"
  }).pipe(Effect.scoped)

/** Every run uses the same servers and the same ports. Shrinking ends early enough to print the seed. */
const holds = Effect.gen(function* () {
  const context = yield* Effect.context<Effect.Services<ReturnType<typeof onServers>>>()
  const property = fc.asyncProperty(commands, async (run) => {
    await Effect.runPromiseWith(context)(onServers(run))
  })
  yield* Effect.promise(() =>
    Promise.resolve(fc.assert(property, { numRuns: 20, interruptAfterTimeLimit: 90_000, markInterruptAsFailure: true }))
  )
})

const streams: ReadonlyArray<[string, () => Layer.Layer<WakeUpChannel, unknown>]> = [
  ["the stream in this process", () => MemoryWakeUpChannel.layer],
  [
    "Redis",
    () => RedisWakeUpChannel.layer({ url: Redacted.make(inject("redisUrl")), namespace: uniqueName("delivery") })
  ]
]

describe.each(streams)("Delivery on PostgreSQL and %s", (_name, stream) => {
  it.live(
    "applies each accepted event exactly once, in the order of the queue, whatever happens",
    () => holds.pipe(Effect.provide(Layer.merge(store, stream())), Effect.provide(Logger.layer([]))),
    120_000
  )
})
