/**
 * Executions that have work, tenant by tenant in turn, so that no tenant's backlog holds up another's single event.
 *
 * **Details**
 *
 * Bounded: what does not fit is forgotten, and `takeForgotten` says that the queue itself must be looked into. An execution
 * that is being worked on is not handed out again before it is done, so that no two turns of it meet.
 */
import type { ExecutionRef } from "@refold/core"

/** Executions of one tenant that are kept, and of all tenants together. */
const maxPerTenant = 1000
const maxInAll = 20_000

export class FairQueue {
  /** By tenant, in the order of their turns; of each, execution ids in the order in which they came. */
  readonly #waiting = new Map<string, Set<string>>()
  readonly #underWay = new Map<string, Set<string>>()
  #pendingCount = 0
  #underWayCount = 0
  /** Tenants of which something was forgotten. */
  readonly #forgotten = new Set<string>()

  /** Executions waiting; those under way are not among them, unless they came again. */
  get pendingCount(): number {
    return this.#pendingCount
  }

  get underWayCount(): number {
    return this.#underWayCount
  }

  /** Whether it waits now; if not, there was no room. */
  add({ executionId, tenant }: ExecutionRef): boolean {
    const executions = this.#waiting.get(tenant)
    if (executions?.has(executionId) === true) return true
    if (this.#pendingCount >= maxInAll || (executions?.size ?? 0) >= maxPerTenant) {
      this.#forgotten.add(tenant)
      return false
    }
    this.#pendingCount++
    if (executions === undefined) this.#waiting.set(tenant, new Set([executionId]))
    else executions.add(executionId)
    return true
  }

  /** At most `count` executions, one of each tenant in turn; they are under way until `done`. */
  take(count: number): ReadonlyArray<ExecutionRef> {
    const taken: Array<ExecutionRef> = []
    // Who had a turn goes to the end of the line, and so comes again in this loop.
    for (const [tenant, executions] of this.#waiting) {
      if (taken.length === count) break
      const executionId = this.#nextOf(tenant, executions)
      if (executionId === undefined) continue
      executions.delete(executionId)
      this.#pendingCount--
      this.#waiting.delete(tenant)
      if (executions.size > 0) this.#waiting.set(tenant, executions)
      this.#start(tenant, executionId)
      taken.push({ tenant, executionId })
    }
    return taken
  }

  done({ executionId, tenant }: ExecutionRef): void {
    const executions = this.#underWay.get(tenant)
    if (executions?.delete(executionId) !== true) return
    this.#underWayCount--
    if (executions.size === 0) this.#underWay.delete(tenant)
  }

  /** Whether something was forgotten and there is room for it again, also beside the others; asking resets it. */
  takeForgotten(): boolean {
    if (this.#pendingCount > maxInAll / 2) return false
    const hasRoom = [...this.#forgotten].some((tenant) => (this.#waiting.get(tenant)?.size ?? 0) <= maxPerTenant / 2)
    // One look into the queue finds what was forgotten of all of them.
    if (hasRoom) this.#forgotten.clear()
    return hasRoom
  }

  /** Drops what waits: the partitions belong to somebody else. */
  clear(): void {
    this.#waiting.clear()
    this.#pendingCount = 0
  }

  #nextOf(tenant: string, executions: ReadonlySet<string>): string | undefined {
    const busy = this.#underWay.get(tenant)
    for (const executionId of executions) {
      if (busy?.has(executionId) !== true) return executionId
    }
    return undefined
  }

  #start(tenant: string, executionId: string): void {
    this.#underWayCount++
    const executions = this.#underWay.get(tenant)
    if (executions === undefined) this.#underWay.set(tenant, new Set([executionId]))
    else executions.add(executionId)
  }
}
