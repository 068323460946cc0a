/** A lock per execution: serialises callers of one execution in this process, so that they never conflict with each other. */
import { type ExecutionRef, executionKey } from "@refold/core"
import { Effect, Semaphore } from "effect"

interface Lock {
  readonly semaphore: Semaphore.Semaphore
  /** Callers that hold it or wait for it. */
  callerCount: number
}

export class KeyedLock {
  readonly #locks = new Map<string, Lock>()

  /** Executions that have a caller now. */
  get size(): number {
    return this.#locks.size
  }

  /** Runs the effect once the earlier callers of the same execution have ended. */
  run<A, E, R>(ref: ExecutionRef, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const key = executionKey(ref)
      // A caller that is interrupted before it is counted must not be counted down. `acquireUseRelease` takes twice as long.
      let own: Lock | undefined
      return Effect.ensuring(
        Effect.suspend(() => {
          own = this.#locks.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), callerCount: 0 }
          own.callerCount++
          this.#locks.set(key, own)
          return own.semaphore.withPermits(1)(effect)
        }),
        Effect.sync(() => {
          if (own === undefined) return
          own.callerCount--
          if (own.callerCount === 0) this.#locks.delete(key)
        })
      )
    })
  }
}
