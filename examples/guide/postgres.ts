import { PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Config, Effect, Layer } from "effect"
import { Invoice } from "../01-invoice-approval/Invoice.ts"

const Database = Layer.unwrap(
  Effect.map(Config.Redacted("DATABASE_URL"), (url) => PostgresStore.layerClient({ url, maxConnections: 20 }))
)

export const Live = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provide(Workflows.layer(Invoice)),
  Layer.provide(PostgresStore.layer),
  // Uses the Redis in REDIS_URL. Without Redis, use PostgresWakeUpChannel.layer on the same database.
  Layer.provide(RedisWakeUpChannel.layerConfig()),
  Layer.provide(Database)
)
