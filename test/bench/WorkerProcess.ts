/**
 * `node WorkerProcess.ts ours|"by hand"`: one worker on the servers in `DATABASE_URL` and `REDIS_URL`. Reports when it is
 * ready, and starts at the go signal.
 */
import { once } from "node:events"
import { NodeRuntime } from "@effect/platform-node"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { PostgresStore } from "@refold/adapters/postgres"
import { TypeScriptWorkflowRuntime, Worker, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Cause, Effect, Exit, Layer, Redacted } from "effect"
import * as ByHand from "./ByHand.ts"
import { Ledger } from "./Ledger.ts"

const [, , kind] = process.argv
const { BENCH_SCHEMA: schema = "", BENCH_STREAM: stream = "", DATABASE_URL = "", REDIS_URL = "" } = process.env
const databaseUrl = Redacted.make(DATABASE_URL)

const told = Effect.promise(() => {
  const word = once(process, "message")
  process.send?.("ready")
  return word
})

const ours = Effect.andThen(told, Layer.launch(Worker.layer())).pipe(
  Effect.provide(
    TypeScriptWorkflowRuntime.layer.pipe(
      Layer.provideMerge(WorkflowEventSourcing.layer),
      Layer.provideMerge(Workflows.layer(Ledger)),
      Layer.provideMerge(PostgresStore.layerWith({ schema })),
      Layer.provideMerge(PostgresStore.layerClient({ url: databaseUrl })),
      Layer.provideMerge(RedisWakeUpChannel.layer({ url: Redacted.make(REDIS_URL), namespace: schema }))
    )
  )
)

const byHand = Effect.gen(function* () {
  const hand = yield* ByHand.make(schema)
  yield* told
  return yield* ByHand.work(hand, {
    redisUrl: REDIS_URL,
    stream,
    apply: "applyByStatement",
    onApplied: () => {}
  })
}).pipe(Effect.scoped, Effect.provide(PostgresStore.layerClient({ url: databaseUrl })))

const worker: Effect.Effect<never, unknown> = kind === "ours" ? ours : byHand

// After a signal, the worker has drained when the layer is closed.
NodeRuntime.runMain(worker, {
  teardown: (exit, onExit) => onExit(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
})
