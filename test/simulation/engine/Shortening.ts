/** Shortens a failing script to as few steps as still break the same invariant. */
import type { Invariant } from "./Invariants.ts"
import { type Outcome, run } from "./Run.ts"
import type { RunOptions } from "./World.ts"
import { type Placed, type Script, inCalm } from "./Script.ts"

export interface Shortened {
  readonly script: Script
  readonly schedule: number
  readonly outcome: Outcome
  readonly runCount: number
}

/** Task orders to try for one script: with fewer steps, the first order may miss the mistake. */
const schedules = 3

/**
 * Removes smaller and smaller parts of the steps (delta debugging), in at most `maxRuns` runs.
 *
 * **Details**
 *
 * Returns undefined if the script does not fail.
 */
export const shorten = (
  script: Script,
  maxRuns: number,
  { bug }: Pick<RunOptions, "bug"> = {}
): Shortened | undefined => {
  const spent = { runCount: 0 }
  const failing = (tried: Script, invariant: Invariant | undefined): Shortened | undefined => {
    for (let schedule = 0; schedule < schedules && spent.runCount < maxRuns; schedule++) {
      spent.runCount++
      const outcome = run(tried, { schedule, ...(bug === undefined ? {} : { bug }) })
      const { violation } = outcome
      if (violation !== undefined && (invariant ?? violation.invariant) === violation.invariant) {
        return { script: tried, schedule, outcome, ...spent }
      }
    }
    return undefined
  }

  const first = failing(script, undefined)
  if (first?.outcome.violation === undefined) return undefined
  const { invariant } = first.outcome.violation
  let shortest = failing(inCalm(script), invariant) ?? first
  let partCount = 2
  while (shortest.script.steps.length > 1 && spent.runCount < maxRuns) {
    const { steps } = shortest.script
    const size = Math.ceil(steps.length / partCount)
    let shorter: Shortened | undefined
    for (let from = 0; from < steps.length && shorter === undefined; from += size) {
      const kept: ReadonlyArray<Placed> = [...steps.slice(0, from), ...steps.slice(from + size)]
      shorter = failing({ ...shortest.script, steps: kept }, invariant)
    }
    if (shorter !== undefined) {
      shortest = shorter
      partCount = Math.max(partCount - 1, 2)
    } else if (size === 1) break
    else partCount = Math.min(partCount * 2, steps.length)
  }
  return { ...shortest, ...spent }
}
