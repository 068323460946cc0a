/** One worker, as a process of its own. Tells the process that started it when it owns partitions. */
import { NodeRuntime } from "@effect/platform-node"
import { Worker } from "@refold/runtime"
import { Effect, Layer } from "effect"
import * as Shop from "./Shop.ts"

const work = Effect.gen(function* () {
  const { partitions } = yield* Worker
  yield* Shop.untilOwner(partitions)
  process.send?.("ready")
  return yield* Effect.never
})

// A parent that is gone would leave it behind.
process.on("disconnect", () => process.exit(1))

const Live = Layer.unwrap(
  Effect.map(Shop.Servers, (servers) =>
    Worker.layer({ leaseDuration: Shop.leaseDuration }).pipe(Layer.provide(Shop.layer(servers)))
  )
)

NodeRuntime.runMain(Effect.provide(work, Live))
