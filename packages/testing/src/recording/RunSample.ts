/**
 * A sample of a tenant's executions, spread over workflows and their versions, states and lengths.
 *
 * The same executions always give the same sample, so that two exports can be compared.
 */
import { executionKey, type ExecutionRef, Identifier, type WorkflowRef } from "@refold/core"
import { hash } from "node:crypto"

/** The properties by which an execution is chosen; a header has them. */
export interface Candidate extends ExecutionRef {
  readonly workflow: WorkflowRef
  readonly currentState: string
  readonly position: number
}

interface Ranked<A> {
  readonly candidate: A
  /** Hash of its ids. Among similar executions, those with the smallest hashes are kept. */
  readonly rank: string
}

/**
 * Makes a sample that receives candidates one by one and keeps at most `size` of them.
 *
 * **Details**
 *
 * Executions are of one kind when they share workflow, version, state, and the next lower power of two of their length. All
 * kinds keep the same number of executions, as far as they have so many, chosen by a hash of their ids. With more kinds
 * than `size`, some kinds are left out.
 */
export const make = <A extends Candidate>(size: number) => {
  const kinds = new Map<string, Array<Ranked<A>>>()
  let addedCount = 0

  const largest = (): Array<Ranked<A>> => {
    let found: Array<Ranked<A>> = []
    for (const kind of kinds.values()) {
      const isLarger = kind.length > found.length
      const isTie = kind.length === found.length && (kind.at(-1)?.rank ?? "") > (found.at(-1)?.rank ?? "")
      if (isLarger || isTie) found = kind
    }
    return found
  }

  return {
    add: (candidate: A): void => {
      const key = kindOf(candidate)
      const kind = kinds.get(key) ?? []
      kinds.set(key, kind)
      const rank = hash("sha256", executionKey(candidate))
      const index = kind.findIndex((each) => each.rank > rank)
      kind.splice(index === -1 ? kind.length : index, 0, { candidate, rank })
      addedCount += 1
      if (addedCount <= size) return
      // The sample is full: the largest kind loses its last candidate.
      const crowded = largest()
      crowded.pop()
      if (crowded.length === 0) for (const [name, each] of kinds) if (each === crowded) kinds.delete(name)
    },
    /** The kept candidates, in order of their ids. */
    chosen: (): ReadonlyArray<A> =>
      [...kinds.values()]
        .flatMap((kind) => kind.map(({ candidate }) => candidate))
        .toSorted((left, right) => Identifier.compare(executionKey(left), executionKey(right)))
  }
}

const kindOf = ({ currentState, position, workflow }: Candidate): string =>
  JSON.stringify([workflow.name, workflow.version, currentState, Math.floor(Math.log2(position))])
