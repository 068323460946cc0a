import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result, Schema } from "effect"
import fc from "fast-check"
import { ExecutionState, Replay, Snapshot, Workflow } from "@refold/core"
import { definitionAndLog } from "../arbitraries/Log.ts"
import { Invoice, addedLog, eventAt } from "./Invoice.ts"

const positiveInt = fc.integer({ min: 1, max: 30 })
const at = (position: number, isComplete = false): Snapshot.Progress => ({ position, isComplete })

const paidLog = [
  ...addedLog(3),
  eventAt(5, { event_name: "Paid", to_state: "Paid", payload: { at: "2025-03-01T12:00:00.000Z" }, schema_version: 1 })
]
const paidState = Result.getOrThrow(Replay.fold(Invoice, undefined, paidLog))
assert.isDefined(paidState)
const snapshot = Result.getOrThrow(Snapshot.take(Invoice, paidState, "2025-03-02T00:00:00.000Z"))

describe("Snapshot.isDue", () => {
  it("one append of n events is due exactly when one of n single appends is", () =>
    fc.assert(
      fc.property(fc.nat({ max: 200 }), fc.nat({ max: 50 }), positiveInt, (before, count, eventCount) => {
        const policy: Snapshot.SnapshotPolicy = { _tag: "Every", eventCount }
        const singly = Array.from({ length: count }, (_, step) =>
          Snapshot.isDue(policy, at(before + step), at(before + step + 1))
        )
        assert.strictEqual(Snapshot.isDue(policy, at(before), at(before + count)), singly.includes(true))
      }),
      { numRuns: 1000 }
    ))

  it("is due every 20 events by default", () => {
    const due = Array.from({ length: 65 }, (_, step) => step).filter((step) =>
      Snapshot.isDue(Snapshot.defaultPolicy, at(step), at(step + 1))
    )
    assert.deepStrictEqual(due, [19, 39, 59])
  })

  it("is due once on completion, never by Never, and by any of several", () => {
    const onComplete: Snapshot.SnapshotPolicy = { _tag: "OnComplete" }
    assert.isTrue(Snapshot.isDue(onComplete, at(1), at(2, true)))
    assert.isFalse(Snapshot.isDue(onComplete, at(2, true), at(2, true)))
    assert.isFalse(Snapshot.isDue(onComplete, at(1), at(2)))
    assert.isFalse(Snapshot.isDue({ _tag: "Never" }, at(0), at(1000, true)))
    const either: Snapshot.SnapshotPolicy = {
      _tag: "AnyOf",
      policies: [{ _tag: "Never" }, { _tag: "AnyOf", policies: [onComplete, { _tag: "Every", eventCount: 5 }] }]
    }
    assert.isTrue(Snapshot.isDue(either, at(4), at(5)))
    assert.isTrue(Snapshot.isDue(either, at(5), at(6, true)))
    assert.isFalse(Snapshot.isDue(either, at(5), at(6)))
    assert.isFalse(Snapshot.isDue({ _tag: "AnyOf", policies: [] }, at(0), at(1000, true)))
  })

  it("is due by the first events of an execution, where they complete it or are enough", () => {
    assert.isTrue(Snapshot.isDue({ _tag: "OnComplete" }, Snapshot.origin, at(1, true)))
    assert.isTrue(Snapshot.isDue({ _tag: "Every", eventCount: 2 }, Snapshot.origin, at(2)))
  })
})

describe("SnapshotPolicy and Retention", () => {
  it("are data that is checked when read", () => {
    const isPolicy = Schema.is(Snapshot.SnapshotPolicy)
    const never: Snapshot.SnapshotPolicy = { _tag: "Never" }
    assert.isTrue(isPolicy(never))
    assert.isTrue(isPolicy({ _tag: "AnyOf", policies: [never, Snapshot.defaultPolicy, { _tag: "OnComplete" }] }))
    for (const eventCount of [0, -1, 1.5]) {
      assert.isFalse(isPolicy({ _tag: "Every", eventCount }))
      assert.isFalse(isPolicy({ _tag: "AnyOf", policies: [{ _tag: "Every", eventCount }] }))
    }
    const isRetention = Schema.is(Snapshot.Retention)
    assert.isTrue(isRetention({ _tag: "KeepAll" }))
    assert.isTrue(isRetention(Snapshot.defaultRetention))
    for (const count of [0, -1, 1.5]) assert.isFalse(isRetention({ _tag: "KeepLast", count }))
  })
})

describe("Snapshot.toPrune", () => {
  it("keeps the newest, however they are listed", () => {
    assert.sameMembers([...Snapshot.toPrune({ _tag: "KeepLast", count: 2 }, [20, 100, 9, 40])], [9, 20])
    assert.sameMembers([...Snapshot.toPrune(Snapshot.defaultRetention, [20, 40, 60])], [])
    assert.sameMembers([...Snapshot.toPrune({ _tag: "KeepAll" }, [1, 2, 3])], [])
  })

  it("leaves as many as it should, all newer than those it prunes, and changes no list", () =>
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat()), positiveInt, (positions, count) => {
        const pruned = Snapshot.toPrune({ _tag: "KeepLast", count }, Object.freeze(positions))
        const kept = positions.filter((position) => !pruned.includes(position))
        assert.strictEqual(kept.length, Math.min(count, positions.length))
        assert.strictEqual(kept.length + pruned.length, positions.length)
        for (const position of pruned) assert.isBelow(position, Math.min(...kept))
      }),
      { numRuns: 1000 }
    ))
})

describe("Snapshot.take and restore", () => {
  it("keep the state as JSON that its schema reads", () => {
    assert.deepStrictEqual(snapshot, {
      tenant: "acme",
      execution_id: "invoice-1",
      position: 5,
      current_state: "Paid",
      data: { cents: 15, paidAt: "2025-03-01T12:00:00.000Z" },
      fingerprint: Invoice.fingerprint,
      state_hash: snapshot.state_hash,
      started_at: "2025-03-01T12:00:01.000Z",
      updated_at: "2025-03-01T12:00:05.000Z",
      created_at: "2025-03-02T00:00:00.000Z"
    })
    assert.deepStrictEqual(Result.getOrThrow(Snapshot.restore(Invoice, snapshot)), paidState)
    assert.isTrue(paidState.isComplete)
    assert.isTrue(DateTime.isDateTime(paidState.data.paidAt))
    assert.isTrue(Schema.is(Snapshot.Snapshot)(snapshot))
    for (const field of Object.keys(snapshot)) {
      assert.isFalse(Schema.is(Snapshot.Snapshot)({ ...snapshot, [field]: undefined }), field)
    }
  })

  it("are inverse for every state of every log", () =>
    fc.assert(
      fc.property(definitionAndLog, fc.nat({ max: 13 }), ({ events, workflow }, to) => {
        const state = Result.getOrThrow(Replay.fold(workflow, undefined, events, { to }))
        if (state === undefined) return
        const taken = Result.getOrThrow(Snapshot.take(workflow, state, state.updatedAt))
        assert.deepStrictEqual(Result.getOrThrow(Snapshot.restore(workflow, taken)), state)
      }),
      { numRuns: 1000 }
    ))

  it("refuse the snapshot of another fold", () => {
    const other = { ...snapshot, fingerprint: Workflow.open("invoice").fingerprint }
    assert.deepStrictEqual(Snapshot.restore(Invoice, other), Result.fail("FingerprintMismatch" as const))
  })

  it.each([
    ["tenant", { tenant: "other" }],
    ["execution_id", { execution_id: "invoice-2" }],
    ["position", { position: 4 }],
    ["current_state", { current_state: "Draft" }],
    ["data", { data: { cents: 16, paidAt: "2025-03-01T12:00:00.000Z" } }],
    ["started_at", { started_at: "2025-03-01T12:00:00.000Z" }],
    ["updated_at", { updated_at: "2025-03-01T12:00:06.000Z" }],
    ["state_hash", { state_hash: "" }]
  ])("refuse a snapshot whose %s was changed", (_field, change) => {
    assert.deepStrictEqual(Snapshot.restore(Invoice, { ...snapshot, ...change }), Result.fail("Damaged" as const))
  })

  it("refuse data that its schema cannot read, though it is what was stored", () => {
    const data = { cents: "15" }
    const { data: _data, isComplete: _isComplete, ...paused } = paidState
    const stored = { ...snapshot, data, state_hash: ExecutionState.hash(paused, data) }
    assert.deepStrictEqual(Snapshot.restore(Invoice, stored), Result.fail("Damaged" as const))
  })

  it("do not depend on the order of keys that a store gives back", () => {
    const data = { paidAt: "2025-03-01T12:00:00.000Z", cents: 15 }
    assert.deepStrictEqual(Result.getOrThrow(Snapshot.restore(Invoice, { ...snapshot, data })), paidState)
  })

  it("fail for data with a key that its schema does not name, since a snapshot would lose it", () => {
    const data = { cents: 1, more: true }
    const taken = Snapshot.take(Invoice, { ...paidState, data }, paidState.updatedAt)
    assert.strictEqual(Result.getOrThrow(Result.flip(taken)).path, "/more")
  })

  it("fail for data that its own schema refuses", () => {
    const taken = Snapshot.take(Invoice, { ...paidState, data: { cents: 0.5 } }, paidState.updatedAt)
    assert.strictEqual(Result.getOrThrow(Result.flip(taken)).path, "/cents")
  })
})
