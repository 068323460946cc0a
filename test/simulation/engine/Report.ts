/** The report of a failing run: its shortened script, the command that repeats it, and the trace. */
import type { Outcome } from "./Run.ts"
import { type Script, draw, inCalm, print, printSetting } from "./Script.ts"
import { type Shortened, shorten } from "./Shortening.ts"

/** The most runs that shortening may take. */
export const maxRuns = 400

/** The most lines of the trace in a report. */
const lastLines = 60

/** A script, as command-line arguments name it. */
export interface Chosen {
  readonly seed: string
  /** Numbers of the steps to keep; all by default. */
  readonly keep?: ReadonlyArray<number>
  readonly isCalm?: boolean
}

export const scriptOf = ({ isCalm = false, keep, seed }: Chosen): Script => {
  const drawn = draw(seed)
  const script = isCalm ? inCalm(drawn) : drawn
  return keep === undefined ? script : { ...script, steps: script.steps.filter(({ place }) => keep.includes(place)) }
}

export const printScript = ({ setting, steps }: Script): string =>
  [printSetting(setting), ...steps.map((step) => `${String(step.place).padStart(4)}  ${print(step)}`)].join("\n")

const commandOf = ({ schedule, script }: Shortened): string => {
  const isCalm = script.setting.latencyMillis === 0 && script.setting.pace.haste === 0
  const kept = script.steps.map(({ place }) => place).join()
  return `npm run simulate -- --seed ${script.seed} --keep ${kept}${isCalm ? " --calm" : ""} --schedule ${schedule} --trace`
}

export const printTrace = ({ trace }: Outcome, count: number): string => trace.slice(-count).join("\n")

/** The report of a script that failed. */
export const report = (script: Script): string => {
  const shortened = shorten(script, maxRuns)
  if (shortened === undefined) return `Seed ${script.seed} does not fail again: the run is not deterministic`
  const { outcome, runCount } = shortened
  return [
    `Seed ${script.seed} breaks an invariant. ${outcome.violation?.message ?? ""}`,
    `${shortened.script.steps.length} of its ${script.steps.length} steps, found in ${runCount} runs:`,
    printScript(shortened.script),
    `Again: ${commandOf(shortened)}`,
    `The end of what happened, with the time in milliseconds:`,
    printTrace(outcome, lastLines)
  ].join("\n\n")
}
