/** Events in SQLite. A commit runs under the write lock, so its reads stay true until it writes. */
import { Commit, type ExecutionHeader, Partition, StoreError, WorkflowEvent, WorkflowEventModel } from "@refold/core"
import { Array, Effect, Result, Schema } from "effect"
import { SqliteDatabase, type Statements, endOfTime, pages } from "./SqliteDatabase.ts"
import { Header } from "./SqliteExecutionModel.ts"

const Event = Schema.fromJsonString(WorkflowEvent)

export const make = Effect.gen(function* () {
  const { partitionCount, read, write } = yield* SqliteDatabase
  return WorkflowEventModel.of({
    partitionCount,
    isInTransaction: Effect.succeed(false),
    commit: (commits) =>
      commits.some((commit) => commit.settles !== undefined)
        ? Effect.fail(noQueue)
        : write("Appending events", (sql, now) =>
            Array.map(commits, (commit) => commitOne(sql, commit, partitionCount, now))
          ),
    read: ({ after = 0, batchSize = 1000, executionId, tenant, to = Infinity, until }) =>
      pages(batchSize, (last: WorkflowEvent | undefined) => {
        const page = (sql: Statements) => sql.all(Event)`
          select record from events
           where tenant = ${tenant} and execution_id = ${executionId} and created_at <= ${until ?? endOfTime}
             and position > ${last?.position ?? after} and position <= ${to}
           order by position limit ${batchSize}`
        return read("Reading events", page, until)
      }),
    readTenant: ({ batchSize = 1000, fromExecutionId = "", tenant, toExecutionId = null }) =>
      pages(batchSize, (last: WorkflowEvent | undefined) => {
        const page = (sql: Statements) => sql.all(Event)`
          select record from events
           where tenant = ${tenant} and (${toExecutionId} is null or execution_id <= ${toExecutionId})
             and (execution_id, position) > (${last?.execution_id ?? fromExecutionId}, ${last?.position ?? 0})
           order by execution_id, position limit ${batchSize}`
        return read("Reading events", page)
      }),
    readFeed: ({ after, limit, partition }) => {
      const feed = (sql: Statements) => sql.all(Event)`
        select record from events where partition = ${partition} and "offset" > ${after}
         order by "offset" limit ${limit}`
      return read("Reading the feed", feed)
    },
    findByIdempotencyKey: ({ executionId, idempotencyKey, tenant }) => {
      const found = (sql: Statements) => sql.all(Event)`
        select record from events
         where tenant = ${tenant} and execution_id = ${executionId} and idempotency_key = ${idempotencyKey}`
      return Effect.map(read("Finding an idempotency key", found), Array.head)
    }
  })
})

const commitOne = (
  sql: Statements,
  commit: Commit.Commit,
  partitionCount: number,
  now: string
): Result.Result<Commit.Committed, Commit.CommitRefused> => {
  const { executionId, expectedPosition, tenant, workflow } = commit
  const [header] = sql.all(Header)`
    select record from executions where tenant = ${tenant} and execution_id = ${executionId}`
  const actual = header?.position ?? 0
  if (actual !== expectedPosition) {
    return Result.fail(new Commit.PositionConflict({ tenant, executionId, expected: expectedPosition, actual }))
  }
  const reversed = Commit.findTimeReversal(commit, header?.updatedAt)
  if (reversed !== undefined) return Result.fail(reversed)

  const partition = Partition.of(tenant, executionId, partitionCount)
  const [lastOffset = 0] = sql.all(Schema.Int)`
    select coalesce(max("offset"), 0) from events where partition = ${partition}`
  const lastUpdate = header?.updatedAt ?? ""
  const stampedAt = now > lastUpdate ? now : lastUpdate
  const events = Commit.stamp(commit, { partition, lastOffset, stampedAt, now })
  for (const [index, event] of events.entries()) {
    const key = Commit.eventsOf(commit)[index]?.idempotency_key ?? null
    sql.run`insert into events values (${tenant}, ${executionId}, ${event.position}, ${partition}, ${event.offset},
      ${event.event_id}, ${key}, ${event.created_at}, ${JSON.stringify(event)})`
  }
  const moved: ExecutionHeader = {
    tenant,
    executionId,
    workflow: header?.workflow ?? { name: workflow.name, version: workflow.version },
    currentState: events.at(-1)?.to_state ?? header?.currentState ?? "",
    position: expectedPosition + events.length,
    isComplete: commit.isComplete,
    startedAt: header?.startedAt ?? events[0]?.created_at ?? now,
    updatedAt: events.at(-1)?.created_at ?? lastUpdate
  }
  sql.run`insert or replace into executions values (${tenant}, ${executionId}, ${JSON.stringify(moved)})`
  return Result.succeed({ events })
}

const noQueue = new StoreError({
  operation: "Appending events",
  reason: { _tag: "Refused", isRetryable: false, detail: "this store has no queue" }
})
