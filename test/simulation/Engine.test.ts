/** Law 6 and related laws on the whole engine: thousands of seeds, each a run with faults at any call. */
import { assert, describe, it } from "@effect/vitest"
import { setImmediate } from "node:timers/promises"
import { report, scriptOf } from "./engine/Report.ts"
import { run } from "./engine/Run.ts"
import { calls, draw } from "./engine/Script.ts"

/** `PROP_RUNS`, 100 by default, scales the number of seeds; `PROP_SEED` is the first. */
const seedCount = 20 * Number(process.env["PROP_RUNS"] ?? 100)
const firstSeed = Number(process.env["PROP_SEED"] ?? 1)

const faults = [
  "fails",
  "loses its answer",
  "starts late",
  "answers late",
  "hangs",
  "hangs, done",
  "is refused",
  "kills before",
  "kills after",
  "drops",
  "doubles",
  "turns round"
]

/** Counts of the actions in all runs, by name: a run that does nothing proves nothing. */
const met = new Map<string, number>()
const count = (name: string, by = 1) => met.set(name, (met.get(name) ?? 0) + by)

describe("The engine, simulated", () => {
  it(`holds its promises under each of ${seedCount} seeds`, async () => {
    for (let seed = firstSeed; seed < firstSeed + seedCount; seed++) {
      const script = draw(String(seed))
      const { eventCount, statuses, trace, violation } = run(script)
      if (violation !== undefined) assert.fail(report(script))
      count("events", eventCount)
      for (const status of statuses) count(status)
      for (const line of trace) {
        const [, call, fault] = /^ *\d+ {2}\w+ (\w+).*?(?: · (.*))?$/.exec(line) ?? []
        if (call !== undefined) count(call)
        if (fault !== undefined) count(fault)
      }
      // Lets the test runner get messages from this file meanwhile.
      if (seed % 50 === 0) await setImmediate()
    }
    assert.isAtLeast(met.get("events") ?? 0, 10 * seedCount)
  }, 600_000)

  it("was given work enough: every call, every fault and every end of a queued event came up", () => {
    const expected = [...calls, ...faults, "Applied", "Rejected", "Skipped", "Discarded"]
    assert.deepStrictEqual(
      expected.filter((name) => (met.get(name) ?? 0) < seedCount / 500),
      []
    )
  })

  it("is deterministic: the same seed gives the same trace, line by line, another seed another", () => {
    const traces = Array.from({ length: 20 }, (_, index) => run(draw(String(index))).trace)
    const again = Array.from({ length: 20 }, (_, index) => run(draw(String(index))).trace)
    assert.deepStrictEqual(again, traces)
    assert.strictEqual(new Set(traces.map((trace) => trace.join())).size, traces.length)
  })

  it("runs the steps that are kept, and no others", () => {
    const script = scriptOf({ seed: "1", keep: [0, 1] })
    assert.deepStrictEqual(script.steps, draw("1").steps.slice(0, 2))
    assert.isUndefined(run(script).violation)
  })
})
