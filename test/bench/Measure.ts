/** Measures Refold against a hand-written reference in the same run, in alternating turns. */
import { Array, Effect } from "effect"

export interface Figure {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly reference: number
  /** Above 1, Refold is faster (or smaller) than the reference. The median of the turns. */
  readonly ratio: number
  /** Half the distance between the least and the greatest ratio of a turn, relative to the median. */
  readonly spread: number
  /** The least acceptable ratio; 0 for a figure that is for information. */
  readonly target: number
}

/** The measurements of one turn, in the unit of the figure. */
export interface Turn<A = number> {
  readonly ours: A
  readonly reference: A
}

export const defaultTurnCount = 5

/** Turns of figures that take a second or less: on a busy machine, five turns vary by a tenth. */
export const shortTurnCount = 11

/** Every second turn starts with the reference, so a slow phase of the machine affects both sides. */
export const alternate = Effect.fnUntraced(function* <A, E1, R1, E2, R2>(
  ours: Effect.Effect<A, E1, R1>,
  reference: Effect.Effect<A, E2, R2>,
  turnCount = defaultTurnCount
) {
  const turns: Array<Turn<A>> = []
  for (let turn = 0; turn < turnCount; turn++) {
    const first = turn % 2 === 0 ? yield* ours : undefined
    const other = yield* reference
    turns.push({ ours: first ?? (yield* ours), reference: other })
  }
  return turns
})

/** The figure of several turns: for a rate more is better, for a duration or a size less. */
export const figureOf = (
  name: string,
  unit: string,
  target: number,
  turns: ReadonlyArray<Turn>,
  better: "more" | "less"
): Figure => ({
  name,
  unit,
  target,
  ours: median(turns.map((turn) => turn.ours)),
  reference: median(turns.map((turn) => turn.reference)),
  ...ratioOf(turns.map(({ ours, reference }) => (better === "more" ? ours / reference : reference / ours)))
})

/** A figure against a bound instead of a reference: a ratio of 1 is enough. */
export const boundedBy = (name: string, unit: string, bound: number, values: ReadonlyArray<number>): Figure =>
  figureOf(
    name,
    unit,
    1,
    values.map((ours) => ({ ours, reference: bound })),
    "less"
  )

export interface Comparison<E1, R1, E2, R2> {
  readonly name: string
  /** Items per run: the figures are items per second. Without it they are milliseconds per run. */
  readonly work?: { readonly count: number; readonly unit: string }
  readonly target: number
  readonly turns?: number
  readonly ours: Effect.Effect<unknown, E1, R1>
  readonly reference: Effect.Effect<unknown, E2, R2>
}

/** A shorter measurement shows the clock and the garbage collector more than the subject. */
const leastMillis = 40

const millisOf = <E, R>(effect: Effect.Effect<unknown, E, R>, runCount: number) =>
  Effect.gen(function* () {
    const startedAt = performance.now()
    for (let run = 0; run < runCount; run++) yield* effect
    return (performance.now() - startedAt) / runCount
  })

/** How long each side warms up before it is measured. */
const warmUpMillis = 2000

/** How many runs fill a measurement, after a warm-up. */
const calibrate = Effect.fnUntraced(function* <E, R>(effect: Effect.Effect<unknown, E, R>) {
  for (let millis = 0; millis < warmUpMillis;) millis += yield* millisOf(effect, 1)
  let runCount = 1
  while ((yield* millisOf(effect, runCount)) * runCount < leastMillis) runCount *= 2
  return runCount
})

/** Runs of a whole operation, one after another. */
export const compare = Effect.fnUntraced(function* <E1, R1, E2, R2>(comparison: Comparison<E1, R1, E2, R2>) {
  const { name, ours, reference, target, turns = shortTurnCount, work } = comparison
  const rateOf = <E, R>(effect: Effect.Effect<unknown, E, R>, runCount: number) =>
    Effect.map(millisOf(effect, runCount), (millis) => (work === undefined ? millis : (work.count / millis) * 1000))
  const taken = yield* alternate(
    rateOf(ours, yield* calibrate(ours)),
    rateOf(reference, yield* calibrate(reference)),
    turns
  )
  return figureOf(
    name,
    work === undefined ? "ms" : `${work.unit}/s`,
    target,
    taken,
    work === undefined ? "less" : "more"
  )
})

/** Durations of a closed loop and of its warm-up. */
const loopMillis = 1000
const loopWarmUpMillis = 10_000

/** Steps per second of this many fibers; each starts its next step when the last one is done. */
export const closedLoop = <E, R>(
  fiberCount: number,
  step: (fiber: number) => Effect.Effect<unknown, E, R>,
  millis = loopMillis
) =>
  Effect.gen(function* () {
    let stepCount = 0
    const startedAt = performance.now()
    const until = startedAt + millis
    yield* Effect.forEach(
      Array.range(0, fiberCount - 1),
      (fiber) =>
        Effect.whileLoop({
          while: () => performance.now() < until,
          body: () => step(fiber),
          step: () => {
            stepCount++
          }
        }),
      { concurrency: fiberCount, discard: true }
    )
    return { stepCount, perSecond: (stepCount * 1000) / (performance.now() - startedAt) }
  })

/** The number of fibers for a warm-up, whatever is measured then. */
export const warmUpFiberCount = 64

/**
 * A serving process has run for some time: its code is compiled after some ten thousand steps, for which one fiber would
 * take half a minute.
 */
export const warmUp = <E, R>(step: (fiber: number) => Effect.Effect<unknown, E, R>) =>
  closedLoop(warmUpFiberCount, step, loopWarmUpMillis)

export const ratioOf = (ratios: ReadonlyArray<number>): Pick<Figure, "ratio" | "spread"> => {
  const ratio = median(ratios)
  return { ratio, spread: (Math.max(...ratios) - Math.min(...ratios)) / 2 / ratio }
}

export const median = (values: ReadonlyArray<number>): number => percentile(values, 50)

/** Linear interpolation between two values. */
export const percentile = (values: ReadonlyArray<number>, percent: number): number => {
  const sorted = values.toSorted((left, right) => left - right)
  const place = ((sorted.length - 1) * percent) / 100
  const low = sorted[Math.floor(place)] ?? 0
  const high = sorted[Math.ceil(place)] ?? 0
  return low + (high - low) * (place - Math.floor(place))
}

export const isMissed = (figure: Figure): boolean => figure.ratio < figure.target
