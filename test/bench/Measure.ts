/** Measures ours against a hand-written reference in the same run, turn by turn. */
import { Effect } from "effect"

export interface Figure {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly reference: number
  /** Above 1, ours is faster (or smaller) than the reference. The median of the turns. */
  readonly ratio: number
  /** Half the distance between the least and the greatest ratio of a turn, as a share of the median. */
  readonly spread: number
  /** The least ratio that will do; 0 for a figure that is for information. */
  readonly target: number
}

export interface Comparison<E1, R1, E2, R2> {
  readonly name: string
  /** Of what one run does so many: the figures are of these per second. Absent: they are milliseconds per run. */
  readonly work?: { readonly count: number; readonly unit: string }
  readonly target: number
  readonly turns?: number
  readonly ours: Effect.Effect<unknown, E1, R1>
  readonly reference: Effect.Effect<unknown, E2, R2>
}

/** A shorter measurement says more about the clock and the garbage collector than about what is measured. */
const leastMillis = 40

const millisOf = <E, R>(effect: Effect.Effect<unknown, E, R>, runCount: number) =>
  Effect.gen(function* () {
    const startedAt = performance.now()
    for (let run = 0; run < runCount; run++) yield* effect
    return (performance.now() - startedAt) / runCount
  })

/** How many runs make a measurement. Warms up as it finds out. */
const calibrate = Effect.fnUntraced(function* <E, R>(effect: Effect.Effect<unknown, E, R>) {
  let runCount = 1
  while ((yield* millisOf(effect, runCount)) * runCount < leastMillis) runCount *= 2
  return runCount
})

/** Medians of at least five turns; every second turn begins with the reference. */
export const compare = Effect.fnUntraced(function* <E1, R1, E2, R2>(comparison: Comparison<E1, R1, E2, R2>) {
  const { name, ours, reference, target, turns = 7, work } = comparison
  const oursCount = yield* calibrate(ours)
  const referenceCount = yield* calibrate(reference)
  const taken: Array<{ readonly ours: number; readonly reference: number }> = []
  for (let turn = 0; turn < turns; turn++) {
    if (turn % 2 === 0) {
      const first = yield* millisOf(ours, oursCount)
      taken.push({ ours: first, reference: yield* millisOf(reference, referenceCount) })
    } else {
      const first = yield* millisOf(reference, referenceCount)
      taken.push({ ours: yield* millisOf(ours, oursCount), reference: first })
    }
  }
  const value = (millis: number) => (work === undefined ? millis : (work.count / millis) * 1000)
  const figure: Figure = {
    name,
    unit: work === undefined ? "ms" : `${work.unit}/s`,
    ours: value(median(taken.map((turn) => turn.ours))),
    reference: value(median(taken.map((turn) => turn.reference))),
    ...ratioOf(taken.map((turn) => turn.reference / turn.ours)),
    target
  }
  return figure
})

export const ratioOf = (ratios: ReadonlyArray<number>): Pick<Figure, "ratio" | "spread"> => {
  const ratio = median(ratios)
  return { ratio, spread: (Math.max(...ratios) - Math.min(...ratios)) / 2 / ratio }
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((left, right) => left - right)
  const middle = Math.floor(sorted.length / 2)
  const [low = 0, high = 0] = sorted.length % 2 === 0 ? sorted.slice(middle - 1) : sorted.slice(middle)
  return sorted.length % 2 === 0 ? (low + high) / 2 : low
}

export const isMissed = (figure: Figure): boolean => figure.ratio < figure.target
