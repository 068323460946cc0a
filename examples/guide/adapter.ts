import { testAdapter } from "@refold/testing/conformance"
import { MemoryStore } from "@refold/adapters/memory"
import { test } from "node:test"

// Put the layer of your own adapter here. With Vitest, give its `it`.
await testAdapter(MemoryStore.layer, test)
