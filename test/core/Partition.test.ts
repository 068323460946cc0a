import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { Partition } from "@refold/core"
import { identifier } from "../arbitraries/Identifier.ts"

describe("Partition.of", () => {
  it("is one of the partitions, and always the same one", () =>
    fc.assert(
      fc.property(identifier, identifier, fc.integer({ min: 1, max: 1024 }), (tenant, executionId, count) => {
        const partition = Partition.of(tenant, executionId, count)
        assert.isTrue(Number.isInteger(partition) && partition >= 0 && partition < count)
        assert.strictEqual(Partition.of(tenant, executionId, count), partition)
      }),
      { numRuns: 1000 }
    ))

  // Stored rows depend on these answers; another implementation of FNV-1a gave them.
  it.each([
    ["acme", "order-1", 53, 0],
    ["acme", "order-2", 60, 6],
    ["", "", 31, 5],
    ["", "a", 26, 4],
    ["Zürich", "Fall 🙂", 1, 3],
    ["tenant", "00000000-0000-4000-8000-000000000000", 7, 4]
  ])("never changes for %j, %j", (tenant, executionId, of64, of7) => {
    assert.strictEqual(Partition.of(tenant, executionId, 64), of64)
    assert.strictEqual(Partition.of(tenant, executionId, 7), of7)
  })

  it("tells where the tenant ends", () => {
    assert.notStrictEqual(Partition.of("ab", "c", 2 ** 31), Partition.of("a", "bc", 2 ** 31))
  })

  it("spreads numbered executions evenly", () => {
    const counts = Array.from({ length: Partition.defaultCount }, () => 0)
    for (let number = 0; number < 64_000; number++) {
      const partition = Partition.of("acme", `order-${number}`, Partition.defaultCount)
      counts[partition] = (counts[partition] ?? 0) + 1
    }
    assert.isAbove(Math.min(...counts), 800)
    assert.isBelow(Math.max(...counts), 1200)
  })
})
