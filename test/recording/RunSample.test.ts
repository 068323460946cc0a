/** Samples are bounded, repeatable, and spread over the kinds of executions. */
import { assert, describe, it } from "@effect/vitest"
import { RunSample } from "@refold/testing/recording"
import fc from "fast-check"
import { createHash } from "node:crypto"

const candidates = fc
  .uniqueArray(
    fc.record({
      executionId: fc.string({ minLength: 1 }),
      name: fc.constantFrom("invoice", "order"),
      version: fc.constantFrom(1, 2),
      currentState: fc.constantFrom("Open", "Open", "Open", "Closed"),
      position: fc.constantFrom(1, 2, 3, 900)
    }),
    { selector: ({ executionId }) => executionId, maxLength: 200, size: "max" }
  )
  .map((drawn) =>
    drawn.map(({ name, version, ...rest }): RunSample.Candidate => ({
      ...rest,
      tenant: "acme",
      workflow: { name, version }
    }))
  )

const kindOf = ({ currentState, position, workflow }: RunSample.Candidate): string =>
  [workflow.name, workflow.version, currentState, position.toString(2).length].join()

const countsOf = (of: ReadonlyArray<RunSample.Candidate>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const each of of) counts.set(kindOf(each), (counts.get(kindOf(each)) ?? 0) + 1)
  return counts
}

const sampleOf = (size: number, of: ReadonlyArray<RunSample.Candidate>) => {
  const sample = RunSample.make(size)
  of.forEach(sample.add)
  return sample.chosen()
}

describe("RunSample", () => {
  it("holds as many as there are, up to its size, and the same each time", () =>
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 50 }), (all, size) => {
        const chosen = sampleOf(size, all)
        assert.lengthOf(chosen, Math.min(size, all.length))
        assert.lengthOf(new Set(chosen), chosen.length)
        assert.deepStrictEqual(sampleOf(size, all), chosen)
      })
    ))

  it("gives no kind two places more than another kind that had more to give", () =>
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 50 }), (all, size) => {
        const [there, taken] = [countsOf(all), countsOf(sampleOf(size, all))]
        for (const count of taken.values()) {
          for (const [other, available] of there) {
            const took = taken.get(other) ?? 0
            assert.isTrue(took === available || took >= count - 1, `${count} of one, ${took} of ${other}`)
          }
        }
      })
    ))

  it("does not depend on which came first", () =>
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 50 }), fc.integer(), (all, size, seed) => {
        const shuffled = fc.sample(fc.shuffledSubarray([...all], { minLength: all.length }), { numRuns: 1, seed })[0]
        assert.deepStrictEqual(sampleOf(size, shuffled ?? []), sampleOf(size, all))
      })
    ))

  it("takes from a crowd by a hash, not the first that come", () => {
    const crowd = Array.from({ length: 1000 }, (_, place) => ({
      tenant: "acme",
      executionId: String(place).padStart(4, "0"),
      workflow: { name: "invoice", version: 1 },
      currentState: "Open",
      position: 5
    }))
    const places = sampleOf(20, crowd).map(({ executionId }) => Number(executionId))
    assert.isTrue(Math.min(...places) < 300 && Math.max(...places) > 700, String(places))
  })

  it("takes the first of each kind by that hash, then the second of each, until it is full", () =>
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 50 }), (all, size) => {
        const ids = sampleOf(size, all).map(({ executionId }) => executionId)
        assert.deepStrictEqual(ids.toSorted(), expectedOf(size, all).toSorted())
      })
    ))

  it.each([1, 2, 3, 7])("of a hundred kinds takes %i, those with the least hashes, whichever came first", (size) => {
    const all = Array.from({ length: 100 }, (_, place) => candidateOf(`e${place}`, `State ${place}`))
    const expected = expectedOf(size, all).toSorted()
    for (const order of [all, all.toReversed(), all.toSorted(byHash), all.toSorted(byHash).toReversed()]) {
      assert.deepStrictEqual(
        sampleOf(size, order).map(({ executionId }) => executionId),
        expected
      )
    }
  })

  it("of kinds of the same size takes from the one whose last has the greatest hash, whatever its others have", () => {
    for (const perKind of [1, 2, 3, 4]) {
      for (let round = 0; round < 20; round++) {
        const names = Array.from({ length: perKind * 2 }, (_, place) => `e${round}-${place}`)
        const all = names.map((name, place) => candidateOf(name, place % 2 === 0 ? "Open" : "Closed"))
        const [greatest] = all.toSorted(byHash).toReversed()
        for (const order of [all, all.toReversed()]) {
          assert.notInclude(sampleOf(all.length - 1, order), greatest)
          assert.lengthOf(sampleOf(all.length - 1, order), all.length - 1)
        }
      }
    }
  })

  it("is full once it was full, however many come", () => {
    const sample = RunSample.make<RunSample.Candidate>(5)
    for (let place = 0; place < 2000; place++) {
      sample.add(candidateOf(`e${place}`, `State ${(place * 7) % (1 + (place % 50))}`, 1 + (place % 9)))
      assert.lengthOf(sample.chosen(), Math.min(place + 1, 5))
    }
  })

  it("gives those held in the order of their ids, by code point, whatever order they came in", () => {
    const ids = ["", "10", "9", "B", "a", "\u{ffff}", "🙂"]
    for (const order of [ids, ids.toReversed()]) {
      const chosen = sampleOf(
        10,
        order.map((id, place) => candidateOf(id, `State ${place % 3}`))
      )
      assert.deepStrictEqual(
        chosen.map(({ executionId }) => executionId),
        ids
      )
    }
  })
})

const candidateOf = (executionId: string, currentState: string, position = 1): RunSample.Candidate => ({
  tenant: "acme",
  executionId,
  workflow: { name: "invoice", version: 1 },
  currentState,
  position
})

/** The sample is the same in every build, so exports of two builds can be compared. */
const hashOf = ({ executionId, tenant }: RunSample.Candidate): string =>
  createHash("sha256").update(`${tenant}\0${executionId}`).digest("hex")

const byHash = (left: RunSample.Candidate, right: RunSample.Candidate): number =>
  hashOf(left) < hashOf(right) ? -1 : 1

/** The ids in a sample of all candidates. */
const expectedOf = (size: number, all: ReadonlyArray<RunSample.Candidate>): ReadonlyArray<string> => {
  const placeOf = new Map<RunSample.Candidate, number>()
  const counts = new Map<string, number>()
  for (const each of all.toSorted(byHash)) {
    const place = counts.get(kindOf(each)) ?? 0
    placeOf.set(each, place)
    counts.set(kindOf(each), place + 1)
  }
  return all
    .toSorted((left, right) => (placeOf.get(left) ?? 0) - (placeOf.get(right) ?? 0) || byHash(left, right))
    .slice(0, size)
    .map(({ executionId }) => executionId)
}
