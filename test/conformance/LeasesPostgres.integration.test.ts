import { describe, layer } from "@effect/vitest"
import { partitionLeasesSuite } from "@refold/testing/conformance"
import { ownSchema } from "../integration/ownSchema.ts"

const storeOf = (partitionCount: number) => ownSchema("leases", { partitionCount }).layer

describe.each([1, 7, 64])("PostgresPartitionLeases of %i partitions", (partitionCount) => {
  layer(storeOf(partitionCount), { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    for (const { check, title } of partitionLeasesSuite) it.effect(title, () => check)
  })
})
