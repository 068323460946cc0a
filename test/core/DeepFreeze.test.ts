import { assert, describe, it } from "@effect/vitest"
import { deepFreeze } from "@refold/core"

describe("deepFreeze", () => {
  it("freezes objects and lists, with or without a prototype, and all that they hold", () => {
    const bare: { inner?: object } = Object.assign(Object.create(null), { inner: {} })
    const value = { list: [{ n: 1 }], bare, nothing: null, text: "x" }
    assert.strictEqual(deepFreeze(value), value)
    for (const part of [value, value.list, value.list[0], bare, bare.inner]) assert.isFrozen(part)
  })

  it("leaves instances as they are: they may keep what they cache", () => {
    const instant = new Date(0)
    assert.strictEqual(deepFreeze({ instant }).instant, instant)
    assert.isNotFrozen(instant)
  })

  it("goes no further where something is frozen: what it holds is its owner's", () => {
    const mine = { n: 1 }
    const frozen = Object.freeze({ mine })
    deepFreeze({ frozen })
    assert.isNotFrozen(mine)
  })

  it("gives back what is no object", () => {
    for (const value of [1, "a", true, null, undefined]) assert.strictEqual(deepFreeze(value), value)
  })
})
