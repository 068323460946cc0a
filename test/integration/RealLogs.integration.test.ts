/** Imports and replays public logs of real processes. Compares every answer with an independent result. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, inject, layer } from "@effect/vitest"
import { PgliteStore } from "@refold/adapters/pglite"
import { PostgresStore } from "@refold/adapters/postgres"
import { type WorkflowEvent, WorkflowEventModel, WorkflowExecutionModel, WorkflowSnapshotModel } from "@refold/core"
import { EventLogImport, Verification, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Effect, Layer, Redacted, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import * as RealLogs from "../eventlog/RealLogs.ts"

/** The log is the tenant. */
const importLog = (log: (typeof RealLogs.logs)[number]) =>
  EventLogImport.importRows(RealLogs.rowsOf(log), {
    tenant: log.name,
    workflow: "foreign log"
  })

/** The stored events of every case, in order. */
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

const assertHistories = (expected: RealLogs.Expected, actual: ReadonlyMap<string, ReadonlyArray<WorkflowEvent>>) => {
  const answers = Object.entries(expected.case_answers)
  assert.strictEqual(actual.size, expected.cases)
  assert.strictEqual(answers.length, expected.cases)
  assert.strictEqual(
    [...actual.values()].reduce((sum, events) => sum + events.length, 0),
    expected.events
  )
  for (const [id, answer] of answers) {
    const events = actual.get(id) ?? []
    assert.strictEqual(events.at(-1)?.to_state, answer.final_activity, id)
    assert.deepStrictEqual(RealLogs.answerOf(events, answer), answer, id)
  }
}

/** Replays every case, or one case in `step`. */
const assertReplays = (expected: RealLogs.Expected, tenant: string, useSnapshots: boolean, step = 1) =>
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

/** Checks every question about a past instant. */
const assertAsOf = (expected: RealLogs.Expected, tenant: string, useSnapshots: boolean) =>
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

/** Lists all executions as of each instant: checks the question's own case and the number of started executions. */
const assertList = (
  expected: RealLogs.Expected,
  tenant: string,
  actual: ReadonlyMap<string, ReadonlyArray<WorkflowEvent>>
) =>
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

/** The schema is dropped at the end. */
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
  describe.skipIf(!RealLogs.isThere)(RealLogs.titleOf(`real logs in ${store}`), () => {
    const all = services.pipe(Layer.provideMerge(live), Layer.provideMerge(NodeFileSystem.layer))
    layer(all, { excludeTestServices: true, timeout: "1 minute" })((it) => {
      for (const log of RealLogs.logs) {
        const tenant = log.name
        describe(tenant, () => {
          it.effect("every case has the events it should, in the order it should; again, the import adds nothing", () =>
            Effect.gen(function* () {
              const expected = yield* RealLogs.expectedOf(tenant)
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
                const expected = yield* RealLogs.expectedOf(tenant)
                const snapshots = yield* WorkflowSnapshotModel
                // Without snapshots, and on the server, every case. Otherwise a share of the cases of the largest log, because
                // `verify` compares every snapshot with the log anyway.
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
