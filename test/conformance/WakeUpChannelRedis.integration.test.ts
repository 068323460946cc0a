import { describe, layer } from "@effect/vitest"
import { durableWakeUpChannelSuite, wakeUpChannelSuite } from "@refold/testing/conformance"
import { Effect } from "effect"
import { ownNamespace } from "../integration/ownNamespace.ts"

const suite = [...wakeUpChannelSuite, ...durableWakeUpChannelSuite]

describe("RedisWakeUpChannel", () => {
  layer(ownNamespace("conformance").layer, { excludeTestServices: true })((it) => {
    for (const { check, title } of suite) it.effect(title, () => check)

    it.effect("passes every check on one stream, at once", () =>
      Effect.forEach([...suite, ...suite], ({ check }) => check, { concurrency: "unbounded", discard: true })
    )
  })
})
