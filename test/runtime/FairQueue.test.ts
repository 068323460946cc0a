/** The fair queue: every tenant is served in rotation, no execution is handed out twice at once, and memory is bounded. */
import { assert, describe, it } from "@effect/vitest"
import type { ExecutionRef } from "@refold/core"
import { FairQueue } from "@refold/runtime/src/worker/FairQueue"
import fc from "fast-check"

const ref = (tenant: string, execution: number | string): ExecutionRef => ({ tenant, executionId: String(execution) })

const addMany = (list: FairQueue, tenant: string, count: number) =>
  Array.from({ length: count }, (_, place) => list.add(ref(tenant, place))).filter((isAdded) => isAdded).length

const textOf = ({ executionId, tenant }: ExecutionRef) => `${tenant}/${executionId}`

describe("FairQueue", () => {
  it("hands out a tenant's single execution in the next batch, whatever backlog another has", () => {
    const list = new FairQueue()
    addMany(list, "big", 100_000)
    list.add(ref("small", 0))
    assert.deepInclude(list.take(2), ref("small", 0))

    // Also while the first one is in progress, and with other tenants in between.
    for (let tenant = 0; tenant < 60; tenant++) addMany(list, `other ${tenant}`, 100)
    list.take(64)
    list.add(ref("late", 0))
    assert.deepInclude(list.take(64), ref("late", 0))
  })

  it("shares a batch out evenly among those who wait", () => {
    const list = new FairQueue()
    for (const tenant of ["a", "b", "c"]) addMany(list, tenant, 50)
    addMany(list, "d", 2)
    const taken = list.take(14).map((each) => each.tenant)
    assert.deepStrictEqual(
      ["a", "b", "c", "d"].map((tenant) => taken.filter((each) => each === tenant).length),
      [4, 4, 4, 2]
    )
  })

  it("goes on with the tenant whose turn it is, from batch to batch", () => {
    const list = new FairQueue()
    for (const tenant of ["a", "b", "c"]) addMany(list, tenant, 4)
    const turns = Array.from({ length: 6 }, () =>
      list
        .take(2)
        .map((each) => each.tenant)
        .join("")
    )
    assert.deepStrictEqual(turns, ["ab", "ca", "bc", "ab", "ca", "bc"])
  })

  it("keeps each of a tenant's executions to itself while it is under way, also when another is done", () => {
    const list = new FairQueue()
    addMany(list, "a", 3)
    assert.lengthOf(list.take(3), 3)
    addMany(list, "a", 3)
    list.done(ref("a", 0))
    assert.deepStrictEqual(list.take(9), [ref("a", 0)])
    list.done(ref("a", 1))
    list.done(ref("a", 2))
    assert.deepStrictEqual(list.take(9), [ref("a", 1), ref("a", 2)])
  })

  it("never hands out an execution that is under way; what came for it meanwhile waits until it is done", () => {
    const list = new FairQueue()
    list.add(ref("a", 1))
    assert.deepStrictEqual(list.take(9), [ref("a", 1)])
    assert.isTrue(list.add(ref("a", 1)))
    assert.deepStrictEqual(list.take(9), [])
    assert.deepStrictEqual([list.pendingCount, list.underWayCount], [1, 1])
    list.done(ref("a", 1))
    assert.deepStrictEqual(list.take(9), [ref("a", 1)])
    list.done(ref("a", 1))
    assert.deepStrictEqual([list.take(9), list.pendingCount, list.underWayCount], [[], 0, 0])
  })

  it("passes over a tenant all of whose executions are under way, and keeps its place for those that come", () => {
    const list = new FairQueue()
    list.add(ref("a", 1))
    list.take(1)
    list.add(ref("a", 1))
    list.add(ref("b", 1))
    list.add(ref("a", 2))
    assert.deepStrictEqual(list.take(9).map(textOf), ["a/2", "b/1"])
  })

  it("keeps a bounded number of a tenant, and of all, and says so", () => {
    const list = new FairQueue()
    assert.strictEqual(addMany(list, "a", 5000), 1000)
    assert.strictEqual(list.pendingCount, 1000)
    for (let tenant = 0; tenant < 100; tenant++) addMany(list, `tenant ${tenant}`, 1000)
    assert.strictEqual(list.pendingCount, 20_000)
    assert.isFalse(list.add(ref("one more", 1)))
    // An execution that already waits is not refused.
    assert.isTrue(list.add(ref("a", 0)))
  })

  it("asks for what it forgot once there is room for it, once", () => {
    const list = new FairQueue()
    assert.isFalse(list.takeForgotten())
    addMany(list, "a", 1001)
    assert.isFalse(list.takeForgotten())
    list.take(499)
    assert.isFalse(list.takeForgotten())
    list.take(1)
    assert.isTrue(list.takeForgotten())
    assert.isFalse(list.takeForgotten())
  })

  it("does not ask for a backlog that there is no room for because another tenant has little to do", () => {
    const list = new FairQueue()
    addMany(list, "big", 5000)
    list.add(ref("small", 1))
    list.take(2)
    list.add(ref("small", 2))
    assert.isFalse(list.takeForgotten())
  })

  it("asks for what it forgot of a tenant that had no room beside the others", () => {
    const list = new FairQueue()
    for (let tenant = 0; tenant < 20; tenant++) addMany(list, `tenant ${tenant}`, 1000)
    assert.isFalse(list.add(ref("late", 1)))
    list.take(9999)
    assert.isFalse(list.takeForgotten())
    list.take(1)
    assert.isTrue(list.takeForgotten())
  })

  it("drops what waits and not what is under way", () => {
    const list = new FairQueue()
    addMany(list, "a", 10)
    list.take(3)
    list.clear()
    assert.deepStrictEqual([list.take(9), list.pendingCount, list.underWayCount], [[], 0, 3])
    list.add(ref("a", 0))
    assert.deepStrictEqual(list.take(9), [])
    list.done(ref("a", 0))
    assert.deepStrictEqual(list.take(9), [ref("a", 0)])
  })

  const operation = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("add" as const),
        tenant: fc.constantFrom("a", "b", "c", "d"),
        execution: fc.nat({ max: 4 })
      })
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), count: fc.nat({ max: 6 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("done" as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) }
  )

  it("of any use: hands out what waits and is not under way, as much as it can, and evenly", () =>
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const list = new FairQueue()
        const waiting = new Map<string, ExecutionRef>()
        const underWay = new Map<string, ExecutionRef>()
        for (const each of operations) {
          switch (each.kind) {
            case "add": {
              const added = ref(each.tenant, each.execution)
              assert.isTrue(list.add(added))
              waiting.set(textOf(added), added)
              break
            }
            case "take": {
              const due = [...waiting].filter(([text]) => !underWay.has(text)).map(([, at]) => at)
              const taken = list.take(each.count)
              assert.strictEqual(taken.length, Math.min(each.count, due.length))
              assert.strictEqual(new Set(taken.map(textOf)).size, taken.length)
              const countOf = (refs: ReadonlyArray<ExecutionRef>, tenant: string) =>
                refs.filter((at) => at.tenant === tenant).length
              for (const at of taken) {
                assert.isTrue(waiting.delete(textOf(at)) && !underWay.has(textOf(at)))
                underWay.set(textOf(at), at)
              }
              // A tenant that got less than another by more than one had no more executions.
              for (const tenant of ["a", "b", "c", "d"]) {
                const own = countOf(taken, tenant)
                const most = Math.max(...["a", "b", "c", "d"].map((other) => countOf(taken, other)))
                if (own < most - 1) assert.strictEqual(own, countOf(due, tenant))
              }
              break
            }
            case "done": {
              const all = [...underWay.values()]
              const at = all[each.which % Math.max(all.length, 1)]
              if (at === undefined) break
              list.done(at)
              underWay.delete(textOf(at))
              break
            }
            case "clear": {
              list.clear()
              waiting.clear()
              break
            }
          }
          assert.deepStrictEqual([list.pendingCount, list.underWayCount], [waiting.size, underWay.size])
          assert.isFalse(list.takeForgotten())
        }
      })
    ))
})
