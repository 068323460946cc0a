import { describe, layer } from "@effect/vitest"
import { partitionLeasesSuite } from "@refold/adapters/conformance"
import { PostgresPartitionLeases } from "@refold/adapters/postgres"
import { Layer } from "effect"
import { ownSchema } from "../integration/ownSchema.ts"

const storeOf = (partitionCount: number) => {
  const { layer: store, schema } = ownSchema("leases", { partitionCount })
  return PostgresPartitionLeases.layer({ schema }).pipe(Layer.provideMerge(store))
}

describe.each([1, 7, 64])("PostgresPartitionLeases of %i partitions", (partitionCount) => {
  layer(storeOf(partitionCount), { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    for (const { check, title } of partitionLeasesSuite) it.effect(title, () => check)
  })
})
