/** Samples: bounded, the same each time, and spread over what executions are. */
import { assert, describe, it } from "@effect/vitest"
import { HistorySample } from "@refold/core"
import fc from "fast-check"

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
    drawn.map(({ name, version, ...rest }): HistorySample.Candidate => ({
      ...rest,
      tenant: "acme",
      workflow: { name, version }
    }))
  )

const kindOf = ({ currentState, position, workflow }: HistorySample.Candidate): string =>
  [workflow.name, workflow.version, currentState, position.toString(2).length].join()

const countsOf = (of: ReadonlyArray<HistorySample.Candidate>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const each of of) counts.set(kindOf(each), (counts.get(kindOf(each)) ?? 0) + 1)
  return counts
}

const sampleOf = (size: number, of: ReadonlyArray<HistorySample.Candidate>) => {
  const sample = HistorySample.make(size)
  of.forEach(sample.add)
  return sample.chosen()
}

describe("HistorySample", () => {
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

  it("does not depend on which came first, as long as every kind has a place", () =>
    fc.assert(
      fc.property(candidates, fc.integer(), (all, seed) => {
        const size = countsOf(all).size * 2
        const shuffled = fc.sample(fc.shuffledSubarray([...all], { minLength: all.length }), { numRuns: 1, seed })[0]
        // Kinds differ by a place where their turn decides; those that have all they can have are the same.
        const [left, right] = [countsOf(sampleOf(size, all)), countsOf(sampleOf(size, shuffled ?? []))]
        for (const [kind, count] of left) assert.isAtMost(Math.abs(count - (right.get(kind) ?? 0)), 1)
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
})
