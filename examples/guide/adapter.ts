import { storeSuite } from "@refold/adapters/conformance"
import { MemoryStore } from "@refold/adapters/memory"
import { Effect } from "effect"
import { test } from "node:test"

// Put the layer of your own store here.
const Store = MemoryStore.layer

for (const { check, title } of storeSuite) {
  await test(title, () => Effect.runPromise(Effect.provide(check, Store)))
}
