/**
 * A sample of a tenant's executions that is spread over what they are: workflows and their versions, states, lengths.
 *
 * The same executions always give the same sample, so that two exports can be compared.
 */
import { executionKey, type ExecutionRef, Identifier } from "@refold/core"
import { hash } from "node:crypto"

/** What an execution is chosen by; its header is one. */
export interface Candidate extends ExecutionRef {
  readonly workflow: { readonly name: string; readonly version: number }
  readonly currentState: string
  readonly position: number
}

interface Ranked<A> {
  readonly candidate: A
  /** Hash of its ids: of executions that are alike, those with the least are kept. */
  readonly rank: string
}

/**
 * Takes candidates one after the other and holds at most `size` of them.
 *
 * **Details**
 *
 * Executions are alike when they share workflow, version, state, and the power of two that their length lies under. Each
 * kind keeps as many as any other, as far as it has them, chosen by a hash of their ids. With more kinds than places,
 * some kinds are left out.
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
      const place = kind.findIndex((each) => each.rank > rank)
      kind.splice(place === -1 ? kind.length : place, 0, { candidate, rank })
      addedCount += 1
      if (addedCount <= size) return
      // Full from here on: whoever comes crowds one out.
      const crowded = largest()
      crowded.pop()
      if (crowded.length === 0) for (const [name, each] of kinds) if (each === crowded) kinds.delete(name)
    },
    /** Those held, in the order of their ids. */
    chosen: (): ReadonlyArray<A> =>
      [...kinds.values()]
        .flatMap((kind) => kind.map(({ candidate }) => candidate))
        .toSorted((left, right) => Identifier.compare(executionKey(left), executionKey(right)))
  }
}

const kindOf = ({ currentState, position, workflow }: Candidate): string =>
  JSON.stringify([workflow.name, workflow.version, currentState, Math.floor(Math.log2(position))])
