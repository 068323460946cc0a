/** The command worker: processes queued events until a signal. */
import { Worker } from "@refold/runtime"
import { Identifier, WorkflowEventProcessingModel } from "@refold/core"
import { Effect, Layer, Option, Schedule } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import { Signals } from "./Signals.ts"
import * as Store from "./Store.ts"

/** Limits for draining and for the whole shutdown: both lie below the 30 seconds that orchestrators wait before they kill. */
const drainTimeout = "20 seconds"
const closingTimeout = "25 seconds"

/** For the embedded database: while this worker runs, no other command can add to the queue or look at it. */
const logWhenEmpty = Effect.gen(function* () {
  const queue = yield* WorkflowEventProcessingModel
  const isEmpty = Effect.map(queue.lag, (lags) => lags.every(({ pendingCount }) => pendingCount === 0))
  yield* Effect.repeat(isEmpty, { until: (empty) => empty, schedule: Schedule.spaced("200 millis") })
  yield* Effect.logInfo("No event is pending")
}).pipe(Effect.catchTag("StoreError", (error) => Effect.logWarning(error.message)))

export const worker = Command.make(
  "worker",
  {
    id: Flag.String("id").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription("Name of this worker, unique among the running workers; generated when absent"),
      Flag.optional
    ),
    redis: Flags.redis,
    namespace: Flags.namespace
  },
  Effect.fnUntraced(function* ({ id, namespace, redis }) {
    yield* Effect.fromResult(Identifier.check({ id: Option.getOrUndefined(id) }))
    const signals = yield* Signals
    const channel = yield* Store.channelKind(redis)
    const work = Effect.gen(function* () {
      const { workerId } = yield* Worker
      yield* Effect.annotateLogs(Effect.logInfo("The worker has started"), { workerId, channel })
      if (channel === "in process") yield* Effect.forkScoped(logWhenEmpty)
      const signal = yield* signals.received
      yield* Effect.annotateLogs(
        Effect.logInfo("The worker drains: it takes no more events and finishes those in progress"),
        {
          workerId,
          signal
        }
      )
      yield* Effect.forkDetach(
        Effect.sleep(closingTimeout).pipe(
          Effect.andThen(
            Effect.logWarning("The worker did not stop in time; other workers will process what it has not finished")
          ),
          Effect.andThen(signals.exit(1))
        )
      )
      return workerId
    })
    const workerId = yield* Effect.provide(
      Effect.scoped(work),
      Worker.layer({ drainTimeout, ...Flags.present("workerId", id) }).pipe(
        Layer.provideMerge(Store.layerWaking({ redis, namespace }))
      )
    )
    yield* Effect.annotateLogs(Effect.logInfo("The worker has drained"), { workerId })
  })
).pipe(
  Command.withShortDescription("Process queued events until SIGTERM or SIGINT"),
  Command.withDescription(
    "Process queued events until SIGTERM or SIGINT, which drains the worker; a second signal stops it at once, without losing an event. Start as many workers as you like on one --database. The embedded database serves one process at a time: there, the worker processes what was queued before it started, and logs when no event is pending"
  ),
  Command.withExamples([
    {
      command: "refold worker --database postgres://localhost/app",
      description: "Woken by PostgreSQL notifications"
    },
    {
      command: "refold worker --database postgres://localhost/app --redis redis://localhost --id worker-1",
      description: "Woken by Redis Streams"
    },
    {
      command:
        "refold worker --database postgres://localhost/app --schema orders --redis redis://localhost --namespace orders",
      description: "For one of several stores on the same two servers"
    }
  ])
)
