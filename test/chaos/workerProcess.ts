/** One worker of the chaos run, as a separate process that is killed, frozen and disconnected. */
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { PostgresStore } from "@refold/adapters/postgres"
import { TypeScriptWorkflowRuntime, Worker, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Config, Effect, Exit, Layer } from "effect"
import { Counting } from "./Counting.ts"
import { leaseDuration } from "./leaseDuration.ts"

const Live = Layer.unwrap(
  Effect.gen(function* () {
    const databaseUrl = yield* Config.Redacted("DATABASE_URL")
    return Worker.layer({ leaseDuration, drainTimeout: "5 seconds" }).pipe(
      Layer.provide(TypeScriptWorkflowRuntime.layer),
      Layer.provide(WorkflowEventSourcing.layer),
      Layer.provide(Workflows.layer(Counting)),
      Layer.provide(PostgresStore.layer),
      Layer.provide(PostgresStore.layerClient({ url: databaseUrl })),
      Layer.provide(RedisWakeUpChannel.layerConfig())
    )
  })
)

const Told = Layer.effectDiscard(Effect.sync(() => process.send?.("ready"))).pipe(Layer.provide(Live))

// After a signal, the worker has drained when the layer is closed.
NodeRuntime.runMain(Layer.launch(Told), {
  teardown: (exit, onExit) => onExit(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
})
