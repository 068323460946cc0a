import { describe, layer } from "@effect/vitest"
import { eventStreamSuite } from "@refold/adapters/conformance"
import { PostgresEventStream } from "@refold/adapters/postgres"
import { Effect, Layer } from "effect"
import { layerClient, uniqueName } from "../integration/ownSchema.ts"

const stream = () =>
  PostgresEventStream.layerWith({ schema: uniqueName("stream") }).pipe(Layer.provideMerge(layerClient(40)))

describe("PostgresEventStream", () => {
  layer(stream(), { excludeTestServices: true })((it) => {
    for (const { check, title } of eventStreamSuite) it.effect(title, () => check)

    it.effect("passes every check on one stream, at once", () =>
      Effect.forEach(eventStreamSuite, ({ check }) => check, { concurrency: "unbounded", discard: true })
    )
  })
})
