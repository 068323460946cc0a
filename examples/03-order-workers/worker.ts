/** One worker in its own process. It sends a message to its parent when it owns partitions. */
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

// Ends with its parent; otherwise a killed parent would leave it running.
process.on("disconnect", () => process.exit(1))

const Live = Layer.unwrap(
  Effect.map(Shop.Servers, (servers) =>
    Worker.layer({ leaseDuration: Shop.leaseDuration }).pipe(Layer.provide(Shop.layer(servers)))
  )
)

NodeRuntime.runMain(Effect.provide(work, Live))
