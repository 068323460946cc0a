/** Replays from PostgreSQL against a bare SELECT and a loop by hand. */
import { deepStrictEqual } from "node:assert"
import { WorkflowEventSourcing } from "@refold/runtime"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { onServer, tenant, writeLedger } from "./Database.ts"
import { type Row, foldByHand } from "./Ledger.ts"
import { compare } from "./Measure.ts"
import type { Run } from "./Run.ts"

const schema = "refold_bench_replay"

const replay = (eventCount: number): Run => ({
  names: [`replay/${eventCount}`],
  figures: Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const { replayEvents } = yield* WorkflowEventSourcing
    const executionId = `ledger ${eventCount}`
    yield* writeLedger(executionId, 0, eventCount)
    const ours = replayEvents(executionId, tenant, { useSnapshots: false })
    const reference = sql<Row>`
      select tenant, execution_id, position, event_id, event_name, event_type, from_state, to_state, user_id, payload,
        payload is not null as has_payload, schema_version, created_at, recorded_at, metadata, partition, "offset"
        from ${sql(`${schema}.events`)}
       where tenant = ${tenant} and execution_id = ${executionId} order by position`.pipe(Effect.map(foldByHand))
    const { executionState } = yield* ours
    deepStrictEqual(executionState.data, (yield* reference).data)
    const name = `replay/${eventCount}`
    return [yield* compare({ name, work: { count: eventCount, unit: "events" }, target: 0.8, ours, reference })]
  }).pipe(Effect.provide(onServer({ schema })))
})

/** A snapshot and 10 newer events: as fast after 100,000 events as after 100. */
const snapshot: Run = {
  names: ["replay/snapshot"],
  figures: Effect.gen(function* () {
    const { createSnapshot, replayEvents } = yield* WorkflowEventSourcing
    const prepare = Effect.fnUntraced(function* (eventCount: number) {
      const executionId = `snapshot ${eventCount}`
      yield* writeLedger(executionId, 0, eventCount)
      yield* createSnapshot(executionId, tenant)
      yield* writeLedger(executionId, eventCount, eventCount + 10)
      const { debug } = yield* replayEvents(executionId, tenant, { debug: true })
      deepStrictEqual([debug?.eventsProcessed, debug?.snapshotPosition], [10, eventCount])
      return replayEvents(executionId, tenant)
    })
    const short = yield* prepare(100)
    const long = yield* prepare(100_000)
    return [yield* compare({ name: "replay/snapshot", target: 0.8, ours: long, reference: short })]
  }).pipe(Effect.provide(onServer({ schema })))
}

export const replays: ReadonlyArray<Run> = [replay(1000), replay(10_000), snapshot]
