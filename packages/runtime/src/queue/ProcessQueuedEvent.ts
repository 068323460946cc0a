/** Processes one queued event on demand, after those before it in the queue of its execution. */
import { Identifier, type QueuedEvent, WorkflowEventProcessingModel } from "@refold/core"
import { Effect, Option } from "effect"
import { ExecutionBusy, QueuedEventNotFound } from "../ExecutionErrors.ts"
import type { ProcessError, ProcessOptions, ProcessingResult } from "../Requests.ts"
import { WorkflowNotFound } from "../Workflows.ts"
import { EventProcessor } from "./EventProcessor.ts"

/** Queued events settled in one pass, and passes of one call: a longer queue is a worker's job. */
const eventsPerPass = 16
const maxPasses = 1000

/** Dependencies of processing on demand. */
interface Parts {
  readonly queue: WorkflowEventProcessingModel["Service"]
  readonly processor: EventProcessor["Service"]
}

export const make = Effect.gen(function* () {
  const parts: Parts = { queue: yield* WorkflowEventProcessingModel, processor: yield* EventProcessor }
  return (options: ProcessOptions) => processQueuedEvent(parts, options)
})

const processQueuedEvent = Effect.fnUntraced(function* (
  parts: Parts,
  options: ProcessOptions
): Effect.fn.Return<ProcessingResult, ProcessError> {
  const { eventId, executionId, processingId, tenant, workerId } = options
  yield* Effect.fromResult(Identifier.check({ tenant, executionId, processingId, eventId, workerId }))
  // A pass settles one event at least, unless a faster writer did.
  for (let passCount = 0; passCount < maxPasses; passCount++) {
    const found = yield* parts.queue.find({ tenant, executionId, processingId })
    if (Option.isNone(found) || found.value.eventId !== eventId) {
      return yield* new QueuedEventNotFound({ executionId, processingId })
    }
    const result = resultOf(found.value.status)
    if (result !== undefined) return result
    const [processed] = yield* parts.processor.process({
      executions: [{ tenant, executionId }],
      limit: eventsPerPass,
      ignoreDelay: true
    })
    if (processed === undefined) {
      // Another process may have settled it since it was found.
      const again = yield* parts.queue.find({ tenant, executionId, processingId })
      const settled = Option.isNone(again) ? undefined : resultOf(again.value.status)
      return settled ?? (yield* new ExecutionBusy({ executionId, processingId }))
    }
    const { outcome } = processed
    if (outcome._tag === "UnknownWorkflow") return yield* new WorkflowNotFound(outcome.workflow)
    if (outcome._tag === "Failed" && outcome.processingId === processingId) return failure(outcome.cause)
    if (outcome._tag === "Failed") break
  }
  return yield* new ExecutionBusy({ executionId, processingId })
})

const failure = (errorMessage: string): ProcessingResult => ({ success: false, errorMessage, actionsExecuted: [] })

/** The result of an event that is settled or dead; undefined while it is pending. */
const resultOf = (status: QueuedEvent.Status): ProcessingResult | undefined => {
  switch (status._tag) {
    case "Pending":
      return undefined
    case "Applied": {
      const { actionsExecuted, currentState, previousState } = status
      return { success: true, previousState, currentState, actionsExecuted }
    }
    case "Rejected": {
      const { currentState, reason } = status
      return { ...failure(reason), previousState: currentState, currentState }
    }
    case "Dead":
    case "Skipped":
    case "Discarded":
      return failure(status.cause)
  }
}
