/**
 * The work that a worker has taken in: executions, and the wake-ups that a pass over them answers.
 *
 * **Details**
 *
 * A wake-up is held until the pass that answers it, since a crash before that must let it arrive again. Wake-ups beyond 64 of
 * one execution are acknowledged at once, because the held ones cover them; so are wake-ups that find no room, because the
 * worker searches the store once there is room again.
 */
import { Array, Latch } from "effect"
import { type Delivery, type ExecutionRef, executionKey } from "@refold/core"
import { FairQueue } from "./FairQueue.ts"

/** Wake-ups held for one execution. */
const maxHeld = 64

export class Intake {
  readonly #queue = new FairQueue()
  readonly #held = new Map<string, ReadonlyArray<Delivery>>()
  /** One latch for each batch loop; a loop that finds no work closes its latch and waits. */
  readonly latches: ReadonlyArray<Latch.Latch>

  constructor(batchCount: number) {
    this.latches = Array.makeBy(batchCount, () => Latch.makeUnsafe(false))
  }

  get pendingCount(): number {
    return this.#queue.pendingCount
  }

  get underWayCount(): number {
    return this.#queue.underWayCount
  }

  /** Lets every batch loop look for work. */
  wake(): void {
    for (const latch of this.latches) latch.openUnsafe()
  }

  add(refs: ReadonlyArray<ExecutionRef>): void {
    for (const ref of refs) this.#queue.add(ref)
    this.wake()
  }

  /** Takes wake-ups in; returns those that are answered already. */
  receive(deliveries: ReadonlyArray<Delivery>): ReadonlyArray<Delivery> {
    const answered = deliveries.filter((delivery) => !this.#hold(delivery))
    this.wake()
    return answered
  }

  /** Whether the wake-up is held now, or was already: a channel delivers again what is not acknowledged for a while. */
  #hold(delivery: Delivery): boolean {
    if (!this.#queue.add(delivery)) return false
    const key = executionKey(delivery)
    const held = this.#held.get(key) ?? []
    if (held.some(({ deliveryId }) => deliveryId === delivery.deliveryId)) return true
    if (held.length >= maxHeld) return false
    this.#held.set(key, [...held, delivery])
    return true
  }

  /** At most `count` executions, now under way, and the wake-ups that a pass over them answers; later ones are for the next pass. */
  take(count: number): { readonly refs: ReadonlyArray<ExecutionRef>; readonly answered: ReadonlyArray<Delivery> } {
    const refs = this.#queue.take(count)
    const answered = refs.flatMap((ref) => {
      const key = executionKey(ref)
      const held = this.#held.get(key) ?? []
      this.#held.delete(key)
      return held
    })
    return { refs, answered }
  }

  done(ref: ExecutionRef): void {
    this.#queue.done(ref)
  }

  /** Whether executions were dropped for lack of room that there is now; asking resets it. */
  takeForgotten(): boolean {
    return this.#queue.takeForgotten()
  }

  /** Drops what is pending, since another worker owns its partitions by now; returns the wake-ups that were held. */
  clear(): ReadonlyArray<Delivery> {
    const dropped = [...this.#held.values()].flat()
    this.#queue.clear()
    this.#held.clear()
    return dropped
  }
}
