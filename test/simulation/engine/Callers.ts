/** The calls of callers to a process, and checks that the answers are true. */
import { type ExecutionRef, StoreError } from "@refold/core"
import { TypeScriptWorkflowRuntime, maxSubmitAttempts } from "@refold/runtime"
import { Array, Cause, Context, Effect, Exit } from "effect"
import type { Asked } from "./Invariants.ts"
import type { Process } from "./Processes.ts"
import { nameOf } from "./Script.ts"
import type { World } from "./World.ts"

export const callersOf = ({ invariants, scheduler, tell }: World) => {
  /** Calls without waiting for the answer. A call that the store failed may have taken effect. */
  const calling = <A, E extends { readonly _tag: string; readonly message: string }>(
    process: Process,
    text: string,
    call: (runtime: TypeScriptWorkflowRuntime["Service"]) => Effect.Effect<A, E>,
    told: { readonly answer: (answer: A) => void; readonly refusal: (tag: string) => boolean }
  ) => {
    const { faultCount, refusedCount } = process
    const answered = Effect.exit(call(Context.get(process.context, TypeScriptWorkflowRuntime))).pipe(
      Effect.map((exit) => {
        process.openCount--
        if (Exit.isSuccess(exit)) {
          tell(`${text}: done`)
          return told.answer(exit.value)
        }
        const error = Cause.squash(exit.cause)
        const tag = error instanceof Error && "_tag" in error ? String(error._tag) : "a defect"
        tell(`${text}: ${tag}`)
        const isRefused = error instanceof StoreError && error.reason._tag === "Refused"
        const hasCause = isRefused ? process.refusedCount > refusedCount : process.faultCount > faultCount
        if (tag === "StoreError" ? hasCause : told.refusal(tag)) return
        invariants.violate("No failure without a cause", `${text}: ${Cause.pretty(exit.cause)}`)
      })
    )
    process.openCount++
    Effect.runForkWith(process.context)(answered, { scheduler })
  }

  const start = (process: Process, ref: ExecutionRef, key: string | undefined) => {
    const text = `${process.watched.name} starts ${nameOf(ref)}`
    calling(
      process,
      text,
      (runtime) =>
        runtime.startWorkflow({
          ...ref,
          workflow: { name: ref.executionId === "rare" ? "rare" : "counter" },
          idempotencyKey: key
        }),
      {
        answer: (state) => invariants.started(ref, state),
        refusal: (tag) => tag === "ExecutionAlreadyExists" && invariants.isTaken(ref, key)
      }
    )
  }

  const lengthOf = ({ ref }: Asked) => invariants.seen(ref).log.length
  const isThere = (asked: Asked) => lengthOf(asked) > 0

  const submit = (process: Process, asked: Asked) => {
    const before = invariants.knownOf(asked)
    const length = lengthOf(asked)
    calling(
      process,
      `${process.watched.name} submits ${asked.submission.event_name} to ${nameOf(asked.ref)}`,
      (runtime) => runtime.submitEvent(optionsOf(asked)),
      {
        answer: (state) => invariants.submitted(asked, before, state),
        refusal: (tag) => {
          invariants.refused(asked, { before, error: tag })
          if (tag === "ExecutionNotFound") return length === 0
          if (tag === "TransitionRejected" || tag === "ExecutionComplete") invariants.checkRejection(asked, length)
          // Another writer was faster each time.
          if (tag === "ExecutionContended") return lengthOf(asked) - length >= maxSubmitAttempts
          return refusals.submit.has(tag)
        }
      }
    )
  }

  const enqueue = (process: Process, requests: Array.NonEmptyReadonlyArray<Asked>) => {
    const before = requests.map((asked) => invariants.entryOf(asked))
    const wereThere = requests.every(isThere)
    calling(
      process,
      `${process.watched.name} enqueues ${requests.map((asked) => `${asked.submission.event_name} to ${nameOf(asked.ref)}`).join(", ")}`,
      (runtime) => runtime.enqueueEvents(Array.map(requests, optionsOf)),
      {
        answer: (answers) => {
          for (const [index, asked] of requests.entries()) {
            const answer = answers[index]
            if (answer !== undefined) invariants.enqueued(asked, before[index], answer)
          }
        },
        refusal: (tag) => {
          for (const [index, asked] of requests.entries()) {
            // In a call for many events, another event may be the cause.
            invariants.refused(asked, { before: requests.length > 1 ? undefined : before[index], error: tag })
          }
          return tag === "ExecutionNotFound" ? !wereThere : refusals.enqueue.has(tag)
        }
      }
    )
  }

  const processNow = (process: Process, ref: ExecutionRef, which: number) => {
    const entry = invariants.seen(ref).entries[which]
    if (entry === undefined) return
    const { eventId, processingId } = entry
    calling(
      process,
      `${process.watched.name} processes ${nameOf(ref)} ${entry.queuePosition}`,
      (runtime) => runtime.processQueuedEvent({ ...ref, eventId, processingId, workerId: process.workerId }),
      {
        answer: (result) => invariants.processed(ref, processingId, result),
        refusal: (tag) => tag === "ExecutionBusy"
      }
    )
  }

  /** For the end, when nothing changes any more. */
  const look = (process: Process, ref: ExecutionRef) =>
    calling(process, `the state of ${nameOf(ref)}`, (runtime) => runtime.getExecutionState(ref), {
      answer: (state) => invariants.atRest(ref, state),
      refusal: () => false
    })

  return { start, submit, enqueue, processNow, look }
}

const optionsOf = ({ key, ref, submission }: Asked) => ({
  ...ref,
  submission,
  ...(key === undefined ? {} : { idempotencyKey: key })
})

/** Errors that refuse a call without writing anything. */
const refusals = {
  submit: new Set(["TransitionRejected", "ExecutionComplete", "IdempotencyConflict"]),
  enqueue: new Set(["ExecutionComplete", "IdempotencyConflict"])
}
