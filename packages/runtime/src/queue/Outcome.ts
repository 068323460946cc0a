/** The outcome of a pass over the queue of an execution. */
import type { Claim, ExecutionRef, WorkflowRef } from "@refold/core"
import type { Duration } from "effect"

export type Outcome =
  /** Its claimed events need no more work here; `hasMore` when the queue may hold others. */
  | { readonly _tag: "Settled"; readonly hasMore: boolean }
  /** Its next event failed. It is retried after the delay; without a delay only an operator can continue. */
  | {
      readonly _tag: "Failed"
      readonly processingId: string
      readonly cause: string
      readonly retryAfter?: Duration.Duration
    }
  /** Its workflow is not registered here: the event is unclaimed, for a worker that knows the workflow. */
  | { readonly _tag: "UnknownWorkflow"; readonly workflow: WorkflowRef }

export interface ExecutionOutcome extends ExecutionRef {
  readonly outcome: Outcome
}

export const outcomeOf = ({ header: { executionId, tenant } }: Claim, outcome: Outcome): ExecutionOutcome => ({
  tenant,
  executionId,
  outcome
})
