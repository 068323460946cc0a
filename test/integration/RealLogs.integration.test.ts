/** Public logs of real processes, imported and replayed: every answer is compared with one worked out elsewhere. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, inject, layer } from "@effect/vitest"
import { EventLog } from "@refold/adapters/eventlog"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import {
  Instant,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { EventLogImport, Verification, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Effect, Layer, Redacted, Result, Schema, Stream } from "effect"
import { SqlClient } from "effect/sql"

const folder = fileURLToPath(new URL("../../../shared/data/", import.meta.url))
const isThere = existsSync(`${folder}logs.json`)

const Expected = Schema.fromJsonString(
  Schema.Struct({
    cases: Schema.Int,
    events: Schema.Int,
    case_answers: Schema.Record(
      Schema.String,
      Schema.Struct({
        events: Schema.Int,
        final_activity: Schema.String,
        activities_sha256: Schema.String,
        final_transition: Schema.optionalKey(Schema.String),
        activities_transitions_sha256: Schema.optionalKey(Schema.String)
      })
    ),
    as_of: Schema.Array(
      Schema.Struct({
        case: Schema.String,
        at: Instant.Instant,
        last_activity: Schema.NullOr(Schema.String),
        last_transition: Schema.optionalKey(Schema.NullOr(Schema.String)),
        events_until: Schema.Int
      })
    )
  })
)
type Expected = typeof Expected.Type

/** The log is the tenant. */
const logs: ReadonlyArray<EventLog.Source & { readonly name: string }> = [
  { name: "roadtraffic100", path: "roadtraffic100.csv.gz" },
  {
    name: "production",
    path: "production.csv.gz",
    columns: { case: "case_id", activity: "activity", time: "timestamp", resource: "resource" }
  },
  {
    name: "sepsis",
    path: "sepsis.csv.gz",
    delimiter: ";",
    columns: { case: "Case ID", activity: "Activity", time: "Complete Timestamp", resource: "org:group" }
  },
  { name: "bpic2013_incidents", path: "bpic2013_incidents.xes.gz" }
]

const expectedOf = (name: string) =>
  Schema.decodeEffect(Expected)(readFileSync(`${folder}expected/${name}.json`, "utf8"))

const importLog = (log: (typeof logs)[number]) =>
  EventLogImport.importRows(EventLog.read({ ...log, path: folder + log.path }), {
    tenant: log.name,
    workflow: "foreign log"
  })

const sha256 = (lines: ReadonlyArray<string>) => createHash("sha256").update(lines.join("\n")).digest("hex")

/** What the store holds of every case: its events in order. */
const histories = Effect.fnUntraced(function* (tenant: string) {
  const events = yield* WorkflowEventModel
  const byCase = new Map<string, Array<WorkflowEvent>>()
  yield* Stream.runForEachArray(events.readTenant({ tenant }), (batch) =>
    Effect.sync(() => {
      for (const event of batch) {
        const known = byCase.get(event.execution_id)
        if (known === undefined) byCase.set(event.execution_id, [event])
        else known.push(event)
      }
    })
  )
  return byCase
})

const assertHistories = (expected: Expected, actual: ReadonlyMap<string, ReadonlyArray<WorkflowEvent>>) => {
  const answers = Object.entries(expected.case_answers)
  assert.strictEqual(actual.size, expected.cases)
  assert.strictEqual(answers.length, expected.cases)
  assert.strictEqual(
    [...actual.values()].reduce((sum, events) => sum + events.length, 0),
    expected.events
  )
  for (const [id, answer] of answers) {
    const events = actual.get(id) ?? []
    const last = events.at(-1)
    const found = {
      events: events.length,
      final_activity: last?.to_state,
      activities_sha256: sha256(events.map((event) => event.event_name)),
      ...(answer.final_transition === undefined ? {} : { final_transition: last?.event_type }),
      ...(answer.activities_transitions_sha256 === undefined
        ? {}
        : { activities_transitions_sha256: sha256(events.map((event) => `${event.event_name}\t${event.event_type}`)) })
    }
    assert.deepStrictEqual(found, answer, id)
  }
}

/** Every case, or one of each `step`, by a replay of its own. */
const assertReplays = (expected: Expected, tenant: string, useSnapshots: boolean, step = 1) =>
  Effect.gen(function* () {
    const { replayEvents } = yield* WorkflowEventSourcing
    yield* Effect.forEach(
      Object.entries(expected.case_answers).filter((_, place) => place % step === 0),
      ([id, answer]) =>
        Effect.map(replayEvents(id, tenant, { useSnapshots }), ({ executionState }) => {
          assert.strictEqual(executionState.position, answer.events, id)
          assert.strictEqual(executionState.currentState, answer.final_activity, id)
        }),
      { concurrency: 16, discard: true }
    )
  })

/** Every question about an instant of the past. */
const assertAsOf = (expected: Expected, tenant: string, useSnapshots: boolean) =>
  Effect.gen(function* () {
    const { replayEvents } = yield* WorkflowEventSourcing
    const events = yield* WorkflowEventModel
    yield* Effect.forEach(
      expected.as_of,
      ({ at, case: id, ...question }) =>
        Effect.gen(function* () {
          const replayed = yield* Effect.result(replayEvents(id, tenant, { replayUntil: at, useSnapshots }))
          if (Result.isFailure(replayed)) {
            assert.strictEqual(replayed.failure._tag, "ExecutionNotStarted", replayed.failure.message)
            assert.deepInclude(question, { last_activity: null, events_until: 0 }, id)
            return
          }
          const { currentState, position } = replayed.success.executionState
          assert.strictEqual(currentState, question.last_activity, `${id} at ${at}`)
          assert.strictEqual(position, question.events_until, `${id} at ${at}`)
          if (question.last_transition === undefined || question.last_transition === null) return
          const last = yield* events
            .read({ tenant, executionId: id, after: position - 1, to: position })
            .pipe(Stream.runCollect)
          assert.strictEqual(last[0]?.event_type, question.last_transition, `${id} at ${at}`)
        }),
      { concurrency: 8, discard: true }
    )
  })

/** All executions as they were: each question's own case, and the count of those that had started. */
const assertList = (expected: Expected, tenant: string, actual: ReadonlyMap<string, ReadonlyArray<WorkflowEvent>>) =>
  Effect.gen(function* () {
    const executions = yield* WorkflowExecutionModel
    for (const { at, case: id, events_until, last_activity } of expected.as_of.filter((_, place) => place % 12 === 0)) {
      const headers = yield* Stream.runCollect(executions.list({ tenant, asOf: at }))
      const started = [...actual.values()].filter(([first]) => first !== undefined && first.created_at <= at)
      assert.strictEqual(headers.length, started.length, at)
      const header = headers.find((each) => each.executionId === id)
      assert.strictEqual(header?.currentState ?? null, last_activity, `${id} at ${at}`)
      assert.strictEqual(header?.position ?? 0, events_until, `${id} at ${at}`)
    }
  })

const services = WorkflowEventSourcing.layerWith({ policy: { _tag: "Every", eventCount: 5 } }).pipe(
  Layer.provideMerge(Workflows.layerOpen())
)

const schema = "real_logs"

/** Dropped at the end. */
const ownSchema = Layer.effectDiscard(
  Effect.flatMap(SqlClient.SqlClient, (sql) => {
    const drop = sql`drop schema if exists ${sql(schema)} cascade`
    return Effect.acquireRelease(drop, () => Effect.orDie(drop))
  })
)

const postgres = PostgresStore.layerMigrated({ schema }).pipe(
  Layer.provide(ownSchema),
  Layer.provide(Layer.suspend(() => PostgresStore.layerClient({ url: Redacted.make(inject("databaseUrl")) })))
)

const stores = [
  { store: "PGlite", live: PgliteStore.layer() },
  { store: "PostgreSQL", live: postgres }
]

for (const { live, store } of stores) {
  const title = isThere ? `real logs in ${store}` : `real logs in ${store} (skipped: no ../shared/data here)`
  describe.skipIf(!isThere)(title, () => {
    const all = services.pipe(Layer.provideMerge(live), Layer.provideMerge(NodeFileSystem.layer))
    layer(all, { excludeTestServices: true, timeout: "1 minute" })((it) => {
      for (const log of logs) {
        const tenant = log.name
        describe(tenant, () => {
          it.effect("every case has the events it should, in the order it should; again, the import adds nothing", () =>
            Effect.gen(function* () {
              const expected = yield* expectedOf(tenant)
              const summary = yield* importLog(log)
              assert.deepStrictEqual(summary, {
                rowCount: expected.events,
                executionCount: expected.cases,
                eventsAdded: expected.events
              })
              const before = yield* histories(tenant)
              assertHistories(expected, before)
              yield* assertList(expected, tenant, before)

              assert.deepStrictEqual(yield* importLog(log), { ...summary, eventsAdded: 0 })
            })
          )

          it.effect(
            "every answer is right without snapshots, with them, and after all are removed",
            () =>
              Effect.gen(function* () {
                const expected = yield* expectedOf(tenant)
                const snapshots = yield* WorkflowSnapshotModel
                // Every case without snapshots, and in the server as they are stored; else, of the largest log, a share of
                // the cases: `verify` compares every snapshot with the log anyway.
                const share = Math.ceil(expected.cases / 1500)
                yield* assertAsOf(expected, tenant, false)
                yield* assertReplays(expected, tenant, false)
                yield* assertReplays(expected, tenant, true, store === "PGlite" ? share : 1)
                yield* assertReplays(expected, tenant, true, share)
                yield* assertAsOf(expected, tenant, true)
                const report = yield* Verification.verify({ tenant })
                assert.deepInclude(report, {
                  executionCount: expected.cases,
                  eventCount: expected.events,
                  ignoredSnapshotCount: 0,
                  findings: []
                })
                assert.isAbove(report.snapshotCount, expected.cases / 4 / share)

                yield* snapshots.clear({ tenant })
                yield* assertAsOf(expected, tenant, true)
                yield* assertReplays(expected, tenant, true, share)
              }),
            180_000
          )
        })
      }
    })
  })
}
