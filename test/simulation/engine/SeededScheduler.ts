/**
 * Runs fibers one task at a time, in an order that a seed chooses, in a time of its own.
 *
 * **Details**
 *
 * Nothing is left to the machine: tasks of all fibers stand in one pool and the seed picks the next; it also says after how
 * many operations a fiber is made to yield, so that fibers meet between any two of them. Time passes when nothing can
 * run, to the next instant that somebody sleeps until, and (rarely) while something can, as on a machine that is slow.
 *
 * `TestClock` is not used, since it wakes sleepers one by one, waits for each to come to rest (which hides what they do to
 * each other), and starts a timer of the machine's for each. Timers and the clock on the wall are two things here as
 * well: a jump of the second wakes nobody.
 */
import { type Clock, Duration, Effect, type Fiber, type Scheduler } from "effect"
import type { Chance } from "./Chance.ts"

interface Sleeper {
  readonly untilMillis: number
  readonly wake: () => void
}

export interface Pace {
  /** Operations after which a fiber yields, at most. */
  readonly patience: number
  /** How likely time passes at a task although something can run. */
  readonly haste: number
}

/** How a run came to its end: "Restless" when it took more tasks than it was given. */
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

  /** Milliseconds since 1970 on a clock that never jumps. */
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

  /** Runs until it is done, but no more than so many tasks. */
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

  /** A clock on the wall, which shows the time moved by the skew, and its timers. */
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

  /** Whether somebody slept. */
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

/** What Effect itself gives a fiber. */
export const calm = 2048
