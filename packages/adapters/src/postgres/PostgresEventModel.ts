/** Events in PostgreSQL: appended by one statement, many executions at a time, each whole or not at all. */
import { WorkflowEventModel } from "@refold/core"
import { Effect, Layer } from "effect"
import { isInTransaction } from "./CallerTransaction.ts"
import * as Database from "./Database.ts"
import { makeCommit } from "./events/Append.ts"
import { findByIdempotencyKey, read, readFeed, readTenant } from "./events/ReadEvents.ts"
import type { SchemaOptions } from "./PostgresSchema.ts"

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowEventModel,
    Effect.gen(function* () {
      const database = yield* Database.open(options)
      return WorkflowEventModel.of({
        partitionCount: database.partitionCount,
        isInTransaction: isInTransaction(database.sql),
        commit: yield* makeCommit(database),
        read: (range) => read(database, range),
        readTenant: (range) => readTenant(database, range),
        readFeed: (range) => readFeed(database, range),
        findByIdempotencyKey: (key) => findByIdempotencyKey(database, key)
      })
    })
  )
