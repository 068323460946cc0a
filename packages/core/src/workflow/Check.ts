/** Mistakes in a definition's table that the compiler cannot see. */
import type { Workflow } from "./Definition.ts"

/** A part of a definition that is surely a mistake. */
export type Finding =
  | { readonly _tag: "UnreachableState"; readonly state: string }
  | { readonly _tag: "DeadEnd"; readonly state: string }
  | { readonly _tag: "LeavesFinalState"; readonly state: string; readonly eventName: string }
  | { readonly _tag: "ShadowedTarget"; readonly state: string; readonly eventName: string; readonly to: string }
  | { readonly _tag: "UnusedEvent"; readonly eventName: string }

/**
 * Finds states that no event leads to, states that lead nowhere without being final, transitions out of a final state,
 * targets behind one that always applies, and events that no state accepts. An open definition has no findings.
 */
export const check = (workflow: Workflow): ReadonlyArray<Finding> => {
  const reached = reachableStates(workflow)
  const findings: Array<Finding> = []
  const used = new Set<string>()
  for (const [state, accepted] of workflow.transitions) {
    const isFinal = workflow.finalStates.has(state)
    if (!reached.has(state)) findings.push({ _tag: "UnreachableState", state })
    if (accepted.size === 0 && !isFinal) findings.push({ _tag: "DeadEnd", state })
    for (const [eventName, targets] of accepted) {
      if (isFinal) findings.push({ _tag: "LeavesFinalState", state, eventName })
      else used.add(eventName)
      const unguarded = targets.findIndex((target) => target.guard === undefined)
      for (const target of unguarded === -1 ? [] : targets.slice(unguarded + 1)) {
        findings.push({ _tag: "ShadowedTarget", state, eventName, to: target.to })
      }
    }
  }
  for (const eventName of Object.keys(workflow.events)) {
    if (!used.has(eventName)) findings.push({ _tag: "UnusedEvent", eventName })
  }
  return findings
}

/** A `Set` also iterates over the members that are added during the iteration. */
const reachableStates = (workflow: Workflow): ReadonlySet<string> => {
  const reached = new Set<string>([workflow.initial.state])
  for (const state of reached) {
    if (workflow.finalStates.has(state)) continue
    for (const targets of workflow.transitions.get(state)?.values() ?? []) {
      for (const target of targets) reached.add(target.to)
    }
  }
  return reached
}
