import { describe, it } from "@effect/vitest"
import { storeSuite } from "@refold/adapters/conformance"
import { MemoryStore } from "@refold/adapters/memory"
import { Effect } from "effect"

describe("MemoryStore", () => {
  for (const { check, title } of storeSuite) {
    it.live(title, () => check.pipe(Effect.provide(MemoryStore.layer)))
  }
})
