/** The laws bite: each mistake a definition can hide is found, and named by the law it breaks. */
import { assert, describe, it } from "@effect/vitest"
import { Schema, SchemaTransformation } from "effect"
import fc from "fast-check"
import { Upcast, Workflow } from "@refold/core"
import {
  LawBroken,
  checkDataRoundTrip,
  checkPurity,
  checkSnapshots,
  checkUpcasts,
  checkWorkflow
} from "@refold/core/laws"

const Added = Schema.Struct({ amount: Schema.Int })
const settings = { seed: 20_250_301, numRuns: 1000 }

const counter = (evolve: (data: { readonly counts: Record<string, number> }, amount: number) => typeof data) =>
  Workflow.make({
    name: "counter",
    events: { Added },
    data: Schema.Struct({ counts: Schema.Record(Schema.String, Schema.Finite) }),
    initial: { state: "Open", data: { counts: {} } },
    states: { Open: { Added: "Open" } },
    evolve: { Added: (data, { amount }) => evolve(data, amount) }
  })

/** What the check threw: the report of fast-check and the broken law within it. */
const broken = (check: () => void): { readonly report: string; readonly cause: unknown } => {
  try {
    check()
  } catch (error) {
    assert.instanceOf(error, Error)
    return { report: error.message, cause: error.cause }
  }
  return assert.fail("every law held")
}

describe("What the laws find", () => {
  it("nothing in a definition that is sound", () => {
    const sound = counter((data, amount) => ({ counts: { ...data.counts, [`k${amount % 3}`]: amount } }))
    assert.doesNotThrow(() => checkWorkflow(sound, { numRuns: 200 }))
  })

  it("a fold that depends on the order of keys, by a log of few events and both states", () => {
    const { cause, report } = broken(() =>
      checkSnapshots(
        counter(({ counts }, amount) => {
          const [first = "z"] = Object.keys(counts)
          return {
            counts: { ...counts, [amount % 2 === 0 ? "a" : "z"]: amount, first: first.length + first.charCodeAt(0) }
          }
        }),
        settings
      )
    )
    assert.instanceOf(cause, LawBroken)
    assert.match(cause.message, /^Law 3 \(snapshot equivalence\): replay .* from the snapshot at \d+ \(policy/)
    assert.match(
      cause.message,
      /\nexpected \{.*"counts".*\nactual {3}\{.*"counts".*\nlog\n {2}1\. .*workflow\.started/s
    )
    assert.match(report, /Shrunk \d+ time/)
    assert.isAtMost(cause.log.split("\n").length, 5)
  })

  it("a handler that changes what it is given", () => {
    const { cause } = broken(() =>
      checkPurity(
        counter((data, amount) => {
          data.counts["total"] = (data.counts["total"] ?? 0) + amount
          return data
        }),
        settings
      )
    )
    assert.instanceOf(cause, TypeError)
  })

  it("a handler with a memory of its own", () => {
    let calls = 0
    const { cause } = broken(() =>
      checkPurity(
        counter(() => ({ counts: { calls: ++calls } })),
        settings
      )
    )
    assert.instanceOf(cause, LawBroken)
    assert.match(cause.claim, /evolved twice/)
  })

  it("a guard with a memory of its own", () => {
    let calls = 0
    const flaky = Workflow.make({
      name: "flaky",
      events: { Added },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Added: { to: "Open", guard: () => ++calls % 3 !== 0 } } }
    })
    const { cause } = broken(() => checkPurity(flaky, settings))
    assert.instanceOf(cause, LawBroken)
    assert.match(cause.claim, /decided twice/)
  })

  it("data that its encoding rounds", () => {
    const Cents = Schema.String.pipe(
      Schema.decodeTo(
        Schema.Finite,
        SchemaTransformation.transform({ decode: (text) => Number(text), encode: (number) => number.toFixed(2) })
      )
    )
    const rounding = Workflow.make({
      name: "rounding",
      events: { Added },
      data: Schema.Struct({ sum: Cents }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, { amount }) => ({ sum: data.sum + amount / 1000 }) }
    })
    const { cause } = broken(() => checkDataRoundTrip(rounding, settings))
    assert.instanceOf(cause, LawBroken)
    assert.match(cause.claim, /^data at position/)
  })

  it("data that leaves its schema", () => {
    const leaving = Workflow.make({
      name: "leaving",
      events: { Added },
      data: Schema.Struct({ sum: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, { amount }) => ({ sum: data.sum + amount }) }
    })
    const { cause } = broken(() => checkDataRoundTrip(leaving, settings))
    assert.instanceOf(cause, LawBroken)
    assert.match(cause.claim, /has its schema's shape/)
  })

  it("data with a key that its schema does not name", () => {
    const spreading = Workflow.make({
      name: "spreading",
      events: { Added },
      data: Schema.Struct({ count: Schema.Int }),
      initial: { state: "Open", data: { count: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, payload) => ({ ...data, ...payload }) }
    })
    const { cause } = broken(() => checkSnapshots(spreading, settings))
    assert.instanceOf(cause, LawBroken)
    assert.match(cause.claim, /has its schema's shape/)
    assert.match(cause.actual, /^\/amount is refused by its schema/)
  })

  it("an upcaster that yields what the current schema refuses", () => {
    const versioned = Workflow.make({
      name: "versioned",
      events: { Added: Upcast.to(Added, [() => ({ amount: "many" })]) },
      data: Schema.Struct({ sum: Schema.Int }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data) => data }
    })
    assert.match(
      broken(() => checkUpcasts(versioned)).report,
      /Law 7 needs payloads of every older version of Added: give 1 arbitraries by `oldPayloads`, not 0/
    )
    const { cause } = broken(() =>
      checkUpcasts(versioned, { ...settings, oldPayloads: { Added: [fc.constant({ amount: 1 })] } })
    )
    assert.instanceOf(cause, LawBroken)
    assert.match(cause.claim, /a payload of Added, version 1, upcast to \{"amount":"many"\}/)
    assert.match(cause.actual, /is refused by its schema/)
  })

  it("a schema whose payloads cannot be stored, by asking for some", () => {
    const unstorable = Workflow.make({
      name: "unstorable",
      events: { Added: Schema.Struct({ text: Schema.Literal("\0") }) },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Added: "Open" } }
    })
    assert.match(
      broken(() => checkPurity(unstorable, settings)).report,
      /The schema of Added yields no payload that can be stored: give some by `payloads`/
    )
  })

  it("a handler or a guard that throws, with the log it throws on", () => {
    const thrower = counter(({ counts }, amount) => {
      if (amount < 0) throw new RangeError("negative")
      return { counts }
    })
    const inHandler = broken(() => checkWorkflow(thrower, settings))
    assert.instanceOf(inHandler.cause, RangeError)
    assert.match(inHandler.report, /2\. .* Added: Open -> Open \{"amount":-/)

    const guarded = Workflow.make({
      name: "guarded",
      events: { Added },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: {
        Open: {
          Added: {
            to: "Open",
            guard: () => {
              throw new RangeError("unknown")
            }
          }
        }
      }
    })
    const inGuard = broken(() => checkWorkflow(guarded, settings))
    assert.instanceOf(inGuard.cause, RangeError)
    assert.match(inGuard.report, /workflow\.started/)
  })
})
