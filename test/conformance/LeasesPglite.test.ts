import { describe, layer } from "@effect/vitest"
import { partitionLeasesSuite } from "@refold/testing/conformance"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import { Layer } from "effect"

const storeOf = (partitionCount: number) =>
  PostgresStore.layerMigrated({ partitionCount }).pipe(Layer.provide(PgliteStore.layerClient()))

describe.each([1, 7])("PostgresPartitionLeases in PGlite, of %i partitions", (partitionCount) => {
  layer(storeOf(partitionCount), { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    for (const { check, title } of partitionLeasesSuite) it.effect(title, () => check)
  })
})
