/**
 * Runs fibers one task at a time, in an order that a seed chooses, with its own time.
 *
 * **Details**
 *
 * Nothing depends on the machine. The tasks of all fibers are in one pool, and the seed picks the next. The seed also
 * chooses after how many operations a fiber yields, so that fibers can interleave between any two operations. If nothing
 * can run, time passes to the next wake-up of a sleeper. Rarely it also passes while something can run, as on a slow
 * machine.
 *
 * `TestClock` does not fit: it wakes sleepers one by one, waits until each is idle (which hides how they affect each
 * other), and starts a real timer for each. Timers and the wall clock are separate here: a jump of the wall clock wakes
 * nobody.
 */
import { type Clock, Duration, Effect, type Fiber, type Scheduler } from "effect"
import type { Chance } from "./Chance.ts"

interface Sleeper {
  readonly untilMillis: number
  readonly wake: () => void
}

export interface Pace {
  /** The most operations before a fiber yields. */
  readonly patience: number
  /** The probability that time passes at a task although something can run. */
  readonly haste: number
}

/** How a run ended; "Restless" if it needed more tasks than it was allowed. */
export type End = "Done" | "Stuck" | "Restless"

export class SeededScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  readonly #chance: Chance
  readonly #tasks: Array<() => void> = []
  #sleepers: Array<Sleeper> = []
  #nowMillis = Date.UTC(2030, 0, 1)
  #pace: Pace
  #budget: number

  constructor(chance: Chance, pace: Pace) {
    this.#chance = chance
    this.#pace = pace
    this.#budget = this.#draw()
  }

  set pace(pace: Pace) {
    this.#pace = pace
    this.#budget = this.#draw()
  }

  /** Milliseconds since 1970, on a clock that never jumps. */
  get nowMillis(): number {
    return this.#nowMillis
  }

  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    if (fiber.currentOpCount < this.#budget) return false
    this.#budget = this.#draw()
    return true
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return {
      scheduleTask: (task) => {
        this.#tasks.push(task)
      },
      flush: () => {}
    }
  }

  /** Runs to the end, or up to the given number of tasks. */
  run(isDone: () => boolean, maxTasks: number): { readonly end: End; readonly taskCount: number } {
    for (let taskCount = 0; taskCount < maxTasks; taskCount++) {
      if (isDone()) return { end: "Done", taskCount }
      if (this.#pace.haste > 0 && this.#chance.happens(this.#pace.haste)) this.#passTime()
      const index = this.#tasks.length > 1 ? this.#chance.below(this.#tasks.length) : 0
      const task = this.#tasks[index]
      const last = this.#tasks.pop()
      if (task !== undefined && last !== undefined) {
        if (index < this.#tasks.length) this.#tasks[index] = last
        task()
      } else if (!this.#passTime()) return { end: "Stuck", taskCount }
    }
    return { end: "Restless", taskCount: maxTasks }
  }

  /** A wall clock, which adds the skew to the time, and its timers. */
  clock(skew: { readonly millis: number }): Clock.Clock {
    const currentTimeMillisUnsafe = () => this.#nowMillis + skew.millis
    const currentTimeNanosUnsafe = () => BigInt(currentTimeMillisUnsafe()) * nanosPerMilli
    const monotonicTimeNanosUnsafe = () => BigInt(this.#nowMillis) * nanosPerMilli
    return {
      currentTimeMillisUnsafe,
      currentTimeNanosUnsafe,
      monotonicTimeNanosUnsafe,
      currentTimeMillis: Effect.sync(currentTimeMillisUnsafe),
      currentTimeNanos: Effect.sync(currentTimeNanosUnsafe),
      monotonicTimeNanos: Effect.sync(monotonicTimeNanosUnsafe),
      sleep: (duration) => this.#sleep(Math.ceil(Duration.toMillis(duration)))
    }
  }

  #sleep(millis: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const sleeper: Sleeper = { untilMillis: this.#nowMillis + millis, wake: () => resume(Effect.void) }
      this.#sleepers.push(sleeper)
      return Effect.sync(() => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper)
      })
    })
  }

  /** Whether a sleeper was woken. */
  #passTime(): boolean {
    if (this.#sleepers.length === 0) return false
    const next = this.#sleepers.reduce((least, { untilMillis }) => Math.min(least, untilMillis), Infinity)
    this.#nowMillis = Math.max(this.#nowMillis, next)
    const still: Array<Sleeper> = []
    for (const sleeper of this.#sleepers) {
      if (sleeper.untilMillis > this.#nowMillis) still.push(sleeper)
      else this.#tasks.push(sleeper.wake)
    }
    this.#sleepers = still
    return true
  }

  /** Operations until the next yield. */
  #draw(): number {
    return this.#pace.patience < calm ? 2 + this.#chance.below(this.#pace.patience) : this.#pace.patience
  }
}

const nanosPerMilli = 1_000_000n

/** The default of Effect for a fiber. */
export const calm = 2048
