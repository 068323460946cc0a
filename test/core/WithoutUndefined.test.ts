import { assert, describe, it } from "@effect/vitest"
import { withoutUndefined } from "@refold/core"

describe("withoutUndefined", () => {
  it("leaves out undefined fields, and keeps every other value", () => {
    const fields = { a: undefined, b: null, c: 0, d: "", e: false, f: { g: undefined } }
    assert.deepStrictEqual(withoutUndefined(fields), { b: null, c: 0, d: "", e: false, f: { g: undefined } })
    assert.deepStrictEqual(Object.keys(withoutUndefined(fields)), ["b", "c", "d", "e", "f"])
  })

  it("keeps a key __proto__ as a key like any other", () => {
    const kept = withoutUndefined(JSON.parse(`{"__proto__":1}`))
    assert.deepStrictEqual(Object.entries(kept), [["__proto__", 1]])
  })

  it("makes fields optional whose value may be undefined", () => {
    const userId = (has: boolean): string | undefined => (has ? "ann" : undefined)
    const sent: { readonly name: string; readonly userId?: string } = {
      name: "Paid",
      ...withoutUndefined({ userId: userId(false) })
    }
    assert.deepStrictEqual(sent, { name: "Paid" })
    const both: { readonly name: string; readonly userId?: string } = withoutUndefined({
      name: "Paid",
      userId: userId(true)
    })
    assert.deepStrictEqual(both, { name: "Paid", userId: "ann" })
  })
})
