/** Definitions drawn as Mermaid state diagrams. */
import type { Workflow } from "./Definition.ts"
import { isOpen } from "./Open.ts"

/** The definition as a Mermaid state diagram. States are numbered and labelled, so that any name can be drawn. */
export const toMermaid = (workflow: Workflow): string => {
  const ids = new Map([...workflow.transitions.keys()].map((state, index) => [state, `s${index}`]))
  const lines = [...ids].map(([state, id]) => `  ${id} : ${escape(state)}`)
  lines.push(`  [*] --> ${ids.get(workflow.initial.state) ?? "open"}`)
  for (const [state, accepted] of workflow.transitions) {
    for (const [eventName, targets] of accepted) {
      for (const target of targets) {
        const condition = target.guard === undefined ? "" : " [guarded]"
        lines.push(`  ${ids.get(state)} --> ${ids.get(target.to)} : ${escape(eventName)}${condition}`)
      }
    }
  }
  for (const state of workflow.finalStates) lines.push(`  ${ids.get(state)} --> [*]`)
  if (isOpen(workflow)) lines.push("  open --> open : any event")
  return ["stateDiagram-v2", ...lines].join("\n")
}

const escape = (text: string): string =>
  text.replaceAll(/[^\p{L}\p{N} _.-]/gu, (char) => `#${char.codePointAt(0) ?? 0};`)
