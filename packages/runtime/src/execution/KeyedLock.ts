/** Callers of one execution take turns: in one process none of them is late for another's commit. */
import { type ExecutionRef, executionKey } from "@refold/core"
import { Effect, Semaphore } from "effect"

interface Line {
  readonly semaphore: Semaphore.Semaphore
  length: number
}

export class KeyedLock {
  readonly #lines = new Map<string, Line>()

  /** Executions that have a caller now. */
  get size(): number {
    return this.#lines.size
  }

  /** Runs the effect when those of the same execution that came before have ended. */
  run<A, E, R>(ref: ExecutionRef, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const key = executionKey(ref)
      // Who is interrupted before it stands in line must not leave it. `acquireUseRelease` would take twice as long.
      let own: Line | undefined
      return Effect.ensuring(
        Effect.suspend(() => {
          own = this.#lines.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), length: 0 }
          own.length++
          this.#lines.set(key, own)
          return own.semaphore.withPermits(1)(effect)
        }),
        Effect.sync(() => {
          if (own === undefined) return
          own.length--
          if (own.length === 0) this.#lines.delete(key)
        })
      )
    })
  }
}
