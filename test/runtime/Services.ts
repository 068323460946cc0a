/** The services under test on a store in memory, and tools that observe or break the ports below them. */
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import {
  WakeUpChannel,
  type FailurePolicy,
  PartitionLeases,
  type Snapshot,
  StoreError,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel,
  withoutUndefined
} from "@refold/core"
import {
  EventProcessor,
  type IdempotencyKeys,
  TypeScriptWorkflowRuntime,
  WorkflowEventSourcing,
  Workflows
} from "@refold/runtime"
import { Array, Cause, Context, Duration, Effect, type Fiber, Layer, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Order, add } from "./Order.ts"

export interface Options {
  readonly definitions?: ReadonlyArray<Workflow.Workflow>
  /** Replaces the definitions and every open workflow. */
  readonly registry?: Layer.Layer<Workflows>
  readonly policy?: Snapshot.SnapshotPolicy
  readonly retention?: Snapshot.Retention
  readonly maxPayloadBytes?: number
  readonly idempotencyKeys?: IdempotencyKeys
  readonly failurePolicy?: FailurePolicy.FailurePolicy
}

/** Both services on the caller's ports. */
export const servicesWith = ({
  definitions = [Order],
  failurePolicy,
  idempotencyKeys,
  maxPayloadBytes,
  registry = Workflows.layerOpen(...definitions),
  ...snapshots
}: Options = {}) =>
  TypeScriptWorkflowRuntime.layerWith(withoutUndefined({ failurePolicy, idempotencyKeys, maxPayloadBytes })).pipe(
    Layer.provideMerge(WorkflowEventSourcing.layerWith(snapshots)),
    Layer.provideMerge(registry)
  )

/** Every port, in memory. */
export const memoryPorts = Layer.mergeAll(MemoryStore.layer, MemoryWakeUpChannel.layer)

/** Both services on a new store, and its ports. */
export const memory = (options: Options = {}) => servicesWith(options).pipe(Layer.provideMerge(memoryPorts))

/** Runs an effect with new services on the same ports, as a second process would. */
export const inAnotherProcess = (options: Options = {}) =>
  Effect.provide(Layer.fresh(servicesWith(options)), { local: true })

export const tenant = "acme"

export const place = (executionId = "order-1") => ({ tenant, executionId })

/** Starts an order and adds items of 1, 2, 3 … cents, one per second. */
export const orderOf = Effect.fnUntraced(function* (addedCount: number, executionId = "order-1") {
  const runtime = yield* TypeScriptWorkflowRuntime
  let state = yield* runtime.startWorkflow({ ...place(executionId), workflow: Order })
  for (let cents = 1; cents <= addedCount; cents++) {
    yield* TestClock.adjust("1 second")
    state = yield* runtime.submitEvent({ ...place(executionId), submission: add(cents) })
  }
  return state
})

export const eventsOf = (executionId = "order-1") =>
  Effect.flatMap(WorkflowEventModel, (events) => Stream.runCollect(events.read(place(executionId))))

export const snapshotPositions = (executionId = "order-1") =>
  Effect.flatMap(WorkflowSnapshotModel, (snapshots) => snapshots.positions(place(executionId)))

type Change<Port> = (port: Port) => Partial<Port>

export interface Changes {
  readonly events?: Change<WorkflowEventModel["Service"]>
  readonly executions?: Change<WorkflowExecutionModel["Service"]>
  readonly snapshots?: Change<WorkflowSnapshotModel["Service"]>
  readonly queue?: Change<WorkflowEventProcessingModel["Service"]>
  readonly stream?: Change<WakeUpChannel["Service"]>
  readonly leases?: Change<PartitionLeases["Service"]>
}

/** The current ports with some of them replaced. */
export const changed = (change: Changes) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const events = yield* WorkflowEventModel
      const executions = yield* WorkflowExecutionModel
      const snapshots = yield* WorkflowSnapshotModel
      const queue = yield* WorkflowEventProcessingModel
      const stream = yield* WakeUpChannel
      const leases = yield* PartitionLeases
      return Context.empty().pipe(
        Context.add(WorkflowEventModel, { ...events, ...change.events?.(events) }),
        Context.add(WorkflowExecutionModel, { ...executions, ...change.executions?.(executions) }),
        Context.add(WorkflowSnapshotModel, { ...snapshots, ...change.snapshots?.(snapshots) }),
        Context.add(WorkflowEventProcessingModel, { ...queue, ...change.queue?.(queue) }),
        Context.add(WakeUpChannel, { ...stream, ...change.stream?.(stream) }),
        Context.add(PartitionLeases, { ...leases, ...change.leases?.(leases) })
      )
    })
  )

export const brokenStore = new StoreError({ operation: "A test", reason: { _tag: "Full" } })

/** Records log entries as message and cause. */
export const capturedLogs = () => {
  const lines: globalThis.Array<string> = []
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    lines.push(`${logLevel} ${String(message)} ${Cause.pretty(cause)}`.trim())
  })
  return { lines, layer: Logger.layer([logger]) }
}

export const withoutEvents =
  (leaveOut: (event: WorkflowEvent) => boolean): Change<WorkflowEventModel["Service"]> =>
  (events) => ({
    read: (options) => Stream.filter(events.read(options), (event) => !leaveOut(event)),
    readTenant: (options) => Stream.filter(events.readTenant(options), (event) => !leaveOut(event)),
    readFeed: (options) => Effect.map(events.readFeed(options), (page) => page.filter((event) => !leaveOut(event)))
  })

export const entriesOf = (executionId = "order-1", ofTenant = tenant) =>
  Effect.flatMap(WorkflowEventProcessingModel, (queue) =>
    Stream.runCollect(queue.list({ tenant: ofTenant, executionId, statuses: everyStanding }))
  )

const everyStanding = ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] as const

export const standingsOf = (executionId = "order-1", ofTenant = tenant) =>
  Effect.map(entriesOf(executionId, ofTenant), (entries) => entries.map(({ status }) => status._tag))

/** All executions with due events, in all partitions. */
export const findDue = Effect.gen(function* () {
  const { partitionCount } = yield* WorkflowEventModel
  const queue = yield* WorkflowEventProcessingModel
  return yield* queue.findReady({ of: Array.range(0, partitionCount - 1), limitPerTenant: 10_000, except: [] })
})

/** Processes due events until none is due, as a worker would. */
export const processAll = Effect.fnUntraced(function* () {
  const processor = yield* EventProcessor
  for (let turnCount = 0; turnCount < 10_000; turnCount++) {
    const due = yield* findDue
    if (!Array.isReadonlyArrayNonEmpty(due)) return
    yield* processor.process({ executions: due, limit: 16 })
  }
  return yield* Effect.die("the queue does not come to an end")
})

/** Advances the clock second by second until the fiber has ended or the time is over. */
export const elapse = Effect.fnUntraced(function* (fiber: Fiber.Fiber<unknown, unknown>, duration: Duration.Input) {
  const seconds = Math.ceil(Duration.toSeconds(Duration.fromInputUnsafe(duration)))
  for (let second = 0; second < seconds && fiber.pollUnsafe() === undefined; second++) {
    yield* TestClock.adjust("1 second")
  }
  if (fiber.pollUnsafe() === undefined) yield* Effect.die(`not done after ${seconds} seconds`)
})
