/** Progress on standard error: on a terminal a bar with rate and time left, elsewhere a line every few seconds. */
import { SingleBar } from "cli-progress"
import { Clock, Effect } from "effect"

/** How far the work is. The total is absent while it is unknown. */
export interface Step {
  /** Name of what is counted, such as "rows read". */
  readonly label: string
  readonly count: number
  readonly total?: number
}

/** Minimum milliseconds between two lines where there is no terminal. */
const lineInterval = 2000

/** Runs work that reports its steps. Shows the last step, and ends its line, before it returns. */
export const during = <A, E, R>(work: (show: (step: Step) => Effect.Effect<void>) => Effect.Effect<A, E, R>) =>
  Effect.scoped(Effect.flatMap(make, work))

const make = Effect.gen(function* () {
  let shown: { readonly bar: SingleBar; readonly label: string; readonly startedAt: number } | undefined
  yield* Effect.addFinalizer(() => Effect.sync(() => shown?.bar.stop()))

  return Effect.fnUntraced(function* ({ count, label, total }: Step) {
    const now = yield* Clock.currentTimeMillis
    if (shown?.label !== label) {
      shown?.bar.stop()
      const bar = new SingleBar({
        stream: process.stderr,
        noTTYOutput: true,
        notTTYSchedule: lineInterval,
        hideCursor: true,
        barsize: 30,
        etaBuffer: 1000,
        format:
          total === undefined
            ? "{label}: {value}, {rate}/s"
            : "{label}: {bar} {percentage}% of {total}, {rate}/s, {eta_formatted} left"
      })
      bar.start(total ?? count, 0, { label, rate: "-" })
      shown = { bar, label, startedAt: now }
    }
    const seconds = (now - shown.startedAt) / 1000
    shown.bar.update(count, { label, rate: seconds < 0.1 ? "-" : String(Math.round(count / seconds)) })
  })
})
