/** Publishes wake-ups behind the answer: what was enqueued is safe already, and is found by sweeping if this fails. */
import {
  WakeUpChannel,
  WakeUpChannelError,
  type ExecutionRef,
  Partition,
  type WakeUp,
  WorkflowEventModel,
  executionKey
} from "@refold/core"
import { Array, Context, Duration, Effect, Layer, Metric, Queue } from "effect"
import * as Metrics from "../Metrics.ts"

/** Wake-ups waiting to be published; more are dropped, and their work is left to the sweep. */
const maxPending = 10_000

/** A stream that has not answered by then counts as one that failed. */
const patience = Duration.seconds(5)

export class WakeUps extends Context.Service<
  WakeUps,
  {
    /** Sees to it that the executions' workers are told soon. Returns at once, and never fails. */
    readonly offer: (executions: ReadonlyArray<ExecutionRef>) => Effect.Effect<void>
  }
>()("@refold/runtime/queue/WakeUps") {
  /** Closing the layer publishes what is pending, in one last attempt, for which it waits five seconds at most. */
  static readonly layer = Layer.effect(
    WakeUps,
    Effect.gen(function* () {
      const stream = yield* WakeUpChannel
      const { partitionCount } = yield* WorkflowEventModel
      const pending = yield* Queue.dropping<WakeUp>(maxPending)
      let underWay: ReadonlyArray<WakeUp> = []
      let isDown = false

      /** One wake-up of each execution; a worker takes all of its queue at once. */
      const publish = Effect.fnUntraced(function* (taken: Array.NonEmptyReadonlyArray<WakeUp>) {
        const distinct = new Map(taken.map((each) => [executionKey(each), each]))
        const wakeUps = [...distinct.values()]
        if (!Array.isReadonlyArrayNonEmpty(wakeUps)) return
        yield* stream.publish(wakeUps).pipe(
          Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(failureOf("it does not answer")) }),
          // A bug of the stream's must not end the publishing for good, unnoticed.
          Effect.catchDefect((defect) => Effect.fail(failureOf(String(defect)))),
          Effect.matchEffect({
            onSuccess: () =>
              Effect.sync(() => {
                isDown = false
              }),
            onFailure: (error) =>
              Effect.gen(function* () {
                yield* Metric.update(Metrics.wakeUpsDropped, wakeUps.length)
                // Once an outage, not once an event.
                if (!isDown) yield* Effect.logWarning(`Wake-ups are not published: ${error.message}`)
                isDown = true
              })
          })
        )
      })

      yield* Effect.addFinalizer(() =>
        Effect.flatMap(Queue.clear(pending), (left) => {
          const last = [...underWay, ...left]
          return Array.isReadonlyArrayNonEmpty(last) ? publish(last) : Effect.void
        })
      )
      yield* Effect.forkScoped(
        Effect.forever(
          Effect.gen(function* () {
            const taken = yield* Queue.takeAll(pending)
            underWay = taken
            yield* publish(taken)
            underWay = []
          })
        )
      )

      return WakeUps.of({
        offer: (executions) =>
          Effect.flatMap(
            Queue.offerAll(
              pending,
              executions.map((each) => ({
                ...each,
                partition: Partition.of(each.tenant, each.executionId, partitionCount)
              }))
            ),
            (rejected) => (rejected.length === 0 ? Effect.void : Metric.update(Metrics.wakeUpsDropped, rejected.length))
          )
      })
    })
  )
}

const failureOf = (detail: string) =>
  new WakeUpChannelError({ operation: "Publishing wake-ups", reason: "Unavailable", isRetryable: true, detail })
