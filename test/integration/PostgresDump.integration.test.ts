/** Restores a dump into another cluster with PostgreSQL's tools; the dump is taken while others write. */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { PostgresStore } from "@refold/adapters/postgres"
import {
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel,
  type Settlement
} from "@refold/core"
import { Array, Effect, Fiber, Layer, Redacted, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { type Postgres, wholePostgres, startPostgres } from "../servers/Postgres.ts"
import { type At, commitOf, snapshotOf } from "./commits.ts"

const tenant = "dumped"
const partitionCount = 3
const places: ReadonlyArray<At> = Array.makeBy(8, (n) => ({ tenant, executionId: `execution ${n}` }))
const rejected: Settlement = { _tag: "Rejected", error: "No", reason: "no", currentState: "open" }

/** Writes to its own execution until it is stopped: events, queued events, some of which it settles, and snapshots. */
const write = Effect.fnUntraced(function* (at: At, isOver: () => boolean) {
  const events = yield* WorkflowEventModel
  const queue = yield* WorkflowEventProcessingModel
  const snapshots = yield* WorkflowSnapshotModel
  let position = 0
  for (let round = 0; round < 5 || !isOver(); round++) {
    const [written] = yield* events.commit([commitOf(at, position, ["x", "y"])])
    position += Result.getOrThrow(written).events.length
    yield* queue.enqueue([
      {
        ...at,
        processingId: `${at.executionId} processing ${round}`,
        eventId: `${at.executionId} event ${round}`,
        submission: { event_name: "x" },
        idempotencyKey: `key ${round}`
      }
    ])
    if (round % 3 !== 2) continue
    yield* snapshots.save({ snapshot: snapshotOf(at, position), prune: [] })
    const [claim] = yield* queue.claim({ executions: [at], limit: 2 })
    assert(claim !== undefined)
    const commit = { ...commitOf(at, position, ["x"]), events: [], isComplete: false }
    const settlements = Array.map(claim.events, () => rejected)
    yield* events.commit([{ ...commit, settles: { after: claim.settledCount, settlements } }])
  }
})

const feeds = Effect.gen(function* () {
  const events = yield* WorkflowEventModel
  return yield* Effect.forEach(Array.range(0, partitionCount - 1), (partition) =>
    events.readFeed({ partition, after: 0, limit: 1_000_000 })
  )
})

const queueOf = Effect.fnUntraced(function* ({ executionId }: At) {
  const queue = yield* WorkflowEventProcessingModel
  return yield* Stream.runCollect(queue.list({ tenant, executionId, statuses: ["Pending", "Rejected"] }))
})

/** The states of all executions at an instant, and the events of one execution up to it. */
const answersAsOf = Effect.fnUntraced(function* (until: string) {
  const executions = yield* WorkflowExecutionModel
  const events = yield* WorkflowEventModel
  return [
    yield* Stream.runCollect(executions.list({ tenant, asOf: until })),
    yield* Stream.runCollect(events.read({ tenant, executionId: "execution 0", until }))
  ]
})

const isDense = (places: ReadonlyArray<number>) => places.every((place, index) => place === index + 1)

describe("a dump taken while others write, restored into another cluster", () => {
  const installation = wholePostgres()
  const folder = mkdtempSync(join(tmpdir(), "refold-dump-"))
  let servers: readonly [Postgres, Postgres]
  beforeAll(async () => {
    servers = await Promise.all([startPostgres({}, { installation }), startPostgres({}, { installation })])
  })
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    rmSync(folder, { recursive: true, force: true })
  })

  const client = ({ url }: Postgres) => PostgresStore.layerClient({ url: Redacted.make(url) })
  const run = (program: string, ...args: ReadonlyArray<string>) =>
    Effect.promise(() => promisify(execFile)(join(installation.bin, program), args, { env: installation.env }))

  it.live("is whole, gives the answers that were given, and goes on without a hole", () =>
    Effect.gen(function* () {
      const file = join(folder, "dump")
      const source = yield* Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        let isOver = false
        const writers = yield* Effect.forkChild(
          Effect.forEach(places, (at) => write(at, () => isOver), { concurrency: "unbounded" })
        )
        // The restored store is not empty.
        while ((yield* feeds).some((feed) => feed.length < 10));
        const [clock] = yield* sql<{ now: Date }>`select date_trunc('milliseconds', clock_timestamp()) as now`
        const until = clock?.now.toISOString() ?? ""
        const answers = yield* answersAsOf(until)
        yield* run("pg_dump", "--format=custom", `--file=${file}`, "--schema=refold", `--dbname=${servers[0].url}`)
        isOver = true
        yield* Fiber.join(writers)
        return { until, answers, feeds: yield* feeds, queues: yield* Effect.forEach(places, queueOf) }
      }).pipe(
        Effect.provide(PostgresStore.layerMigrated({ partitionCount }).pipe(Layer.provideMerge(client(servers[0]))))
      )
      yield* run("pg_restore", "--exit-on-error", `--dbname=${servers[1].url}`, file)

      yield* Effect.gen(function* () {
        assert.deepStrictEqual(yield* PostgresStore.migrate(), [])
        const sql = yield* SqlClient.SqlClient
        const events = yield* WorkflowEventModel
        const executions = yield* WorkflowExecutionModel
        const queue = yield* WorkflowEventProcessingModel
        assert.deepStrictEqual(yield* answersAsOf(source.until), source.answers)

        // Each partition and each queue has all writes up to one moment, without gaps.
        const restored = yield* feeds
        for (const [partition, feed] of restored.entries()) {
          assert.isTrue(isDense(feed.map((event) => event.offset)))
          assert.isAtLeast(feed.length, 10)
          assert.deepStrictEqual(feed, source.feeds[partition]?.slice(0, feed.length))
        }
        for (const [place, at] of places.entries()) {
          const header = yield* executions.find(at)
          const position = header._tag === "Some" ? header.value.position : 0
          const log = yield* Stream.runCollect(events.read(at))
          assert.strictEqual(log.length, position)
          const entries = yield* queueOf(at)
          const ids = entries.map((entry) => entry.processingId)
          assert.deepStrictEqual(
            ids,
            source.queues[place]?.slice(0, ids.length).map((entry) => entry.processingId)
          )

          // New writes continue from there.
          const [written] = yield* events.commit([commitOf(at, position, ["restored"])])
          assert.isTrue(written !== undefined && Result.isSuccess(written))
          const [again, next] = yield* queue.enqueue([
            {
              ...at,
              processingId: "again",
              eventId: "again",
              submission: { event_name: "x" },
              idempotencyKey: "key 0"
            },
            { ...at, processingId: `${place} restored`, eventId: `${place} restored`, submission: { event_name: "x" } }
          ])
          assert.strictEqual(again.processingId, ids[0])
          assert.strictEqual(next?.queuePosition, ids.length + 1)
          const settledCount = entries.filter((entry) => entry.status._tag === "Rejected").length
          const [claim] = yield* queue.claim({ executions: [at], limit: 1000 })
          assert.strictEqual(claim?.settledCount, settledCount)
          assert.deepStrictEqual(
            claim?.events.map((event) => event.queuePosition),
            Array.range(settledCount + 1, claim?.events[0].attemptCount === 1 ? ids.length + 1 : settledCount + 1)
          )
        }
        for (const [partition, feed] of (yield* feeds).entries()) {
          const before = restored[partition]?.length ?? 0
          assert.isTrue(isDense(feed.map((event) => event.offset)))
          assert.deepStrictEqual(feed.slice(0, before), restored[partition])
          // A follower that had read up to there in the other cluster continues.
          const after = before - 3
          assert.deepStrictEqual(yield* events.readFeed({ partition, after, limit: 1000 }), feed.slice(after))
        }
        const change = yield* Effect.flip(sql`update refold.events set to_state = 'forged'`)
        assert.match(String(change.reason.cause), /events are kept/)
      }).pipe(Effect.provide(PostgresStore.layer.pipe(Layer.provideMerge(client(servers[1])))))
    })
  )
})
