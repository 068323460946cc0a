/** A private schema in a real PostgreSQL, with the services on it, and the client for the hand-written code. */
// The whole package would also load an HTTP client: 30 MiB, which the memory figures would show.
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { PostgresStore } from "@refold/adapters/postgres"
import { RedisWakeUpChannel } from "@refold/adapters/redis"
import { type ExecutionRef, WorkflowEventModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Array, Effect, Layer, Redacted, Result } from "effect"
import { SqlClient } from "effect/sql"
import { Ledger, eventsAt } from "./Ledger.ts"
import { Servers } from "./Servers.ts"

const ownSchema = (schema: string) =>
  Layer.effectDiscard(
    Effect.flatMap(SqlClient.SqlClient, (sql) => {
      const drop = sql`drop schema if exists ${sql(schema)} cascade`
      return Effect.acquireRelease(drop, () => Effect.orDie(drop))
    })
  )

interface Place {
  readonly url: string
  readonly schema: string
  /** 64 by default. */
  readonly partitionCount?: number
}

/** On an existing or a new schema. */
export const layerOn = ({ url, ...store }: Place) =>
  WorkflowEventSourcing.layer.pipe(
    Layer.provideMerge(Workflows.layerOpen(Ledger)),
    Layer.provideMerge(PostgresStore.layerMigrated(store)),
    Layer.provideMerge(PostgresStore.layerClient({ url: Redacted.make(url) })),
    Layer.provideMerge(NodeFileSystem.layer)
  )

/** On a new schema, which is dropped at the end. */
export const layer = (place: Place) =>
  layerOn(place).pipe(
    Layer.provide(
      ownSchema(place.schema).pipe(Layer.provide(PostgresStore.layerClient({ url: Redacted.make(place.url) })))
    )
  )

/** The same, on the server of this run. */
export const onServer = (options: Omit<Place, "url">) =>
  Layer.unwrap(
    Effect.gen(function* () {
      return layer({ ...options, url: yield* (yield* Servers).databaseUrl })
    })
  )

/** The same with Redis, in a namespace with the name of the schema. */
export const onServers = (schema: string) =>
  Layer.mergeAll(
    onServer({ schema }),
    Layer.unwrap(
      Effect.gen(function* () {
        const url = yield* (yield* Servers).redisUrl
        return RedisWakeUpChannel.layer({ url: Redacted.make(url), namespace: schema })
      })
    )
  )

export const runtimeOnServers = (schema: string) =>
  TypeScriptWorkflowRuntime.layer.pipe(Layer.provideMerge(onServers(schema)))

export const tenant = "bench"

const batchSize = 2000

/** Appends ledger events to an execution until it is at a position. */
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

/** Starts ledgers, many per commit. */
export const startEach = Effect.fnUntraced(function* (refs: ReadonlyArray<ExecutionRef>) {
  const events = yield* WorkflowEventModel
  const commits = refs.map((ref) => ({
    ...ref,
    workflow: Ledger,
    expectedPosition: 0,
    events: eventsAt(1, 1),
    isComplete: false
  }))
  for (const some of Array.chunksOf(commits, batchSize)) {
    if (Array.isReadonlyArrayNonEmpty(some)) (yield* events.commit(some)).forEach(Result.getOrThrow)
  }
  const sql = yield* SqlClient.SqlClient
  yield* sql`analyze`
})

/** Starts this many ledgers and returns their ids. */
export const startLedgers = Effect.fnUntraced(function* (prefix: string, count: number) {
  const executionIds = Array.makeBy(count, (place) => `${prefix} ${place}`)
  yield* startEach(executionIds.map((executionId) => ({ tenant, executionId })))
  return executionIds
})
