/** Replays from PostgreSQL, against a plain SELECT and a hand-written loop. */
import { deepStrictEqual } from "node:assert"
import { WorkflowEventSourcing } from "@refold/runtime"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { onServer, tenant, writeLedger } from "./Database.ts"
import { type Row, foldByHand } from "./Ledger.ts"
import { compare, defaultTurnCount } from "./Measure.ts"
import type { Run } from "./Run.ts"

const schema = "refold_bench_replay"

const replay = (eventCount: number): Run => ({
  names: [`replay/${eventCount}`],
  diskGiB: 1,
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

/** An execution with a snapshot and 10 newer events, for a replay. */
const withSnapshot = Effect.fnUntraced(function* (eventCount: number) {
  const { createSnapshot, replayEvents } = yield* WorkflowEventSourcing
  const executionId = `snapshot ${eventCount}`
  yield* writeLedger(executionId, 0, eventCount)
  yield* createSnapshot(executionId, tenant)
  yield* writeLedger(executionId, eventCount, eventCount + 10)
  const { debug } = yield* replayEvents(executionId, tenant, { debug: true })
  deepStrictEqual([debug?.eventsProcessed, debug?.snapshotPosition], [10, eventCount])
  return executionId
})

/** A replay from a snapshot should be as fast after 100,000 events as after 100. */
const snapshot: Run = {
  names: ["replay/snapshot"],
  diskGiB: 1,
  figures: Effect.gen(function* () {
    const { replayEvents } = yield* WorkflowEventSourcing
    const short = yield* withSnapshot(100)
    const long = yield* withSnapshot(100_000)
    const figure = yield* compare({
      name: "replay/snapshot",
      target: 0.8,
      ours: replayEvents(long, tenant),
      reference: replayEvents(short, tenant)
    })
    return [figure]
  }).pipe(Effect.provide(onServer({ schema })))
}

/** Milliseconds per replay for logs of these lengths: from a snapshot, and from the first event. */
export const replayTimes = Effect.fnUntraced(
  function* (lengths: ReadonlyArray<number>) {
    const { replayEvents } = yield* WorkflowEventSourcing
    return yield* Effect.forEach(
      lengths,
      Effect.fnUntraced(function* (eventCount) {
        const executionId = yield* withSnapshot(eventCount)
        const { ours, reference } = yield* compare({
          name: executionId,
          target: 0,
          turns: defaultTurnCount,
          ours: replayEvents(executionId, tenant),
          reference: replayEvents(executionId, tenant, { useSnapshots: false })
        })
        return { eventCount, fromSnapshot: ours, fromStart: reference }
      })
    )
  },
  Effect.provide(onServer({ schema }))
)

export const replays: ReadonlyArray<Run> = [replay(1000), replay(10_000), snapshot]
