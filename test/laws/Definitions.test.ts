/** Every law, on definitions and logs that are generated: what holds here holds for whatever users define. */
import { describe, it } from "@effect/vitest"
import fc from "fast-check"
import {
  checkDataRoundTrip,
  checkDecisions,
  checkFold,
  checkIdempotence,
  checkPurity,
  checkSnapshots,
  checkTemporal,
  checkUpcasts
} from "@refold/core/laws"
import { definition } from "../arbitraries/Definition.ts"

const laws = [
  ["law 1: replay of a ++ b is replay from replay of a over b", checkFold],
  ["law 2: redelivered events leave the state as it was", checkIdempotence],
  ["law 3: replay with snapshots is replay without, in every field", checkSnapshots],
  ["law 4: the state at t is the fold of the events up to t, for ever", checkTemporal],
  ["law 5: what decide accepts, evolve folds to the announced state", checkDecisions],
  ["law 7: upcasting commutes with folding; no foreign snapshot is used", checkUpcasts],
  ["data and logs survive their JSON", checkDataRoundTrip],
  ["the same twice is the same, and nothing given is changed", checkPurity]
] as const

describe("Laws on generated definitions", () => {
  for (const [title, check] of laws) {
    it(title, () =>
      fc.assert(
        fc.property(definition, fc.integer(), ({ generators, workflow }, seed) =>
          check(workflow, { ...generators, seed, numRuns: 1 })
        ),
        { numRuns: 1000 }
      )
    )
  }
})
