/** A schema of our own in a real PostgreSQL, with the services on it, and the client for what is written by hand. */
// The package as a whole would load an HTTP client as well: 30 MiB that the figures of memory would show.
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { PostgresStore } from "@refold/adapters/postgres"
import { WorkflowEventModel } from "@refold/core"
import { WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Effect, Layer, Redacted, Result } from "effect"
import { SqlClient } from "effect/sql"
import { Ledger, eventsAt } from "./Ledger.ts"

const ownSchema = (schema: string) =>
  Layer.effectDiscard(
    Effect.flatMap(SqlClient.SqlClient, (sql) => {
      const drop = sql`drop schema if exists ${sql(schema)} cascade`
      return Effect.acquireRelease(drop, () => Effect.orDie(drop))
    })
  )

/** On a schema that is there. */
export const layerOn = (url: string, schema: string) =>
  WorkflowEventSourcing.layerWith({ policy: { _tag: "Never" } }).pipe(
    Layer.provideMerge(Workflows.layerOpen(Ledger)),
    Layer.provideMerge(PostgresStore.layerMigrated({ schema })),
    Layer.provideMerge(PostgresStore.layerClient({ url: Redacted.make(url) })),
    Layer.provideMerge(NodeFileSystem.layer)
  )

/** On a new schema, dropped at the end. */
export const layer = (url: string, schema: string) =>
  layerOn(url, schema).pipe(
    Layer.provide(ownSchema(schema).pipe(Layer.provide(PostgresStore.layerClient({ url: Redacted.make(url) }))))
  )

export const tenant = "bench"

const batchSize = 2000

/** Appends ledger events to an execution, so that it ends at a position. */
export const writeLedger = Effect.fnUntraced(function* (executionId: string, after: number, to: number) {
  const events = yield* WorkflowEventModel
  for (let position = after; position < to; position += batchSize) {
    const [written] = yield* events.commit([
      {
        tenant,
        executionId,
        workflow: Ledger,
        expectedPosition: position,
        events: eventsAt(position + 1, Math.min(position + batchSize, to)),
        isComplete: false
      }
    ])
    Result.getOrThrow(written)
  }
  const sql = yield* SqlClient.SqlClient
  yield* sql`analyze`
})
