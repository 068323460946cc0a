import { assert, describe, it } from "@effect/vitest"
import * as PooledRandom from "@refold/runtime/src/execution/PooledRandom"
import { Effect } from "effect"
import { SecureRandom } from "effect/crypto"

describe("PooledRandom", () => {
  it.effect("gives no byte of its pool twice, whatever the sizes asked for", () =>
    Effect.gen(function* () {
      const random = yield* SecureRandom.SecureRandom
      // Each value is long enough that it never repeats by chance.
      const drawn = new Set<string>()
      for (const size of [8, 16, 9, 1000, 700, 8, 5000, 8]) {
        for (let time = 0; time < 300; time++) {
          const bytes = yield* random.randomBytes(size)
          assert.lengthOf(bytes, size)
          drawn.add(Buffer.from(bytes.subarray(0, 8)).toString("hex"))
        }
      }
      assert.strictEqual(drawn.size, 8 * 300)
    }).pipe(Effect.provide(PooledRandom.layer))
  )

  it.effect("gives bytes that are their caller's to change", () =>
    Effect.gen(function* () {
      const random = yield* SecureRandom.SecureRandom
      const first = yield* random.randomBytes(16)
      const before = [...first]
      ;(yield* random.randomBytes(16)).fill(0)
      assert.deepStrictEqual([...first], before)
    }).pipe(Effect.provide(PooledRandom.layer))
  )
})
