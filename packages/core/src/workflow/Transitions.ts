/** The table of a definition: the states as the user writes them, compiled to targets by state and event. */
import type { Target, Targets, Transitions } from "./Definition.ts"

type States = {
  readonly [state: string]: { readonly [eventName: string]: Targets<string, unknown, unknown> | undefined }
}

/** An event with an empty list of targets is left out: the state does not accept it. */
export const compile = (states: States): Transitions =>
  new Map(
    Object.entries(states).map(([state, accepted]) => [
      state,
      new Map(
        Object.entries(accepted)
          .map(([eventName, targets]) => [eventName, compileTargets(targets)] as const)
          .filter(([, targets]) => targets.length > 0)
      )
    ])
  )

const compileTargets = (
  targets: Targets<string, unknown, unknown> | undefined
): ReadonlyArray<Target<string, unknown, unknown>> => {
  if (targets === undefined) return []
  if (typeof targets === "string") return [{ to: targets }]
  if ("to" in targets) return [targets]
  return targets.flatMap((target) => compileTargets(target))
}
