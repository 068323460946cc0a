import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import { Workflow, type WorkflowEvent, WorkflowEventModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Array, Console, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const createCheckpoints = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`create table checkpoints (partition int primary key, "offset" int not null)`
)

/** Runs an effect for each new event of a partition. The receiver must recognise an event id that it has handled before. */
const followPartition = Effect.fn("followPartition")(function* <E, R>(
  partition: number,
  react: (event: WorkflowEvent) => Effect.Effect<void, E, R>
) {
  const sql = yield* SqlClient.SqlClient
  const log = yield* WorkflowEventModel
  const [checkpoint] = yield* sql<{ offset: number }>`select "offset" from checkpoints where partition = ${partition}`
  let after = checkpoint?.offset ?? 0
  while (true) {
    const events = yield* log.readFeed({ partition, after, limit: 100 })
    if (!Array.isReadonlyArrayNonEmpty(events)) return
    yield* Effect.forEach(events, react, { discard: true })
    after = Array.lastNonEmpty(events).offset
    yield* sql`insert into checkpoints values (${partition}, ${after})
      on conflict (partition) do update set "offset" = greatest(checkpoints."offset", excluded."offset")`
  }
})

const sendMail = (event: WorkflowEvent) =>
  event.event_name === "Paid" ? Console.log(`a mail about ${event.execution_id}`) : Effect.void

const program = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  const { partitionCount } = yield* WorkflowEventModel
  const order = { tenant: "acme", executionId: "order-1" }
  yield* createCheckpoints
  yield* runtime.startWorkflow({ workflow: Workflow.open("order"), ...order })
  yield* runtime.submitEvent({ ...order, submission: { event_name: "Paid" } })
  const followAll = Effect.forEach(Array.range(0, partitionCount - 1), (partition) =>
    followPartition(partition, sendMail)
  )
  yield* followAll
  yield* followAll
})

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layerOpen()),
  Layer.provideMerge(PostgresStore.layerMigrated()),
  Layer.provide(MemoryWakeUpChannel.layer),
  Layer.provideMerge(PgliteStore.layerClient())
)

await Effect.runPromise(Effect.provide(program, Live))
