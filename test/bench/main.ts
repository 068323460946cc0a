/**
 * `npm run bench -- [--only PATTERN] [--json] [--strict]`: every figure is a ratio against a hand-written reference, both
 * measured in this run, turn by turn.
 *
 * Without `DATABASE_URL` and `REDIS_URL` it starts servers of its own. `--json` prints one array; `--strict` makes a target
 * missed exit code 1.
 */
import { parseArgs } from "node:util"
import { Effect, Logger } from "effect"
import { backlogs } from "./Backlog.ts"
import { feeds } from "./Feed.ts"
import { folds } from "./Folds.ts"
import { headlines } from "./Headline.ts"
import { imports } from "./Imports.ts"
import { type Figure, isMissed } from "./Measure.ts"
import { memories } from "./Memory.ts"
import { replays } from "./Replays.ts"
import { scales } from "./Scale.ts"
import { Servers } from "./Servers.ts"
import { submits } from "./Submits.ts"
import { takeovers } from "./Takeover.ts"

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    strict: { type: "boolean", default: false }
  }
})

const only = new RegExp(options.only)

const runs = [
  ...folds,
  ...replays,
  ...submits,
  ...headlines,
  ...backlogs,
  ...imports,
  ...feeds,
  ...memories,
  ...scales,
  ...takeovers
].filter(({ names }) => names.some((name) => only.test(name)))

const rounded = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3))

const line = (cells: ReadonlyArray<string>) =>
  cells.map((cell, place) => (place === 0 ? cell.padEnd(21) : cell.padStart(11))).join(" ")

const row = (figure: Figure) =>
  line([
    figure.name,
    figure.unit,
    rounded(figure.ours),
    rounded(figure.reference),
    figure.ratio.toFixed(2),
    `±${Math.round(figure.spread * 100)} %`,
    figure.target === 0 ? "" : `≥ ${figure.target.toFixed(2)}`,
    isMissed(figure) ? "missed" : ""
  ])

const print = (text: string) => Effect.sync(() => options.json || process.stdout.write(`${text}\n`))

const program = Effect.gen(function* () {
  yield* print(line(["figure", "unit", "ours", "reference", "ratio", "spread", "target", ""]))
  const figures: Array<Figure> = []
  for (const run of runs) {
    const measured = (yield* Effect.scoped(run.figures)).filter(({ name }) => only.test(name))
    for (const figure of measured) yield* print(row(figure))
    figures.push(...measured)
  }
  if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
  if (options.strict && figures.some(isMissed)) process.exitCode = 1
})

// What is logged, such as that events wait, is no part of the figures.
const logging = Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])

await Effect.runPromise(Effect.provide(program, [Servers.layer, logging]))
