/**
 * `npm run bench -- [--only PATTERN] [--json] [--strict]`: every figure is a ratio against a hand-written reference, both
 * measured in this run, turn by turn.
 *
 * Without `DATABASE_URL` it starts a PostgreSQL of its own. `--json` prints one array; `--strict` makes a target missed
 * exit code 1.
 */
import { parseArgs } from "node:util"
import { Effect } from "effect"
import { sharedPostgres } from "../servers/Postgres.ts"
import { sharedRedis } from "../servers/Redis.ts"
import { layer } from "./Database.ts"
import { folds } from "./Folds.ts"
import { imports } from "./Imports.ts"
import { type Figure, isMissed } from "./Measure.ts"
import { memories } from "./Memory.ts"
import { processing } from "./Processing.ts"
import { replays } from "./Replays.ts"
import { workers } from "./Workers.ts"

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    strict: { type: "boolean", default: false }
  }
})

const schema = "refold_bench"
const only = new RegExp(options.only)

const chosen = <Run>(runs: Readonly<Record<string, Run>>) =>
  Object.entries(runs).flatMap(([name, run]) => (only.test(name) ? [run] : []))

const rounded = (value: number) => (value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3))

const line = (cells: ReadonlyArray<string>) =>
  cells.map((cell, place) => (place === 0 ? cell.padEnd(18) : cell.padStart(13))).join(" ")

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

const report = <E, R>(runs: ReadonlyArray<Effect.Effect<Figure, E, R>>) =>
  Effect.forEach(runs, (run) =>
    Effect.tap(run, (figure) => Effect.sync(() => options.json || process.stdout.write(`${row(figure)}\n`)))
  )

if (!options.json) {
  process.stdout.write(`${line(["figure", "unit", "ours", "reference", "ratio", "spread", "target", ""])}\n`)
}
const figures: Array<Figure> = await Effect.runPromise(report(chosen(folds)))
const onServer = (url: string) => {
  const replaying = chosen(replays(schema))
  const importing = chosen(imports(schema))
  const remembering = chosen(memories(url, schema))
  return {
    count: replaying.length + importing.length + remembering.length,
    run: Effect.all([report(replaying), report(importing), report(remembering)]).pipe(Effect.map((all) => all.flat()))
  }
}
if (onServer("").count > 0) {
  const { stop, url } = await sharedPostgres()
  const run = onServer(url).run.pipe(Effect.provide(layer(url, schema)))
  figures.push(...(await Effect.runPromise(run).finally(stop)))
}
if (Object.keys(processing("", "")).some((name) => only.test(name))) {
  const [postgres, redis] = await Promise.all([sharedPostgres(), sharedRedis()])
  const run = report(chosen(processing(postgres.url, redis.url)))
  figures.push(...(await Effect.runPromise(run).finally(() => Promise.all([postgres.stop(), redis.stop()]))))
}
figures.push(...(await Effect.runPromise(report(chosen(workers)))))
if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`)
if (options.strict && figures.some(isMissed)) process.exitCode = 1
