import { describe, it } from "@effect/vitest"
import { testAdapter } from "@refold/testing/conformance"
import { MemoryStore } from "@refold/adapters/memory"

describe("MemoryStore", async () => {
  await testAdapter(MemoryStore.layer, it)
})
