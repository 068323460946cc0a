/** The LRU cache forgets entries but never returns a wrong one. */
import { assert, describe, it } from "@effect/vitest"
import { LruCache } from "@refold/runtime/src/execution/LruCache"
import fc from "fast-check"

const ref = (executionId: string, tenant = "acme") => ({ tenant, executionId })

describe("LruCache", () => {
  it("forgets what was not used for longest, and using is reading or writing", () => {
    const cache = new LruCache<number>(3)
    for (const [place, id] of ["a", "b", "c"].entries()) cache.set(ref(id), place)
    cache.get(ref("a"))
    cache.set(ref("b"), 9)
    cache.set(ref("d"), 3)
    assert.deepStrictEqual(
      ["a", "b", "c", "d"].map((id) => cache.get(ref(id))),
      [0, 9, undefined, 3]
    )
  })

  it("keeps executions of one id apart by their tenants", () => {
    const cache = new LruCache<number>(3)
    cache.set(ref("a", "acme"), 1)
    cache.set(ref("a", "other"), 2)
    cache.delete(ref("a", "acme"))
    assert.deepStrictEqual([cache.get(ref("a", "acme")), cache.get(ref("a", "other"))], [undefined, 2])
  })

  it("of any use: holds the most recently used, as many as it has room for", () => {
    const use = fc.record({
      kind: fc.constantFrom("get", "set", "delete"),
      id: fc.constantFrom("a", "b", "c", "d", "e")
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(use, { maxLength: 40 }), (capacity, uses) => {
        const cache = new LruCache<number>(capacity)
        // A simple model: the uses as a list, the last first.
        let model: ReadonlyArray<{ readonly id: string; readonly value: number }> = []
        for (const [value, { id, kind }] of uses.entries()) {
          const held = model.find((each) => each.id === id)
          const others = model.filter((each) => each.id !== id)
          if (kind === "get") {
            assert.strictEqual(cache.get(ref(id)), held?.value)
            model = held === undefined ? others : [held, ...others]
          } else if (kind === "set") {
            cache.set(ref(id), value)
            model = [{ id, value }, ...others].slice(0, capacity)
          } else {
            cache.delete(ref(id))
            model = others
          }
        }
        for (const id of ["a", "b", "c", "d", "e"]) {
          assert.strictEqual(cache.get(ref(id)), model.find((each) => each.id === id)?.value)
        }
      })
    )
  })
})
