/**
 * `npm run bench -- [--only PATTERN] [--json] [--strict]`: every figure is a ratio against a hand-written reference. Both
 * are measured in this run, in alternating turns. `--json` prints one array. `--strict` exits with 1 if a target is missed.
 *
 * `npm run bench -- --plots [--only PATTERN]` measures and draws the plots of `docs/performance.md`.
 * `npm run bench -- --soak [MINUTES]` runs a worker and a producer at a steady rate, ten minutes by default.
 *
 * Without `DATABASE_URL` and `REDIS_URL` it starts private servers.
 */
import { Effect, Logger } from "effect"
import { backlogs } from "./Backlog.ts"
import { feeds } from "./Feed.ts"
import { folds } from "./Folds.ts"
import { headlines } from "./Headline.ts"
import { imports } from "./Imports.ts"
import * as Machine from "./Machine.ts"
import { type Figure, isMissed } from "./Measure.ts"
import { memories } from "./Memory.ts"
import * as Options from "./Options.ts"
import { plots } from "./Plots.ts"
import { replays } from "./Replays.ts"
import { scales } from "./Scale.ts"
import { Servers } from "./Servers.ts"
import * as Soak from "./Soak.ts"
import { submits } from "./Submits.ts"
import * as Table from "./Table.ts"
import { takeovers } from "./Takeover.ts"

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
]

const write = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n`))
const note = (text: string) => Effect.sync(() => process.stderr.write(`${text}\n`))

const measure = Effect.fnUntraced(function* ({ isJson, isStrict, only }: Options.Options) {
  const chosen = yield* choose(runs, ({ names }) => names, only)
  yield* prepare(chosen)
  const figures: Array<Figure> = []
  if (!isJson) yield* write(Table.head)
  for (const run of chosen) {
    const measured = (yield* Effect.scoped(run.figures)).filter(({ name }) => only.test(name))
    if (!isJson) for (const figure of measured) yield* write(Table.row(figure))
    figures.push(...measured)
  }
  if (isJson) yield* write(JSON.stringify(figures))
  if (isStrict && figures.some(isMissed)) process.exitCode = 1
})

const drawPlots = Effect.fnUntraced(function* ({ only }: Options.Options) {
  const chosen = yield* choose(plots, ({ name }) => [name], only)
  yield* prepare(chosen)
  for (const plot of chosen) {
    yield* Effect.scoped(plot.draw)
    yield* write(`docs/performance/${plot.name}.svg`)
  }
})

const choose = Effect.fnUntraced(function* <A>(
  all: ReadonlyArray<A>,
  namesOf: (each: A) => ReadonlyArray<string>,
  only: RegExp
) {
  const chosen = all.filter((each) => namesOf(each).some((name) => only.test(name)))
  if (chosen.length > 0) return chosen
  const names = all.flatMap(namesOf).join(", ")
  return yield* new Options.OptionsInvalid({ problem: `Nothing is named like ${String(only)}; there are ${names}` })
})

/** Prints the machine, and stops before it seeds data if the machine cannot do the run. */
const prepare = Effect.fnUntraced(function* (chosen: ReadonlyArray<{ readonly diskGiB: number }>) {
  const notes = yield* Machine.check(Math.max(...chosen.map(({ diskGiB }) => diskGiB)))
  for (const text of [Machine.summary(), ...notes]) yield* note(text)
})

const program = Effect.gen(function* () {
  const options = yield* Options.parse(process.argv.slice(2))
  switch (options.mode._tag) {
    case "Figures":
      return yield* measure(options)
    case "Plots":
      return yield* drawPlots(options)
    case "Soak":
      yield* prepare([Soak])
      return yield* Effect.scoped(Soak.run(options.mode.minutes))
  }
})

const isForWhoRuns = (error: unknown) =>
  error instanceof Options.OptionsInvalid ||
  error instanceof Machine.DiskTooSmall ||
  error instanceof Machine.ServerUnusable

// Log messages, such as warnings of pending events, are not part of the figures.
const logging = Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])

await Effect.runPromise(
  program.pipe(
    Effect.provide([Servers.layer, logging]),
    Effect.catchIf(isForWhoRuns, (error) =>
      Effect.andThen(
        note(error instanceof Error ? error.message : ""),
        Effect.sync(() => {
          process.exitCode = 2
        })
      )
    )
  )
)
