/** What a worker takes in: no wake-up is answered before the pass that answers it, and none is held for ever. */
import { assert, describe, it } from "@effect/vitest"
import type { Delivery } from "@refold/core"
import { Intake } from "@refold/runtime/src/worker/Intake"

const delivery = (executionId: string, deliveryId: string): Delivery => ({
  tenant: "acme",
  executionId,
  deliveryId,
  partition: 1
})

const idsOf = (deliveries: ReadonlyArray<Delivery>) => deliveries.map(({ deliveryId }) => deliveryId)

describe("Intake", () => {
  it("holds wake-ups until their execution is taken, and gives them with it, once", () => {
    const intake = new Intake(1)
    assert.deepStrictEqual(intake.receive([delivery("a", "1"), delivery("b", "2"), delivery("a", "3")]), [])
    const { answered, refs } = intake.take(1)
    assert.deepStrictEqual(refs, [{ tenant: "acme", executionId: "a" }])
    assert.deepStrictEqual(idsOf(answered), ["1", "3"])
    assert.deepStrictEqual(idsOf(intake.take(1).answered), ["2"])
    intake.done({ tenant: "acme", executionId: "a" })
    intake.add([{ tenant: "acme", executionId: "a" }])
    assert.deepStrictEqual(intake.take(1).answered, [])
  })

  it("keeps what arrives during a pass for the next one", () => {
    const intake = new Intake(1)
    intake.receive([delivery("a", "1")])
    const { refs } = intake.take(1)
    assert.deepStrictEqual(intake.receive([delivery("a", "2")]), [])
    assert.deepStrictEqual(intake.take(1).refs, [])
    for (const ref of refs) intake.done(ref)
    assert.deepStrictEqual(idsOf(intake.take(1).answered), ["2"])
  })

  it("holds a wake-up that is delivered again only once", () => {
    const intake = new Intake(1)
    intake.receive([delivery("a", "1")])
    assert.deepStrictEqual(intake.receive([delivery("a", "1")]), [])
    assert.deepStrictEqual(idsOf(intake.take(1).answered), ["1"])
  })

  it("answers at once what it need not hold: many of one execution, or one without room", () => {
    const intake = new Intake(1)
    const many = Array.from({ length: 100 }, (_, index) => delivery("a", String(index)))
    const answered = intake.receive(many)
    assert.deepStrictEqual(idsOf(answered), idsOf(many.slice(-answered.length)))
    assert.strictEqual(answered.length + intake.take(1).answered.length, 100)

    const full = new Intake(1)
    full.add(Array.from({ length: 1000 }, (_, index) => ({ tenant: "acme", executionId: `e-${index}` })))
    assert.deepStrictEqual(idsOf(full.receive([delivery("late", "9")])), ["9"])
    full.take(600)
    assert.isTrue(full.takeForgotten())
  })

  it("gives back what it holds when the partitions are lost, and has nothing to do then", () => {
    const intake = new Intake(1)
    intake.receive([delivery("a", "1"), delivery("b", "2")])
    assert.deepStrictEqual(idsOf(intake.clear()).toSorted(), ["1", "2"])
    assert.deepStrictEqual(intake.take(64), { refs: [], answered: [] })
    intake.add([{ tenant: "acme", executionId: "a" }])
    assert.deepStrictEqual(intake.take(64).answered, [])
  })
})
