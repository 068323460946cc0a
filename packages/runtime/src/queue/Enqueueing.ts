/** Persists events to be decided later, and offers wake-ups for them. */
import {
  Decision,
  type ExecutionRef,
  QueuedEvent,
  Request,
  WorkflowEventProcessingModel,
  type WorkflowRef,
  executionKey
} from "@refold/core"
import { Array, Effect, Metric, Option, Result } from "effect"
import type { SecureRandom } from "effect/crypto"
import { Executions } from "../execution/Executions.ts"
import { ExecutionNotFound } from "../ExecutionErrors.ts"
import * as Metrics from "../Metrics.ts"
import * as Requests from "../Requests.ts"
import { Workflows } from "../Workflows.ts"
import { WakeUps } from "./WakeUps.ts"

/** Dependencies of enqueueing. */
interface Parts {
  readonly executions: Executions["Service"]
  readonly queue: WorkflowEventProcessingModel["Service"]
  readonly workflows: Workflows["Service"]
  readonly wakeUps: WakeUps["Service"]
  readonly random: SecureRandom.SecureRandom["Service"]
  readonly limits: Requests.Limits
  readonly idempotencyKeys: Requests.IdempotencyKeys
}

export const make = Effect.fnUntraced(function* (
  random: SecureRandom.SecureRandom["Service"],
  limits: Requests.Limits,
  idempotencyKeys: Requests.IdempotencyKeys
) {
  const parts: Parts = {
    executions: yield* Executions,
    queue: yield* WorkflowEventProcessingModel,
    workflows: yield* Workflows,
    wakeUps: yield* WakeUps,
    random,
    limits,
    idempotencyKeys
  }
  return (options: Array.NonEmptyReadonlyArray<Requests.SubmitOptions>) => enqueue(parts, options)
})

const enqueue = Effect.fnUntraced(function* (
  parts: Parts,
  options: Array.NonEmptyReadonlyArray<Requests.SubmitOptions>
): Effect.fn.Return<Array.NonEmptyReadonlyArray<Requests.Enqueued>, Requests.EnqueueError> {
  for (const each of options) yield* Effect.fromResult(Requests.check(each, parts.idempotencyKeys))
  const workflowOf = yield* parts.executions.workflowsOf(options)
  const events = yield* Effect.forEach(options, (each) => toQueue(parts, each, workflowOf.get(executionKey(each))))
  const entries = yield* Effect.catchTag(parts.queue.enqueue(events), "QueueClosed", ({ executionId, finalState }) =>
    Effect.fail(
      finalState === undefined
        ? new ExecutionNotFound({ executionId })
        : new Decision.ExecutionComplete({ executionId, currentState: finalState })
    )
  )
  yield* Metric.update(Metrics.eventsQueued, entries.length)
  yield* parts.wakeUps.offer(
    entries.flatMap(({ executionId, status, tenant }): ReadonlyArray<ExecutionRef> =>
      status._tag === "Pending" ? [{ tenant, executionId }] : []
    )
  )
  return Array.map(entries, ({ eventId, processingId }) => ({ eventId, processingId }))
})

/** The event to queue; refuses what no later state of the execution could accept. */
const toQueue = Effect.fnUntraced(function* (
  parts: Parts,
  options: Requests.SubmitOptions,
  ref: WorkflowRef | undefined
) {
  const { executionId, idempotencyKey, submission, tenant } = options
  if (ref === undefined) return yield* new ExecutionNotFound({ executionId })
  const workflow = Option.getOrUndefined(yield* Effect.option(parts.workflows.get(ref.name, ref.version)))
  const checked = Decision.checkSubmission({ executionId, workflow: ref }, workflow, submission, parts.limits)
  if (Result.isFailure(checked)) yield* refuse(parts, options, checked.failure)
  const event: QueuedEvent.NewQueuedEvent = {
    tenant,
    executionId,
    submission,
    eventId: yield* parts.random.uuidV7(),
    processingId: yield* parts.random.uuidV7(),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey })
  }
  return event
})

/** Refuses, unless the key was used before: then it has its answer, whatever state the execution has reached since. */
const refuse = Effect.fnUntraced(function* <E extends { readonly _tag: string }>(
  { queue }: Parts,
  { executionId, idempotencyKey, submission, tenant }: Requests.SubmitOptions,
  refusal: E
) {
  // A key belongs to one execution, so it stands for no request that was made for another workflow.
  if (idempotencyKey === undefined || refusal._tag === "WorkflowMismatch") return yield* Effect.fail(refusal)
  const known = yield* queue.find({ tenant, executionId, idempotencyKey })
  if (Option.isNone(known)) return yield* Effect.fail(refusal)
  if (Request.isSame(known.value.submission, submission)) return
  return yield* new QueuedEvent.IdempotencyConflict({ executionId, idempotencyKey })
})
