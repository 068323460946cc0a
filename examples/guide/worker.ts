import { PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { TypeScriptWorkflowRuntime, Worker, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Config, Duration, Effect, Layer } from "effect"
import { Invoice } from "../01-invoice-approval/Invoice.ts"

const Database = Layer.unwrap(
  Effect.map(Config.Redacted("DATABASE_URL"), (url) => PostgresStore.layerClient({ url, maxConnections: 20 }))
)

const Runtime = TypeScriptWorkflowRuntime.layerWith({
  failurePolicy: {
    maxAttempts: 5,
    firstDelay: Duration.millis(200),
    maxDelay: Duration.seconds(30),
    afterLast: "block"
  }
})

/** Works until it is closed: NodeRuntime.runMain(Layer.launch(Live)). */
export const Live = Worker.layer({ leaseDuration: "10 seconds", drainTimeout: "20 seconds" }).pipe(
  Layer.provide(Runtime),
  Layer.provide(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layer(Invoice)),
  Layer.provide(PostgresStore.layer),
  Layer.provide(RedisWakeUpChannel.layerConfig()),
  Layer.provide(Database)
)
