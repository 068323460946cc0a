/** Measures the data of the plots in `docs/performance.md`. */
import { Effect, type Scope } from "effect"
import { drainSeconds } from "./Backlog.ts"
import { type Point, draw } from "./Draw.ts"
import { headlines, idleTurns } from "./Headline.ts"
import { type Figure, median } from "./Measure.ts"
import { peaks } from "./Memory.ts"
import { replayTimes } from "./Replays.ts"
import type { Run } from "./Run.ts"
import type { Servers } from "./Servers.ts"
import { submits } from "./Submits.ts"

export interface Plot {
  readonly name: string
  readonly diskGiB: number
  readonly draw: Effect.Effect<void, unknown, Servers | Scope.Scope>
}

const [refold, byHand] = ["Refold", "by hand"]

/** Figures named after the number of events in flight. */
const inFlight = (runs: ReadonlyArray<Run>, pattern: RegExp) =>
  Effect.gen(function* () {
    const figures: Array<Figure> = []
    for (const run of runs.filter(({ names }) => names.some((name) => pattern.test(name)))) {
      figures.push(...(yield* Effect.scoped(run.figures)))
    }
    const pointsOf = (series: string, value: (figure: Figure) => number): ReadonlyArray<Point> =>
      figures.map((figure) => ({ series, x: Number(figure.name.split("/")[1]), y: value(figure) }))
    return [...pointsOf(refold, ({ ours }) => ours), ...pointsOf(byHand, ({ reference }) => reference)]
  })

const throughput: Plot = {
  name: "throughput",
  diskGiB: 1,
  draw: Effect.gen(function* () {
    const submit = yield* inFlight(submits, /^submit\/\d+$/)
    const headline = yield* inFlight(headlines, /^headline\/\d+$/)
    const y = { title: "events per second" }
    yield* draw("throughput", [
      {
        title: "Submitted",
        x: { title: "submissions in flight", isLog: true, values: [1, 4, 16, 64] },
        y,
        points: submit
      },
      {
        title: "Enqueued to applied, through Redis",
        x: { title: "events in flight", isLog: true, values: [1, 4, 16, 64, 256] },
        y,
        points: headline
      }
    ])
  })
}

const percentiles = [1, 10, 25, 50, 75, 90, 95, 99]

const latency: Plot = {
  name: "latency",
  diskGiB: 1,
  draw: Effect.gen(function* () {
    const turnsAt = yield* idleTurns
    const points = percentiles.flatMap((x): ReadonlyArray<Point> => {
      const turns = turnsAt(x)
      return [
        { series: refold, x, y: median(turns.map(({ ours }) => ours)) },
        { series: byHand, x, y: median(turns.map(({ reference }) => reference)) }
      ]
    })
    yield* draw("latency", [
      {
        title: "Enqueued to applied, one event at a time",
        x: { title: "percentile", values: [0, 25, 50, 75, 90, 99] },
        y: { title: "milliseconds" },
        points
      }
    ])
  })
}

const replay: Plot = {
  name: "replay",
  diskGiB: 1,
  draw: Effect.gen(function* () {
    const times = yield* replayTimes([100, 1000, 10_000, 100_000])
    yield* draw("replay", [
      {
        title: "Replay of one execution",
        x: { title: "events in its log", isLog: true, values: [100, 1000, 10_000, 100_000] },
        y: { title: "milliseconds", isLog: true, values: [0.1, 1, 10, 100, 1000] },
        points: [
          ...times.map(({ eventCount, fromStart }) => ({
            series: "from the first event",
            x: eventCount,
            y: fromStart
          })),
          ...times.map(({ eventCount, fromSnapshot }) => ({
            series: "from a snapshot, 10 events ago",
            x: eventCount,
            y: fromSnapshot
          }))
        ]
      }
    ])
  })
}

const memory: Plot = {
  name: "memory",
  diskGiB: 4,
  draw: Effect.gen(function* () {
    const lengths = [10_000, 30_000, 100_000, 300_000]
    const points: Array<Point> = []
    for (const work of ["import", "export", "replay", "feed"] as const) {
      for (const { eventCount, peakMiB } of yield* peaks(work, lengths)) {
        points.push({ series: work, x: eventCount, y: peakMiB })
      }
    }
    yield* draw("memory", [
      {
        title: "Peak memory of the process",
        x: { title: "events", isLog: true, values: lengths },
        y: { title: "resident memory, MiB" },
        points
      }
    ])
  })
}

const drain: Plot = {
  name: "drain",
  diskGiB: 2,
  draw: Effect.gen(function* () {
    const drained = yield* drainSeconds([1, 2, 4], 3)
    yield* draw("drain", [
      {
        title: "100,000 queued events, drained",
        x: { title: "worker processes", values: [1, 2, 4] },
        y: { title: "seconds" },
        points: drained.map(({ seconds, workerCount }) => ({ series: refold, x: workerCount, y: seconds }))
      }
    ])
  })
}

export const plots: ReadonlyArray<Plot> = [throughput, latency, replay, memory, drain]
