import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import fc from "fast-check"
import { ExecutionState, Json, Replay, Workflow } from "@refold/core"
import { jsonObject } from "../arbitraries/Json.ts"
import { Invoice, addedLog } from "./Invoice.ts"

const state = Result.getOrThrow(Replay.fold(Invoice, undefined, addedLog(2)))
assert.isDefined(state)

describe("ExecutionState.hash", () => {
  const hash = ExecutionState.hash(state, { cents: 10 })

  it("does not depend on the order of keys", () =>
    fc.assert(
      fc.property(jsonObject, (data) => {
        const reversed = Object.fromEntries(Object.entries(data).toReversed())
        assert.strictEqual(ExecutionState.hash(state, data), ExecutionState.hash(state, reversed))
        const other = { ...data, one: Json.canonical(data) }
        assert.notStrictEqual(ExecutionState.hash(state, data), ExecutionState.hash(state, other))
      }),
      { numRuns: 1000 }
    ))

  it.each([
    ["tenant", { tenant: "other" }],
    ["executionId", { executionId: "invoice-2" }],
    ["workflow name", { workflow: { name: "other", version: 1 } }],
    ["workflow version", { workflow: { name: "invoice", version: 2 } }],
    ["currentState", { currentState: "Paid" }],
    ["position", { position: 4 }],
    ["startedAt", { startedAt: "2025-03-01T12:00:00.999Z" }],
    ["updatedAt", { updatedAt: "2025-03-01T12:00:03.001Z" }]
  ])("differs by %s", (_field, change) => {
    assert.notStrictEqual(ExecutionState.hash({ ...state, ...change }, { cents: 10 }), hash)
  })

  it("differs by the data", () => {
    assert.notStrictEqual(ExecutionState.hash(state, { cents: 11 }), hash)
    assert.notStrictEqual(ExecutionState.hash(state, { cents: "10" }), hash)
  })

  it("never changes: snapshots keep it", () => {
    assert.strictEqual(hash, "acaad1bb5513499db87bf79c0e9d5d2d6948eac4faf06b5c13a5d5c4c8982c41")
  })
})

describe("ExecutionState.is", () => {
  const unknown: ExecutionState.ExecutionState = state

  it("tells this definition's states from others", () => {
    assert.isTrue(ExecutionState.is(Invoice, unknown))
    assert.isFalse(ExecutionState.is(Invoice, { ...unknown, workflow: { name: "other", version: 1 } }))
    assert.isFalse(ExecutionState.is(Invoice, { ...unknown, workflow: { name: "invoice", version: 2 } }))
    assert.isFalse(ExecutionState.is(Invoice, { ...unknown, data: { cents: "10" } }))
  })

  it("tells open states by data that is an object of JSON", () => {
    const log = Workflow.open("log")
    const open = { ...unknown, workflow: { name: "log", version: 0 } }
    assert.isTrue(ExecutionState.is(log, { ...open, data: { a: [1] } }))
    for (const data of [null, [1], "text", { a: new Date() }]) assert.isFalse(ExecutionState.is(log, { ...open, data }))
  })

  it("narrows the data and the name of the state", () => {
    if (!ExecutionState.is(Invoice, unknown)) assert.fail("it is an invoice")
    const cents: number = unknown.data.cents
    const currentState: "Draft" | "Audited" | "Paid" | "Cancelled" = unknown.currentState
    assert.deepStrictEqual([cents, currentState], [10, "Draft"])
    assert.isTrue(Schema.is(Schema.Int)(cents))
  })
})
