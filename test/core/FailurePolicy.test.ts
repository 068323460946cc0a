import { assert, describe, it } from "@effect/vitest"
import { FailurePolicy } from "@refold/core"
import { Duration, Schema } from "effect"
import fc from "fast-check"

const policy: FailurePolicy.FailurePolicy = {
  maxAttempts: 5,
  firstDelay: Duration.millis(100),
  maxDelay: Duration.seconds(1),
  afterLast: "block"
}

/** The delay in milliseconds; undefined if there is no further attempt. */
const delay = (attemptCount: number, random = 0.5, of = policy): number | undefined => {
  const next = FailurePolicy.next(of, attemptCount, random)
  return next._tag === "Retry" ? Duration.toMillis(next.after) : undefined
}

const anyPolicy = fc.record({
  maxAttempts: fc.integer({ min: 1, max: 10_000 }),
  firstDelay: fc.nat({ max: 100_000 }).map(Duration.millis),
  maxDelay: fc.nat({ max: 10_000_000 }).map(Duration.millis),
  afterLast: fc.constantFrom("block" as const, "skip" as const)
})

describe("FailurePolicy.next", () => {
  it("doubles the delay from the first to the longest", () =>
    assert.deepStrictEqual(
      [1, 2, 3, 4, 5].map((attemptCount) => delay(attemptCount, 0.5, { ...policy, maxAttempts: 6 })),
      [100, 200, 400, 800, 1000]
    ))

  it("spreads a delay over half of itself, around it", () =>
    assert.deepStrictEqual([delay(1, 0), delay(1, 0.5), delay(1, 1)], [75, 100, 125]))

  it("ends with the last attempt, in the way that the policy says, and stays ended", () => {
    for (const attemptCount of [5, 6, 1_000_000]) {
      assert.deepStrictEqual(FailurePolicy.next(policy, attemptCount, 0), { _tag: "Block" })
      assert.deepStrictEqual(FailurePolicy.next({ ...policy, afterLast: "skip" }, attemptCount, 0), { _tag: "Skip" })
    }
    assert.isDefined(delay(4))
  })

  it("one attempt is no retry", () => assert.isUndefined(delay(1, 0, { ...policy, maxAttempts: 1 })))

  it("of any policy: a finite delay within its bounds before the last attempt, none from then on", () =>
    fc.assert(
      fc.property(
        anyPolicy,
        fc.integer({ min: 1, max: 20_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (of, attemptCount, random) => {
          const millis = delay(attemptCount, random, of)
          assert.strictEqual(millis === undefined, attemptCount >= of.maxAttempts)
          if (millis === undefined) return
          const longest = Duration.toMillis(of.maxDelay)
          assert.isAtLeast(millis, Math.min(longest, Duration.toMillis(of.firstDelay)) * 0.75)
          assert.isAtMost(millis, longest * 1.25)
        }
      )
    ))

  it("the default tries ten times over some minutes, then blocks", () => {
    const { defaultPolicy } = FailurePolicy
    const delays = Array.from({ length: 9 }, (_, place) => delay(place + 1, 0.5, defaultPolicy) ?? 0)
    assert.strictEqual(
      delays.reduce((total, each) => total + each, 0),
      100 * (2 ** 9 - 1)
    )
    assert.deepStrictEqual(FailurePolicy.next(defaultPolicy, 10, 0), { _tag: "Block" })
  })

  it("a policy is data, and one without an attempt is none", () => {
    const isPolicy = Schema.is(FailurePolicy.FailurePolicy)
    assert.isTrue(isPolicy(FailurePolicy.defaultPolicy))
    assert.isTrue(isPolicy({ ...policy, afterLast: "skip" }))
    assert.isFalse(isPolicy({ ...policy, afterLast: "later" }))
    assert.isFalse(isPolicy({ ...policy, maxAttempts: 0 }))
    assert.isFalse(isPolicy({ ...policy, maxAttempts: 1.5 }))
  })
})
