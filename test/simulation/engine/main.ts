/** `npm run simulate`: runs one seed or many. Shortens and reports the first that breaks an invariant, with exit code 1. */
import { parseArgs } from "node:util"
import { printScript, printTrace, report, scriptOf } from "./Report.ts"
import { run } from "./Run.ts"

const usage = `npm run simulate -- --seed N [--keep PLACES] [--calm] [--schedule N] [--trace]   one run
npm run simulate -- --seeds FROM..TO                                               many`

function refuse(problem: string): never {
  process.stderr.write(`${problem}\n${usage}\n`)
  process.exit(2)
}

const parse = () =>
  parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string" },
      keep: { type: "string" },
      calm: { type: "boolean", default: false },
      schedule: { type: "string", default: "0" },
      trace: { type: "boolean", default: false }
    }
  }).values

const options = (() => {
  try {
    return parse()
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
})()

const say = (text: string) => process.stdout.write(`${text}\n`)

const runOne = (seed: string) => {
  const keep = options.keep?.split(",").map(Number)
  if (keep?.some((place) => !Number.isInteger(place)) === true) refuse("--keep takes places of steps, as 3,7,9")
  const schedule = Number(options.schedule)
  if (!Number.isInteger(schedule)) refuse("--schedule takes a whole number")
  const script = scriptOf({ seed, isCalm: options.calm, ...(keep === undefined ? {} : { keep }) })
  const outcome = run(script, { schedule })
  const { violation } = outcome
  // A shortened script is shown as it is.
  if (violation !== undefined && keep === undefined) say(report(script))
  else {
    say(printScript(script))
    if (options.trace) say(`\n${printTrace(outcome, Infinity)}`)
    say(`\n${violation === undefined ? `Seed ${seed} holds.` : violation.message}`)
  }
  if (violation !== undefined) process.exitCode = 1
}

const runMany = (range: string) => {
  const bounds = /^(\d+)\.\.(\d+)$/.exec(range)
  if (bounds === null) refuse("--seeds takes a range, as 1..2000")
  const [from, to] = [Number(bounds[1]), Number(bounds[2])]
  const startedAt = process.cpuUsage()
  for (let seed = from; seed <= to; seed++) {
    const script = scriptOf({ seed: String(seed) })
    if (run(script).violation === undefined) continue
    process.exitCode = 1
    say(report(script))
    return
  }
  const millis = process.cpuUsage(startedAt).user / 1000 / (to - from + 1)
  say(`Seeds ${range} hold; one takes ${millis.toFixed(1)} ms of a core.`)
}

if (options.seed !== undefined) runOne(options.seed)
else if (options.seeds !== undefined) runMany(options.seeds)
else refuse("Which seed?")
