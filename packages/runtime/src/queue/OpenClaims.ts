/**
 * Claims whose attempt has not ended: the store failed, other writers were faster, or the caller gave up. The next pass goes
 * on with them as the same attempt, so that no event becomes a dead letter for a failure that is not its own.
 */
import { type Claim, type ExecutionRef, executionKey } from "@refold/core"

/** Claims kept; beyond this, events are claimed again, which counts another attempt. */
const maxOpenClaims = 1000

export class OpenClaims {
  readonly #claims = new Map<string, Claim>()

  /** The open claims of these executions, and the executions that have none. */
  split(executions: ReadonlyArray<ExecutionRef>): {
    readonly open: ReadonlyArray<Claim>
    readonly others: ReadonlyArray<ExecutionRef>
  } {
    return {
      open: executions.flatMap((ref) => this.#claims.get(executionKey(ref)) ?? []),
      others: executions.filter((ref) => !this.#claims.has(executionKey(ref)))
    }
  }

  keep(claims: ReadonlyArray<Claim>): void {
    for (const claim of claims) {
      // The queue may have grown since the claim.
      if (this.#claims.size < maxOpenClaims) this.#claims.set(executionKey(claim.header), { ...claim, hasMore: true })
    }
  }

  remove(claims: ReadonlyArray<Claim>): void {
    for (const { header } of claims) this.#claims.delete(executionKey(header))
  }
}
