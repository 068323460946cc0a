/** What laws say about one log: claims, each of which holds or throws {@link LawBroken}. */
import type { ExecutionState, Workflow } from "@refold/core"
import { Replay, Snapshot, type WorkflowEvent } from "@refold/core"
import { Equal, Result, identity } from "effect"
import * as Difference from "./Difference.ts"
import { LawBroken } from "./LawBroken.ts"

/** A state, or undefined for that of the empty log. */
export type State = ExecutionState.ExecutionState | undefined

export interface Claims {
  readonly workflow: Workflow.Workflow
  /** Throws what it gives where a claim does not hold. */
  readonly broken: (claim: string, found: Found) => LawBroken
  /** The two are equal by value. States are compared live, not by their JSON, which might hide what it loses. */
  readonly equal: (claim: string, expected: unknown, actual: unknown, cuts?: ReadonlyArray<number>) => void
  /** A fold's answer; a log that does not fold, and a handler that throws, break the law. */
  readonly folded: (fold: () => Result.Result<State, Replay.CorruptHistory>) => State
  readonly fold: (from: State, events: ReadonlyArray<WorkflowEvent>, bounds?: Replay.Bounds) => State
  /** The snapshot of a state; data that its own schema refuses breaks the law. */
  readonly snapshot: (state: ExecutionState.ExecutionState) => Snapshot.Snapshot
}

export interface Found {
  readonly expected: string
  readonly actual: string
  readonly differences?: ReadonlyArray<string>
  readonly cuts?: ReadonlyArray<number>
  readonly cause?: unknown
}

/** The claims of a law about a log. */
export const make = (
  law: { readonly name: string; readonly promise: string },
  workflow: Workflow.Workflow,
  history: ReadonlyArray<WorkflowEvent>
): Claims => {
  const broken: Claims["broken"] = (claim, { cause, cuts = [], differences = [], ...sides }) =>
    new LawBroken({
      workflow: workflow.name,
      law: law.name,
      promise: law.promise,
      claim,
      history,
      cuts,
      differences,
      ...sides,
      ...(cause === undefined ? {} : { cause })
    })
  const folded: Claims["folded"] = (fold) =>
    Result.getOrThrowWith(Result.flatMap(Result.try({ try: fold, catch: identity }), identity), (cause) =>
      broken("the log folds", {
        expected: "a state",
        actual: cause instanceof Replay.CorruptHistory ? cause.message : `its handlers throw ${String(cause)}`,
        cause
      })
    )
  return {
    workflow,
    broken,
    folded,
    equal: (claim, expected, actual, cuts = []) => {
      if (Equal.equals(expected, actual)) return
      throw broken(claim, {
        expected: Difference.show(expected),
        actual: Difference.show(actual),
        differences: Difference.between(expected, actual),
        cuts
      })
    },
    fold: (from, events, bounds = {}) => folded(() => Replay.fold(workflow, from, events, bounds)),
    snapshot: (state) =>
      Snapshot.take(workflow, state, state.updatedAt).pipe(
        // Taking a snapshot trusts `evolve`; a law does not.
        Result.flatMap((taken) => Result.map(workflow.checkData(taken.data), () => taken)),
        Result.getOrThrowWith(({ path, problem }) =>
          broken(`the data at position ${state.position} has its schema's shape`, {
            expected: "data of its schema",
            actual: `${Difference.show(state.data)}, which${path === "" ? "" : ` at ${path}`} ${problem}`,
            cuts: [state.position]
          })
        )
      )
  }
}
