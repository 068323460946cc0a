/** The services under test on a store in memory, and what looks at or breaks the ports beneath them. */
import { MemoryStore } from "@refold/adapters/memory"
import {
  type Snapshot,
  StoreError,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Cause, Context, Effect, Layer, Logger, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Order, add } from "./Order.ts"

export interface Options {
  readonly definitions?: ReadonlyArray<Workflow.Workflow>
  readonly policy?: Snapshot.SnapshotPolicy
  readonly retention?: Snapshot.Retention
  readonly maxPayloadBytes?: number
}

/** Both services, on ports that the caller provides. */
export const servicesWith = ({ definitions = [Order], maxPayloadBytes, ...snapshots }: Options = {}) =>
  TypeScriptWorkflowRuntime.layerWith(maxPayloadBytes === undefined ? {} : { maxPayloadBytes }).pipe(
    Layer.provideMerge(WorkflowEventSourcing.layerWith(snapshots)),
    Layer.provideMerge(Workflows.layerOpen(...definitions))
  )

/** Both services on a store of their own, and its ports. */
export const memory = (options: Options = {}) => servicesWith(options).pipe(Layer.provideMerge(MemoryStore.layer))

/** Runs an effect with other services, on the ports at hand: what a second process would see. */
export const inAnotherProcess = (options: Options = {}) =>
  Effect.provide(Layer.fresh(servicesWith(options)), { local: true })

export const tenant = "acme"

export const place = (executionId = "order-1") => ({ tenant, executionId })

/** Starts an order and adds items of 1, 2, 3 … cents, one second after another. */
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

/** The ports at hand, some of them changed. */
export const changed = (change: {
  readonly events?: Change<WorkflowEventModel["Service"]>
  readonly executions?: Change<WorkflowExecutionModel["Service"]>
  readonly snapshots?: Change<WorkflowSnapshotModel["Service"]>
}) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const events = yield* WorkflowEventModel
      const executions = yield* WorkflowExecutionModel
      const snapshots = yield* WorkflowSnapshotModel
      return Context.empty().pipe(
        Context.add(WorkflowEventModel, { ...events, ...change.events?.(events) }),
        Context.add(WorkflowExecutionModel, { ...executions, ...change.executions?.(executions) }),
        Context.add(WorkflowSnapshotModel, { ...snapshots, ...change.snapshots?.(snapshots) })
      )
    })
  )

export const brokenStore = new StoreError({ operation: "A test", reason: "Full", isRetryable: false })

/** Keeps what is logged, each entry as its message and its cause. */
export const capturedLogs = () => {
  const lines: Array<string> = []
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
