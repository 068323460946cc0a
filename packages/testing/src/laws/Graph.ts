/** The table of a definition as a graph: reachable states, and events that lead towards a state. Ignores guards. */
import type { Workflow } from "@refold/core"

/** A transition from one state to another by an event. Several targets of one event with the same state are one edge. */
export interface Edge {
  readonly from: string
  readonly eventName: string
  readonly to: string
}

/** Every edge that an execution can take. A final state has none. */
export const edgesOf = (workflow: Workflow.Workflow): ReadonlyArray<Edge> =>
  [...workflow.transitions].flatMap(([from, accepted]) =>
    workflow.finalStates.has(from)
      ? []
      : [...accepted].flatMap(([eventName, targets]) =>
          [...new Set(targets.map(({ to }) => to))].map((to) => ({ from, eventName, to }))
        )
  )

/** The states reachable from the initial state, each with the minimum number of events on the way. */
export const depths = (workflow: Workflow.Workflow): ReadonlyMap<string, number> =>
  distances(workflow.initial.state, edgesOf(workflow), ({ from, to }) => [from, to])

/** The minimum number of events to the goal, from each state that can reach it. */
export const distancesTo = (workflow: Workflow.Workflow, goal: string): ReadonlyMap<string, number> =>
  distances(goal, edgesOf(workflow), ({ from, to }) => [to, from])

/** Breadth-first search. */
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
  // The iterator of a map also visits entries that are added while it runs.
  for (const [state, distance] of found) {
    for (const next of beyond.get(state) ?? []) if (!found.has(next)) found.set(next, distance + 1)
  }
  return found
}
