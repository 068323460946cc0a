/** An adapter of your own: a store in a SQLite file, under the runtime and under the conformance kit. */
import { join } from "node:path"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { checkAdapter } from "@refold/testing/conformance"
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import { Workflow, WorkflowEventModel, WorkflowEventProcessingModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Console, Effect, FileSystem, Layer, Stream } from "effect"
import { Invoice } from "../01-invoice-approval/Invoice.ts"
import { heading, table } from "../Print.ts"
import * as SqliteStore from "./SqliteStore.ts"

const execution = { tenant: "acme", executionId: "invoice-1" }

/** The file has no queue. This queue in memory knows no execution of the file, so it accepts no event. */
const noQueue = Layer.effect(WorkflowEventProcessingModel, WorkflowEventProcessingModel).pipe(
  Layer.provide(MemoryStore.layer)
)

const live = (path: string) =>
  TypeScriptWorkflowRuntime.layer.pipe(
    Layer.provideMerge(WorkflowEventSourcing.layer),
    Layer.provide(Workflows.layer(Invoice)),
    Layer.provide([SqliteStore.layer(path), noQueue, MemoryWakeUpChannel.layer])
  )

const write = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  yield* runtime.startWorkflow({ workflow: Invoice, ...execution, data: { customer: "Globex" } })
  const line = Workflow.submission(Invoice, { event_name: "LineAdded", payload: { text: "Turbine", cents: 45_000 } })
  for (const submission of [line, Workflow.submission(Invoice, { event_name: "Submitted", user_id: "sue" })]) {
    const { currentState, position } = yield* runtime.submitEvent({ ...execution, submission })
    yield* table([[`position ${position}`, currentState]])
  }
})

const replay = Effect.gen(function* () {
  const { replayEvents } = yield* WorkflowEventSourcing
  const states = yield* Effect.forEach([1, 2, 3], (replayTo) =>
    replayEvents(execution.executionId, execution.tenant, { replayTo })
  )
  yield* table(
    states.map(({ executionState: { currentState, data, position } }) => [
      `position ${position}`,
      currentState,
      JSON.stringify(data)
    ])
  )
})

/** The store with a common bug: a read omits the events of the instant `until` itself. */
const buggy = Layer.effect(
  WorkflowEventModel,
  Effect.map(WorkflowEventModel, (model) => ({
    ...model,
    read: ({ until, ...options }) =>
      Stream.filter(model.read(options), ({ created_at }) => until === undefined || created_at < until)
  }))
).pipe(Layer.provideMerge(SqliteStore.layer(":memory:")))

const program = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const folder = yield* files.makeTempDirectoryScoped()
  const path = join(folder, "refold.db")

  yield* heading("An invoice in a SQLite file")
  yield* Effect.provide(write, live(path), { local: true })

  yield* heading("The file replays it after it is closed and opened again")
  yield* Effect.provide(replay, live(path), { local: true })

  yield* heading("The promises of each port, and how many the store keeps")
  const kits = yield* checkAdapter(SqliteStore.layer(":memory:"))
  yield* table(kits.map(({ kit, promiseCount }) => [kit, `${promiseCount} of ${promiseCount}`]))

  yield* heading("The kit finds a store that omits the events of the instant itself")
  yield* Effect.catchTag(checkAdapter(buggy), "AdapterUnfit", ({ broken }) => Console.log(broken[0]?.message))
})

NodeRuntime.runMain(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
