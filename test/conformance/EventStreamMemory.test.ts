import { describe, it } from "@effect/vitest"
import { durableEventStreamSuite, eventStreamSuite } from "@refold/adapters/conformance"
import { MemoryEventStream } from "@refold/adapters/memory"
import { Effect } from "effect"

describe("MemoryEventStream", () => {
  for (const { check, title } of [...eventStreamSuite, ...durableEventStreamSuite]) {
    it.live(title, () => Effect.provide(check, MemoryEventStream.layer))
  }
})
