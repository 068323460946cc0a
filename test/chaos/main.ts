/** `npm run chaos`: prints the result of a run as one JSON object; exits with 1 unless all counts are zero. */
import { Effect } from "effect"
import { parseArgs } from "node:util"
import { run } from "./Run.ts"

const { values } = parseArgs({
  options: {
    events: { type: "string", default: "50000" },
    executions: { type: "string", default: "2000" },
    tenants: { type: "string", default: "20" },
    workers: { type: "string", default: "4" },
    seed: { type: "string", default: String(process.pid) }
  }
})
const executionCount = Number(values.executions)
const { log, outcome } = await Effect.runPromise(
  run({
    eventCount: Math.ceil(Number(values.events) / executionCount),
    executionCount,
    tenantCount: Number(values.tenants),
    workerCount: Number(values.workers),
    faultInterval: "2 seconds",
    seed: values.seed
  })
)
process.stdout.write(`${JSON.stringify(outcome, null, 2)}\n`)
const { doubled, headersOff, lost, notApplied, offsetGaps, outOfOrder, positionGaps } = outcome
const wrong = lost + doubled + outOfOrder + positionGaps + offsetGaps + headersOff + notApplied
if (wrong > 0 || !outcome.drained) {
  process.stderr.write(`${log}\n`)
  process.exitCode = 1
}
