/** A bounded cache by execution: drops the value that was not used for longest. */
import { type ExecutionRef, executionKey } from "@refold/core"

export class LruCache<Value> {
  readonly #capacity: number
  /** By `executionKey`, in the order of use. */
  readonly #values = new Map<string, Value>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get(ref: ExecutionRef): Value | undefined {
    const key = executionKey(ref)
    const value = this.#values.get(key)
    if (value === undefined) return undefined
    this.#values.delete(key)
    this.#values.set(key, value)
    return value
  }

  set(ref: ExecutionRef, value: Value): void {
    const key = executionKey(ref)
    this.#values.delete(key)
    this.#values.set(key, value)
    if (this.#values.size <= this.#capacity) return
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest)
      return
    }
  }

  delete(ref: ExecutionRef): void {
    this.#values.delete(executionKey(ref))
  }
}
