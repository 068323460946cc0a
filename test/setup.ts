/**
 * Runs in every worker before its test file. Sets how many cases a property runs, and the seed.
 *
 * `PROP_RUNS=2000` runs more cases. A failure prints its seed; `PROP_SEED=…` repeats it.
 */
import { addEqualityTesters } from "@effect/vitest"
import { Arbitrary } from "effect"
import fc from "fast-check"

const runs = Number(process.env["PROP_RUNS"] ?? 100)
const seed = process.env["PROP_SEED"]

fc.configureGlobal({ numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed) }) })
Arbitrary.configureGlobal({ check: { runs, ...(seed === undefined ? {} : { seed }) } })
addEqualityTesters()
