/** The queue in PostgreSQL: each operation is one statement. */
import { WorkflowEventProcessingModel } from "@refold/core"
import { Effect, Layer } from "effect"
import * as Database from "./Database.ts"
import type { SchemaOptions } from "./PostgresSchema.ts"
import { claim } from "./queue/Claim.ts"
import { discard, redrive } from "./queue/DeadEvents.ts"
import { makeEnqueue } from "./queue/Enqueue.ts"
import { find, lag, list } from "./queue/Entries.ts"
import { fail, markUnclaimed } from "./queue/Fail.ts"
import { findReady } from "./queue/FindReady.ts"

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowEventProcessingModel,
    Effect.gen(function* () {
      const database = yield* Database.open(options)
      return WorkflowEventProcessingModel.of({
        enqueue: yield* makeEnqueue(database),
        findReady: (wanted) => findReady(database, wanted),
        claim: (wanted) => claim(database, wanted),
        fail: (failure) => fail(database, failure),
        markUnclaimed: (event) => markUnclaimed(database, event),
        find: (key) => find(database, key),
        list: (filter) => list(database, filter),
        redrive: (key) => redrive(database, key),
        discard: (key) => discard(database, key),
        lag: lag(database)
      })
    })
  )
