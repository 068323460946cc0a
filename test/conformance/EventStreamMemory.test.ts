import { describe, it } from "@effect/vitest"
import { testAdapter } from "@refold/adapters/conformance"
import { MemoryEventStream } from "@refold/adapters/memory"

describe("MemoryEventStream", async () => {
  await testAdapter(MemoryEventStream.layer, it, { kits: ["EventStream", "DurableEventStream"] })
})
