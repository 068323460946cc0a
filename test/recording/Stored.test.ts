/**
 * Rows that version 0.1.0 wrote are still read as 0.1.0 read them.
 *
 * `stored/rows.json` has the rows of its tables, `stored/records.json` the records that its models returned. Neither file
 * ever changes. A release that stores something new adds new files.
 */
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import {
  Partition,
  Snapshot,
  WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel,
  Submission,
  Settlement
} from "@refold/core"
import { TypeScriptWorkflowRuntime, Verification, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Result, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"
import records from "./stored/records.json" with { type: "json" }
import rows from "./stored/rows.json" with { type: "json" }
import { Subscription } from "./Subscription.ts"

const execution = { tenant: "golden", executionId: "subscription-1" }

/** Inserts the rows unchanged into a new schema; missing columns get their defaults. */
const restore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { partitions, ...tables } = rows
  for (const { last_offset, partition } of partitions) {
    yield* sql`update refold.partitions set last_offset = ${last_offset} where partition = ${partition}`
  }
  for (const [table, content] of Object.entries(tables)) {
    const name = sql(`refold.${table}`)
    const columns = sql.literal(
      Object.keys(content[0] ?? {})
        .map((column) => `"${column}"`)
        .join(", ")
    )
    yield* sql`insert into ${name} (${columns})
      select ${columns} from json_populate_recordset(null::${name}, ${JSON.stringify(content)}::json)`
  }
})

const client = PgliteStore.layerClient()

const restored = TypeScriptWorkflowRuntime.layer.pipe(
  Layer.provideMerge(WorkflowEventSourcing.layer),
  Layer.provideMerge(Workflows.layer(Subscription)),
  Layer.provideMerge(Layer.effectDiscard(restore)),
  Layer.provideMerge(PostgresStore.layerMigrated()),
  Layer.provideMerge(MemoryWakeUpChannel.layer),
  Layer.provideMerge(client)
)

const statuses = ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] as const

describe("Rows of release 0.1.0", () => {
  layer(restored, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("are the same headers, events, snapshots and queue entries", () =>
      Effect.gen(function* () {
        const tenant = "golden"
        const headers = yield* WorkflowExecutionModel.use((model) => Stream.runCollect(model.list({ tenant })))
        const events = yield* WorkflowEventModel.use((model) => Stream.runCollect(model.readTenant({ tenant })))
        const snapshots = yield* WorkflowSnapshotModel.use((model) => Stream.runCollect(model.readTenant({ tenant })))
        const queue = yield* WorkflowEventProcessingModel.use((model) =>
          Stream.runCollect(model.list({ tenant, statuses }))
        )
        assert.deepStrictEqual(toJson({ header: headers[0], events, snapshots, queue }), toJson(records))
      })
    )

    it.effect("verify, and fold to the state that their snapshot pauses", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual((yield* Verification.verify({ tenant: "golden" })).findings, [])
        const sourcing = yield* WorkflowEventSourcing
        const { executionState } = yield* sourcing.replayEvents("subscription-1", "golden", { useSnapshots: false })
        assert.strictEqual(executionState.currentState, "Paused")
        // The fingerprint includes the source text of functions, which depends on the compiler.
        const [stored] = yield* Effect.forEach(records.snapshots, (each) =>
          Schema.decodeUnknownEffect(Snapshot.Snapshot)({ ...each, fingerprint: Subscription.fingerprint })
        )
        const at3 = yield* sourcing.replayEvents("subscription-1", "golden", { useSnapshots: false, replayTo: 3 })
        assert.isDefined(stored)
        const paused = Result.getOrThrow(Snapshot.restore(Subscription, stored))
        assert.deepStrictEqual(paused, at3.executionState)
      })
    )

    it.effect("still answer the requests whose idempotency keys they hold", () =>
      Effect.gen(function* () {
        const runtime = yield* TypeScriptWorkflowRuntime
        const paid = yield* runtime.submitEvent({
          ...execution,
          submission: {
            event_name: "Paid",
            event_type: "payment",
            user_id: "ann",
            payload: { price: { currency: "EUR", cents: 990 } }
          },
          idempotencyKey: "paid-1"
        })
        assert.strictEqual(paid.position, 2)
        const resumed = yield* runtime.enqueueEvent({
          ...execution,
          submission: {
            event_name: "Resumed",
            event_type: "operator",
            to_state: "Active",
            user_id: "bob",
            workflow: "subscription"
          },
          idempotencyKey: "resumed-1"
        })
        assert.strictEqual(resumed.eventId, records.queue[0]?.eventId)
      })
    )

    it.effect("lie in the partition that the ids give today", () =>
      Effect.sync(() => {
        const partition = Partition.of(execution.tenant, execution.executionId, Partition.defaultCount)
        assert.strictEqual(partition, rows.executions[0]?.partition)
      })
    )

    it.effect("are what the schemas of the records say, with no field that these do not know", () =>
      Effect.gen(function* () {
        const strictly = { onExcessProperty: "error" } as const
        for (const event of records.events) yield* Schema.decodeUnknownEffect(WorkflowEvent)(event, strictly)
        for (const snapshot of records.snapshots) {
          yield* Schema.decodeUnknownEffect(Snapshot.Snapshot)(snapshot, strictly)
        }
        for (const { status, submission } of records.queue) {
          yield* Schema.decodeUnknownEffect(Submission)(submission, strictly)
          if (status._tag === "Pending" || status._tag === "Dead") continue
          yield* Schema.decodeUnknownEffect(Settlement)(status, strictly)
        }
      })
    )
  })
})

const toJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
