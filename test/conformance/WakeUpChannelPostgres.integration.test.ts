import { describe, layer } from "@effect/vitest"
import { wakeUpChannelSuite } from "@refold/testing/conformance"
import { PostgresWakeUpChannel } from "@refold/adapters/postgres"
import { Effect, Layer } from "effect"
import { layerClient, uniqueName } from "../integration/ownSchema.ts"

const stream = () =>
  PostgresWakeUpChannel.layerWith({ schema: uniqueName("stream") }).pipe(Layer.provideMerge(layerClient(40)))

describe("PostgresWakeUpChannel", () => {
  layer(stream(), { excludeTestServices: true })((it) => {
    for (const { check, title } of wakeUpChannelSuite) it.effect(title, () => check)

    it.effect("passes every check on one stream, at once", () =>
      Effect.forEach(wakeUpChannelSuite, ({ check }) => check, { concurrency: "unbounded", discard: true })
    )
  })
})
