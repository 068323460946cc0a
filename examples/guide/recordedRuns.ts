/** Records how a build replays a loan, and checks a changed build against the record. */
import { NodeServices } from "@effect/platform-node"
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import { Workflow } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { RecordedRuns } from "@refold/testing/recording"
import { Console, Effect, FileSystem, Layer, Schema } from "effect"

const loan = {
  name: "loan",
  events: { Renewed: Schema.Struct({ days: Schema.Int }) },
  data: Schema.Struct({ days: Schema.Int }),
  initial: { state: "Lent", data: { days: 14 } },
  evolve: { Renewed: (data: { days: number }, payload: { days: number }) => ({ days: data.days + payload.days }) }
} as const

const Loan = Workflow.make({ ...loan, states: { Lent: { Renewed: "Lent" } } })

/** The next release: a renewal has at most two weeks. */
const Stricter = Workflow.make({
  ...loan,
  states: { Lent: { Renewed: { to: "Lent", guard: (_data, { days }) => days <= 14 } } }
})

const checkAll = (directory: string) =>
  RecordedRuns.check(directory).pipe(
    Effect.tap(({ failedCount, runCount }) => Console.log(`${failedCount} of ${runCount} differ`))
  )

const program = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  const loan1 = { tenant: "library", executionId: "loan-1" }
  yield* runtime.startWorkflow({ workflow: Loan, ...loan1 })
  yield* runtime.submitEvent({ ...loan1, submission: { event_name: "Renewed", payload: { days: 28 } } })

  const directory = yield* FileSystem.FileSystem.use((fs) => fs.makeTempDirectoryScoped())
  yield* RecordedRuns.record({ tenant: "library", sampleSize: 100, directory, isRedacted: true })
  yield* checkAll(directory)
  const { failures } = yield* Effect.provide(checkAll(directory), Workflows.layer(Stricter))
  yield* Console.log(failures.flatMap(({ differences }) => differences))
})

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provideMerge(Workflows.layer(Loan)),
  Layer.provideMerge(Layer.mergeAll(MemoryStore.layer, MemoryWakeUpChannel.layer, NodeServices.layer))
)

await Effect.runPromise(Effect.scoped(Effect.provide(program, Live)))
