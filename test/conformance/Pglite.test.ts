import { layer } from "@effect/vitest"
import { storeSuite } from "@refold/testing/conformance"
import { PgliteStore } from "@refold/adapters/pglite"
import { agreesWithMemory } from "./agreement.ts"

layer(PgliteStore.layer(), { excludeTestServices: true, timeout: "30 seconds" })("PgliteStore", (it) => {
  for (const { check, title } of storeSuite) it.effect(title, () => check)
  it.effect("answers any calls as the store in memory does", () => agreesWithMemory)
})
