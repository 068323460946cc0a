/** Seeded randomness in independent streams: a draw from one changes no other. */
import { Effect, Random } from "effect"

export class Chance {
  readonly #random: typeof Random.Random.Service

  constructor(seed: string) {
    this.#random = Effect.runSync(Random.withSeed(Random.Random, seed))
  }

  /** From 0 to 1, without 1. */
  next(): number {
    return this.#random.nextDoubleUnsafe()
  }

  /** A whole number from 0, less than `count`. */
  below(count: number): number {
    return Math.floor(this.#random.nextDoubleUnsafe() * count)
  }

  happens(probability: number): boolean {
    return this.#random.nextDoubleUnsafe() < probability
  }

  pick<Value>(values: readonly [Value, ...ReadonlyArray<Value>]): Value {
    return values[this.below(values.length)] ?? values[0]
  }

  /** One of the values, with a probability by its weight. */
  weighted<Value>(
    first: readonly [weight: number, value: Value],
    ...others: ReadonlyArray<readonly [weight: number, value: Value]>
  ): Value {
    const all = [first, ...others]
    let left = this.next() * all.reduce((total, [weight]) => total + weight, 0)
    for (const [weight, value] of all) {
      left -= weight
      if (left < 0) return value
    }
    return first[1]
  }

  /** The same as Effect's own service. */
  get service(): typeof Random.Random.Service {
    return this.#random
  }
}
