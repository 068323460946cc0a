/**
 * A fair queue of executions that have work: takes one of each tenant in turn, so that no tenant's backlog delays another's
 * single event.
 *
 * **Details**
 *
 * Bounded: an execution that does not fit is dropped, and `takeForgotten` says that the store must be searched. An execution
 * under way is not handed out again before it is done, so that no two passes over it overlap.
 */
import type { ExecutionRef } from "@refold/core"

/** Executions of one tenant that are kept, and of all tenants together. */
const maxPerTenant = 1000
const maxInAll = 20_000

export class FairQueue {
  /** By tenant, in the order of their turns; per tenant, execution ids in the order of arrival. */
  readonly #pending = new Map<string, Set<string>>()
  readonly #underWay = new Map<string, Set<string>>()
  #pendingCount = 0
  #underWayCount = 0
  /** Tenants with an execution that was dropped. */
  readonly #forgotten = new Set<string>()

  /** Executions pending; one under way counts only if it was added again. */
  get pendingCount(): number {
    return this.#pendingCount
  }

  get underWayCount(): number {
    return this.#underWayCount
  }

  /** Whether it is pending now; if not, there was no room. */
  add({ executionId, tenant }: ExecutionRef): boolean {
    const executions = this.#pending.get(tenant)
    if (executions?.has(executionId) === true) return true
    if (this.#pendingCount >= maxInAll || (executions?.size ?? 0) >= maxPerTenant) {
      this.#forgotten.add(tenant)
      return false
    }
    this.#pendingCount++
    if (executions === undefined) this.#pending.set(tenant, new Set([executionId]))
    else executions.add(executionId)
    return true
  }

  /** At most `count` executions, one of each tenant in turn; they are under way until `done`. */
  take(count: number): ReadonlyArray<ExecutionRef> {
    const taken: Array<ExecutionRef> = []
    // A tenant that was served moves to the end, so this loop reaches it again.
    for (const [tenant, executions] of this.#pending) {
      if (taken.length === count) break
      const executionId = this.#nextOf(tenant, executions)
      if (executionId === undefined) continue
      executions.delete(executionId)
      this.#pendingCount--
      this.#pending.delete(tenant)
      if (executions.size > 0) this.#pending.set(tenant, executions)
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

  /** Whether an execution was dropped and there is room again, for its tenant and in all; asking resets it. */
  takeForgotten(): boolean {
    if (this.#pendingCount > maxInAll / 2) return false
    const hasRoom = [...this.#forgotten].some((tenant) => (this.#pending.get(tenant)?.size ?? 0) <= maxPerTenant / 2)
    // One search of the store finds the dropped executions of all tenants.
    if (hasRoom) this.#forgotten.clear()
    return hasRoom
  }

  /** Drops what is pending: another worker owns the partitions. */
  clear(): void {
    this.#pending.clear()
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
