/** Finds work that no wake-up reported: after a lost wake-up, a restarted channel, a retry that came due. */
import {
  type ExecutionRef,
  Instant,
  type StoreError,
  WorkflowEventProcessingModel,
  type WorkflowRef
} from "@refold/core"
import { Clock, Context, Duration, Effect, Layer, Metric } from "effect"
import * as Metrics from "../Metrics.ts"

/** Executions of one tenant and partition found at a time; the next sweep finds more. */
const limitPerTenant = 500

/** Age from which the oldest pending event of a partition is reported. */
const stuckAfter = Duration.minutes(1)

/** Workflows remembered as unknown to this process. */
const maxUnknown = 1000

export class Sweeper extends Context.Service<
  Sweeper,
  {
    /** Executions with work that is due: in these partitions, and unclaimed work of workflows that this process may know. */
    readonly find: (partitions: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<ExecutionRef>, StoreError>

    /** From now on, skips unclaimed work of this workflow, which this process does not know. */
    readonly skipWorkflow: (workflow: WorkflowRef) => Effect.Effect<void>

    /** Measures what is pending in these partitions, and warns of executions that are stuck: once, until that changes. */
    readonly report: (partitions: ReadonlyArray<number>) => Effect.Effect<void, StoreError>
  }
>()("@refold/runtime/queue/Sweeper") {
  static readonly layer = Layer.effect(
    Sweeper,
    Effect.gen(function* () {
      const queue = yield* WorkflowEventProcessingModel
      const unknown = new Map<string, WorkflowRef>()
      let reported = ""

      return Sweeper.of({
        find: Effect.fn("Sweeper.find")(function* (partitions) {
          const due = yield* queue.findReady({ of: partitions, limitPerTenant, except: [] })
          const unclaimed = yield* queue.findReady({ of: "unclaimed", limitPerTenant, except: [...unknown.values()] })
          return [...due, ...unclaimed]
        }),
        skipWorkflow: ({ name, version }) =>
          Effect.sync(() => {
            if (unknown.size < maxUnknown) unknown.set(`${version} ${name}`, { name, version })
          }),
        report: Effect.fn("Sweeper.report")(function* (partitions) {
          const owned = new Set(partitions)
          const lags = (yield* queue.lag).filter((lag) => owned.has(lag.partition))
          const stuckBefore = Instant.fromEpochMillis((yield* Clock.currentTimeMillis) - Duration.toMillis(stuckAfter))
          const sum = (count: (lag: (typeof lags)[number]) => number) =>
            lags.reduce((total, lag) => total + count(lag), 0)
          const found = {
            deadCount: sum((lag) => lag.deadCount),
            unclaimedCount: sum((lag) => lag.unclaimedCount),
            latePartitions: lags.filter((lag) => lag.oldestQueuedAt !== undefined && lag.oldestQueuedAt < stuckBefore)
              .length
          }
          yield* Metric.update(
            Metrics.eventsPending,
            sum((lag) => lag.pendingCount)
          )
          const text = JSON.stringify(found)
          if (text === reported) return
          reported = text
          if (Object.values(found).some((count) => count > 0)) {
            yield* Effect.logWarning(
              "Queued events wait longer than they should: see `refold lag` and `refold dead-letters list`"
            ).pipe(Effect.annotateLogs(found))
          }
        })
      })
    })
  )
}
