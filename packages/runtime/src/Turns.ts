/** Callers of one execution take turns: in one process none of them is late for another's commit. */
import { type ExecutionRef, executionKey } from "@refold/core"
import { Effect, Semaphore } from "effect"

export class Turns {
  /** As many as there are callers at most. */
  readonly #lines = new Map<string, { readonly semaphore: Semaphore.Semaphore; length: number }>()

  /** Runs the effect when those of the same execution that came before have ended. */
  take<A, E, R>(ref: ExecutionRef, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const key = executionKey(ref)
      const line = this.#lines.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), length: 0 }
      line.length++
      this.#lines.set(key, line)
      return line.semaphore
        .withPermits(1)(effect)
        .pipe(
          Effect.ensuring(
            Effect.sync(() => {
              line.length--
              if (line.length === 0) this.#lines.delete(key)
            })
          )
        )
    })
  }
}
