/** Every law on generated definitions and logs: a law that holds here holds for definitions of users. */
import { describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type LawName, checkWorkflow } from "@refold/testing/laws"
import { definition } from "../arbitraries/Definition.ts"

const laws: ReadonlyArray<readonly [title: string, law: LawName]> = [
  ["law 1: replay of a ++ b is replay from replay of a over b", "fold"],
  ["law 2: redelivered events leave the state as it was", "idempotence"],
  ["law 3: replay with snapshots is replay without, in every field", "snapshots"],
  ["law 4: the state at t is the fold of the events up to t, for ever", "temporal"],
  ["law 5: what decide accepts, evolve folds to the announced state", "decisions"],
  ["law 7: upcasting commutes with folding; no foreign snapshot is used", "upcasts"],
  ["data and logs survive their JSON", "round-trip"],
  ["the same twice is the same, and nothing given is changed", "purity"]
]

/** One short log per definition, because the next run has another definition. */
const one = { numRuns: 1, maxEventCount: 8, coverage: "report" } as const

describe("Laws on generated definitions", () => {
  for (const [title, law] of laws) {
    it(title, () =>
      fc.assert(
        fc.property(definition, fc.integer(), ({ generators, workflow }, seed) => {
          checkWorkflow(workflow, { ...generators, ...one, laws: [law], seed })
        }),
        { numRuns: 1000 }
      )
    )
  }
})
