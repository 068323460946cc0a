import { layer } from "@effect/vitest"
import { storeSuite } from "@refold/adapters/conformance"
import { ownSchema } from "../integration/ownSchema.ts"
import { agreesWithMemory } from "./agreement.ts"

const { layer: store } = ownSchema("conformance", { partitionCount: 8 })

layer(store, { excludeTestServices: true, timeout: "30 seconds" })("PostgresStore", (it) => {
  for (const { check, title } of storeSuite) it.effect(title, () => check)
  it.effect("answers any calls as the store in memory does", () => agreesWithMemory)
})
