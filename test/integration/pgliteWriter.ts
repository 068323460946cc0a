/** A separate process: opens the directory, reports success or the error, and commits three events at a time until it is killed. */
import { PgliteStore } from "@refold/adapters/pglite"
import { WorkflowEventModel } from "@refold/core"
import { Console, Effect } from "effect"
import { commitOf } from "./commits.ts"

const [, , dataDir = "", tenant = ""] = process.argv

const write = Effect.gen(function* () {
  const model = yield* WorkflowEventModel
  yield* Console.log("open")
  for (let position = 0; ; position += 3) {
    yield* model.commit([commitOf({ tenant, executionId: "one" }, position, ["1", "2", "3"])])
    yield* Console.log(position + 3)
  }
})

await Effect.runPromise(
  write.pipe(
    Effect.provide(PgliteStore.layer({ dataDir })),
    Effect.catchTag("StoreError", (error) => Console.log(error.reason._tag))
  )
)
