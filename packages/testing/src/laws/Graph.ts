import type { Workflow } from "@refold/core"
/** A definition's table as a graph: what can be reached, and which events lead towards a state. Guards are not asked. */

/** From one state to another under an event. Several targets of the same event to the same state are one edge. */
export interface Edge {
  readonly from: string
  readonly eventName: string
  readonly to: string
}

/** Every edge that an execution could take; a final state has none. */
export const edgesOf = (workflow: Workflow.Workflow): ReadonlyArray<Edge> =>
  [...workflow.transitions].flatMap(([from, accepted]) =>
    workflow.finalStates.has(from)
      ? []
      : [...accepted].flatMap(([eventName, targets]) =>
          [...new Set(targets.map(({ to }) => to))].map((to) => ({ from, eventName, to }))
        )
  )

/** The states that can be reached from the initial one, each with how many events that takes at least. */
export const depths = (workflow: Workflow.Workflow): ReadonlyMap<string, number> =>
  distances(workflow.initial.state, edgesOf(workflow), ({ from, to }) => [from, to])

/** How many events lead to the goal at least, from each state that can reach it. */
export const distancesTo = (workflow: Workflow.Workflow, goal: string): ReadonlyMap<string, number> =>
  distances(goal, edgesOf(workflow), ({ from, to }) => [to, from])

/** Breadth first. */
const distances = (
  start: string,
  edges: ReadonlyArray<Edge>,
  ends: (edge: Edge) => readonly [near: string, far: string]
): ReadonlyMap<string, number> => {
  const beyond = new Map<string, Array<string>>()
  for (const edge of edges) {
    const [near, far] = ends(edge)
    beyond.set(near, [...(beyond.get(near) ?? []), far])
  }
  const found = new Map([[start, 0]])
  // A map's iterator also visits what is added while it runs.
  for (const [state, distance] of found) {
    for (const next of beyond.get(state) ?? []) if (!found.has(next)) found.set(next, distance + 1)
  }
  return found
}
