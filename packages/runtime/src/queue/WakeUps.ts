/** Publishes wake-ups in the background, after the response: queued events are safe already, and the sweep finds them if this fails. */
import {
  type ExecutionRef,
  Partition,
  type WakeUp,
  WakeUpChannel,
  WakeUpChannelError,
  WorkflowEventModel,
  executionKey
} from "@refold/core"
import { Array, Context, Duration, Effect, Layer, Metric, Queue } from "effect"
import * as Metrics from "../Metrics.ts"

/** Wake-ups not yet published; beyond this they are dropped, and the sweep finds their work. */
const maxPending = 10_000

/** A channel that has not answered by then has failed. */
const publishTimeout = Duration.seconds(5)

export class WakeUps extends Context.Service<
  WakeUps,
  {
    /** Publishes wake-ups for the executions soon. Returns at once, and never fails. */
    readonly offer: (executions: ReadonlyArray<ExecutionRef>) => Effect.Effect<void>
  }
>()("@refold/runtime/queue/WakeUps") {
  /** Closing the layer publishes what is pending in one last attempt, for which it waits five seconds at most. */
  static readonly layer = Layer.effect(
    WakeUps,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const channel = yield* WakeUpChannel
  const { partitionCount } = yield* WorkflowEventModel
  const pending = yield* Queue.dropping<WakeUp>(maxPending)
  const publish = publisherOf(channel)
  let inFlight: ReadonlyArray<WakeUp> = []

  yield* Effect.addFinalizer(() => Effect.flatMap(Queue.clear(pending), (rest) => publish([...inFlight, ...rest])))
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.gen(function* () {
        inFlight = yield* Queue.takeAll(pending)
        yield* publish(inFlight)
        inFlight = []
      })
    )
  )
  return WakeUps.of({
    offer: (executions) =>
      Effect.flatMap(
        Queue.offerAll(
          pending,
          executions.map(({ executionId, tenant }) => ({
            tenant,
            executionId,
            partition: Partition.of(tenant, executionId, partitionCount)
          }))
        ),
        (dropped) => (dropped.length === 0 ? Effect.void : Metric.update(Metrics.wakeUpsDropped, dropped.length))
      )
  })
})

/** Publishes one wake-up for each execution, since a worker takes all of its queue at once. Warns once an outage. */
const publisherOf = (channel: WakeUpChannel["Service"]) => {
  let isDown = false
  return Effect.fnUntraced(function* (taken: ReadonlyArray<WakeUp>) {
    const wakeUps = [...new Map(taken.map((each) => [executionKey(each), each])).values()]
    if (!Array.isReadonlyArrayNonEmpty(wakeUps)) return
    yield* channel.publish(wakeUps).pipe(
      Effect.timeoutOrElse({ duration: publishTimeout, orElse: () => Effect.fail(failureOf("it does not answer")) }),
      // A bug of the channel's must not end the publishing for good, unnoticed.
      Effect.catchDefect((defect) => Effect.fail(failureOf(String(defect)))),
      Effect.matchEffect({
        onSuccess: () =>
          Effect.sync(() => {
            isDown = false
          }),
        onFailure: (error) =>
          Effect.gen(function* () {
            yield* Metric.update(Metrics.wakeUpsDropped, wakeUps.length)
            if (!isDown) yield* Effect.logWarning(`Wake-ups are not published: ${error.message}`)
            isDown = true
          })
      })
    )
  })
}

const failureOf = (detail: string) =>
  new WakeUpChannelError({
    operation: "Publishing wake-ups",
    reason: { _tag: "Unavailable", isRetryable: true, detail }
  })
