/** The assertions that laws make about one log. One that does not hold throws {@link LawBroken}. */
import type { ExecutionState, Workflow } from "@refold/core"
import { Replay, Snapshot, type WorkflowEvent } from "@refold/core"
import { Equal, Result, identity } from "effect"
import * as Difference from "./Difference.ts"
import { LawBroken } from "./LawBroken.ts"

/** A state; undefined is the state of the empty log. */
export type State = ExecutionState.ExecutionState | undefined

export interface Assertions {
  readonly workflow: Workflow.Workflow
  /** The error of an assertion that does not hold. */
  readonly broken: (assertion: string, found: Found) => LawBroken
  /** Asserts that the two are equal by value. Compares states as they are, because their JSON might hide what it loses. */
  readonly equal: (assertion: string, expected: unknown, actual: unknown, cuts?: ReadonlyArray<number>) => void
  /** The result of a fold. A log that does not fold, or a handler that throws, breaks the law. */
  readonly folded: (fold: () => Result.Result<State, Replay.CorruptHistory>) => State
  readonly fold: (from: State, events: ReadonlyArray<WorkflowEvent>, bounds?: Replay.Bounds) => State
  /** The snapshot of a state. Data that its own schema refuses breaks the law. */
  readonly snapshot: (state: ExecutionState.ExecutionState) => Snapshot.Snapshot
}

export interface Found {
  readonly expected: string
  readonly actual: string
  readonly differences?: ReadonlyArray<string>
  readonly cuts?: ReadonlyArray<number>
  readonly cause?: unknown
}

/** The assertions that one law makes about one log. */
export const make = (
  law: { readonly name: string; readonly promise: string },
  workflow: Workflow.Workflow,
  history: ReadonlyArray<WorkflowEvent>
): Assertions => {
  const broken: Assertions["broken"] = (assertion, { cause, cuts = [], differences = [], ...sides }) =>
    new LawBroken({
      workflow: workflow.name,
      law: law.name,
      promise: law.promise,
      assertion,
      history,
      cuts,
      differences,
      ...sides,
      ...(cause === undefined ? {} : { cause })
    })
  const folded: Assertions["folded"] = (fold) =>
    Result.getOrThrowWith(Result.flatMap(Result.try({ try: fold, catch: identity }), identity), (cause) =>
      broken("the log folds", {
        expected: "a state",
        actual: cause instanceof Replay.CorruptHistory ? cause.message : `a handler throws ${String(cause)}`,
        cause
      })
    )
  return {
    workflow,
    broken,
    folded,
    equal: (assertion, expected, actual, cuts = []) => {
      if (Equal.equals(expected, actual)) return
      throw broken(assertion, {
        expected: Difference.show(expected),
        actual: Difference.show(actual),
        differences: Difference.between(expected, actual),
        cuts
      })
    },
    fold: (from, events, bounds = {}) => folded(() => Replay.fold(workflow, from, events, bounds)),
    snapshot: (state) =>
      Snapshot.take(workflow, state, state.updatedAt).pipe(
        // `Snapshot.take` trusts `evolve`; a law does not.
        Result.flatMap((taken) => Result.map(workflow.checkData(taken.data), () => taken)),
        Result.getOrThrowWith(({ path, problem }) =>
          broken(`the data at position ${state.position} matches its schema`, {
            expected: "data that matches its schema",
            actual: `${Difference.show(state.data)}, which${path === "" ? "" : ` at ${path}`} ${problem}`,
            cuts: [state.position]
          })
        )
      )
  }
}
