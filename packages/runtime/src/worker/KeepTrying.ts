/** Repeats what failed until it works: a worker waits for a store, a channel or an operator, and warns once an outage. */
import { Effect, Schedule } from "effect"

/** Whether the current outage was reported. Shared by effects that fail for one reason. */
export interface Outage {
  isWarned: boolean
}

const backOff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)

/**
 * **Details**
 *
 * `what` ends the sentence "Worker … waits to". A defect counts as a failure: a worker that holds partitions must not stop
 * silently.
 */
export const keepTrying =
  (workerId: string) =>
  <A, E extends { readonly message: string }, R>(
    what: string,
    effect: Effect.Effect<A, E, R>,
    outage: Outage = { isWarned: false }
  ) =>
    effect.pipe(
      Effect.catchDefect((defect) => Effect.fail({ message: String(defect) })),
      Effect.tapError((error) => {
        if (outage.isWarned) return Effect.void
        outage.isWarned = true
        return Effect.logWarning(`Worker ${workerId} waits to ${what}: ${error.message}`)
      }),
      Effect.retry(backOff),
      Effect.tap(() =>
        Effect.sync(() => {
          outage.isWarned = false
        })
      )
    )

export type KeepTrying = ReturnType<typeof keepTrying>
