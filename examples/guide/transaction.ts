import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import { Workflow } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Console, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"

const order = { tenant: "acme", executionId: "order-1" }

/** Commits the payment and its event together, or neither. */
const pay = Effect.fn("pay")(function* (cents: number) {
  const sql = yield* SqlClient.SqlClient
  const runtime = yield* TypeScriptWorkflowRuntime
  return yield* sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`insert into payments ${sql.insert({ order_id: order.executionId, cents })}`
      return yield* runtime.enqueueEvent({ ...order, submission: { event_name: "Paid", payload: { cents } } })
    })
  )
})

const program = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const runtime = yield* TypeScriptWorkflowRuntime
  yield* sql`create table payments (order_id text primary key, cents int not null check (cents > 0))`
  yield* runtime.startWorkflow({ workflow: Workflow.open("order"), ...order })
  const enqueued = yield* pay(4200)
  const refused = yield* Effect.exit(pay(-1))
  yield* Console.log(refused._tag, yield* runtime.processQueuedEvent({ ...order, ...enqueued, workerId: "me" }))
})

const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layerOpen()),
  Layer.provide(PostgresStore.layerMigrated()),
  Layer.provide(MemoryWakeUpChannel.layer),
  // The store and the program share this client, so they share the transaction.
  Layer.provideMerge(PgliteStore.layerClient())
)

await Effect.runPromise(Effect.provide(program, Live))
