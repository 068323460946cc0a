import { describe, it } from "@effect/vitest"
import { testAdapter } from "@refold/testing/conformance"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"

describe("MemoryWakeUpChannel", async () => {
  await testAdapter(MemoryWakeUpChannel.layer, it, { kits: ["WakeUpChannel", "DurableWakeUpChannel"] })
})
