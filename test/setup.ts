/**
 * In every worker, before its test file: how many cases a property runs, and from which seed.
 *
 * `PROP_RUNS=2000` runs more; a failure prints its seed, and `PROP_SEED=…` runs it again.
 */
import { addEqualityTesters } from "@effect/vitest"
import { Arbitrary } from "effect"
import fc from "fast-check"

const runs = Number(process.env["PROP_RUNS"] ?? 100)
const seed = process.env["PROP_SEED"]

fc.configureGlobal({ numRuns: runs, ...(seed === undefined ? {} : { seed: Number(seed) }) })
Arbitrary.configureGlobal({ check: { runs, ...(seed === undefined ? {} : { seed }) } })
addEqualityTesters()
