/** A law: a promise about every log of a definition, with its check on generated logs. */
import type { Decision, Workflow } from "@refold/core"
import { Result } from "effect"
import fc from "fast-check"
import { type Assertions, type State, make as assertionsOf } from "./Assertions.ts"
import * as Difference from "./Difference.ts"
import { upTo } from "./Draw.ts"
import type { Log } from "./LogArbitrary.ts"

export interface Law {
  readonly name: LawName
  /** The promise, as a sentence without its full stop. */
  readonly promise: string
  /** Checks the law on logs of a definition. */
  readonly run: (setup: Setup, parameters: RunParameters) => Run
}

export interface Setup {
  readonly workflow: Workflow.Workflow
  readonly logs: fc.Arbitrary<Log>
  readonly maxEventCount: number
  /** Called with each log. */
  readonly see: (log: Log) => void
}

export type Run = Pick<fc.RunDetails<unknown>, "seed" | "failed" | "errorInstance" | "counterexamplePath">

export type RunParameters = Pick<fc.Parameters, "numRuns" | "seed" | "path" | "endOnFailure">

export type LawName =
  | "purity"
  | "round-trip"
  | "decisions"
  | "upcasts"
  | "fold"
  | "idempotence"
  | "snapshots"
  | "temporal"

/** A law about logs. Each log comes with a plan: cuts, a policy, or other parameters of the law. */
export const law = <Plan>(
  name: LawName,
  promise: string,
  plans: (setup: Setup) => fc.Arbitrary<Plan>,
  hold: (assertions: Assertions, log: Log, plan: Plan) => void
): Law => ({
  name,
  promise,
  run: (setup, parameters) =>
    fc.check(
      fc.property(setup.logs, plans(setup), (log, plan) => {
        setup.see(log)
        hold(assertionsOf({ name, promise }, setup.workflow, log.events), log, plan)
      }),
      parameters
    )
})

export const noPlan = (): fc.Arbitrary<undefined> => fc.constant(undefined)

/** Number of events before a pause, a snapshot or a question. */
export const cut = ({ maxEventCount }: Setup): fc.Arbitrary<number> => upTo(maxEventCount + 1)

/** A cut within the log: one behind its end is moved into it. */
export const within = (chosen: number, { events }: Log): number =>
  chosen <= events.length ? chosen : chosen % (events.length + 1)

/** A copy of JSON that is not frozen. */
export const thawed = <Value extends object>(value: Value): Value => JSON.parse(JSON.stringify(value))

/** Data as JSON, which shows the value of an instance, but not its caches. */
export const showData = (workflow: Workflow.Workflow, state: State): string =>
  state === undefined
    ? "no state"
    : Difference.show(Result.getOrElse(workflow.encodeData(state.data), () => state.data))

export const showDecision = (decision: Result.Result<Decision.Decision, Decision.Rejection>): string =>
  Result.match(decision, {
    onFailure: ({ message }) => `refused: ${message}`,
    onSuccess: ({ events }) => `accepted: ${Difference.show(events)}`
  })
