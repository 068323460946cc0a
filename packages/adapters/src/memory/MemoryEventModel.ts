/** Events in maps: the shortest correct version, and the model in model-based tests. */
import {
  Commit,
  Identifier,
  Instant,
  type Json,
  Partition,
  type Snapshot,
  StoreError,
  type WorkflowEvent,
  WorkflowEventModel
} from "@refold/core"
import { Array, Clock, Effect, Layer, Option, Result, Stream } from "effect"
import { type Execution, MemoryTables } from "./MemoryTables.ts"

export const layer = Layer.effect(
  WorkflowEventModel,
  Effect.gen(function* () {
    const { eventIds, feeds, partitionCount, tenants } = yield* MemoryTables

    const findExecution = (tenant: string, executionId: string) => tenants.get(tenant)?.get(executionId)

    /** Why the commit cannot be made where the execution stands now. */
    const refusalOf = (commit: Commit.Commit): Commit.CommitRefused | undefined => {
      const { executionId, expectedPosition, settles, tenant } = commit
      const execution = findExecution(tenant, executionId)
      const actual = execution?.header.position ?? 0
      const hasQueueMoved = settles !== undefined && settles.after !== (execution?.settledCount ?? 0)
      return actual !== expectedPosition || hasQueueMoved
        ? new Commit.PositionConflict({ tenant, executionId, expected: expectedPosition, actual })
        : Commit.findTimeReversal(commit, execution?.header.updatedAt)
    }

    /** Whether an event of the commit bears an id or a key that is taken. */
    const isTaken = (commit: Commit.Commit): boolean => {
      const keys = findExecution(commit.tenant, commit.executionId)?.idempotencyKeys
      return Commit.eventsOf(commit).some(
        ({ event_id, idempotency_key }) =>
          eventIds.get(commit.tenant)?.has(event_id) === true ||
          (idempotency_key !== undefined && keys?.has(idempotency_key) === true)
      )
    }

    const commitOne = (
      commit: Commit.Commit,
      now: Instant.Instant
    ): Result.Result<Commit.Committed, Commit.CommitRefused> => {
      const { executionId, tenant } = commit
      const execution = findExecution(tenant, executionId)
      const position = execution?.header.position ?? 0
      const settledCount = execution?.settledCount ?? 0
      const refusal = refusalOf(commit)
      if (refusal !== undefined) return Result.fail(refusal)

      const partition = Partition.of(tenant, executionId, partitionCount)
      const feed = feeds.get(partition) ?? []
      const written: Omit<Execution, "header" | "settledCount"> = execution ?? {
        events: [],
        snapshots: new Map<number, Snapshot.Snapshot>(),
        idempotencyKeys: new Map<string, number>(),
        queue: []
      }
      const lastUpdate = execution?.header.updatedAt ?? ""
      const events = Commit.stamp(commit, {
        partition,
        lastOffset: feed.length,
        stampedAt: now > lastUpdate ? now : lastUpdate,
        now
      }).map((event): WorkflowEvent =>
        event.payload === undefined ? event : { ...event, payload: asStored(event.payload) }
      )
      for (const [index, { idempotency_key: key }] of Commit.eventsOf(commit).entries()) {
        if (key !== undefined) written.idempotencyKeys.set(key, position + index + 1)
      }
      written.events.push(...events)
      const ids = eventIds.get(tenant) ?? new Set<string>()
      eventIds.set(tenant, ids)
      for (const { event_id } of events) ids.add(event_id)
      for (const [place, settlement] of (commit.settles?.settlements ?? []).entries()) {
        const item = written.queue[settledCount + place]
        if (item === undefined) continue
        written.queue[settledCount + place] = {
          ...item,
          isUnclaimed: false,
          entry: { ...item.entry, status: settlement, settledAt: now }
        }
      }
      const executions = tenants.get(tenant) ?? new Map<string, Execution>()
      tenants.set(tenant, executions)
      executions.set(executionId, {
        ...written,
        settledCount: settledCount + (commit.settles?.settlements.length ?? 0),
        header: {
          tenant,
          executionId,
          workflow: execution?.header.workflow ?? { name: commit.workflow.name, version: commit.workflow.version },
          currentState: events.at(-1)?.to_state ?? execution?.header.currentState ?? "",
          position: position + events.length,
          isComplete: commit.isComplete,
          startedAt: execution?.header.startedAt ?? events[0]?.created_at ?? now,
          updatedAt: events.at(-1)?.created_at ?? lastUpdate
        }
      })
      feed.push(...events)
      feeds.set(partition, feed)
      return Result.succeed({ events })
    }

    return WorkflowEventModel.of({
      partitionCount,
      isInTransaction: Effect.succeed(false),
      commit: (commits) =>
        Effect.flatMap(Clock.currentTimeMillis, (millis) => {
          if (commits.some((commit) => refusalOf(commit) === undefined && isTaken(commit))) {
            return Effect.fail(
              new StoreError({
                operation: "Appending events",
                reason: {
                  _tag: "Refused",
                  isRetryable: false,
                  detail: "an event id or an idempotency key is taken"
                }
              })
            )
          }
          const now = Instant.fromEpochMillis(millis)
          return Effect.succeed(Array.map(commits, (commit) => commitOne(commit, now)))
        }),
      read: ({ after = 0, executionId, tenant, to, until }) =>
        Stream.suspend(() =>
          Stream.fromIterable(
            (findExecution(tenant, executionId)?.events ?? []).filter(
              (event) =>
                event.position > after &&
                (to === undefined || event.position <= to) &&
                (until === undefined || event.created_at <= until)
            )
          )
        ),
      readTenant: ({ tenant, ...range }) =>
        Stream.suspend(() =>
          Stream.fromIterable(inOrder(tenants.get(tenant), range).flatMap((execution) => execution.events))
        ),
      readFeed: ({ after, limit, partition }) =>
        Effect.sync(() => (feeds.get(partition) ?? []).slice(after, after + limit)),
      findByIdempotencyKey: ({ executionId, idempotencyKey, tenant }) =>
        Effect.sync(() => {
          const execution = findExecution(tenant, executionId)
          const position = execution?.idempotencyKeys.get(idempotencyKey)
          return Option.fromUndefinedOr(position === undefined ? undefined : execution?.events[position - 1])
        })
    })
  })
)

/** Executions of a range by id, as Postgres's collation "C" has them. */
export const inOrder = (
  executions: ReadonlyMap<string, Execution> = new Map(),
  range: { readonly fromExecutionId?: string; readonly toExecutionId?: string } = {}
): ReadonlyArray<Execution> => {
  const { fromExecutionId: from, toExecutionId: to } = range
  return [...executions.values()]
    .filter(
      ({ header: { executionId } }) =>
        (from === undefined || Identifier.compare(executionId, from) >= 0) &&
        (to === undefined || Identifier.compare(executionId, to) <= 0)
    )
    .toSorted((left, right) => Identifier.compare(left.header.executionId, right.header.executionId))
}

/** What a store that keeps text gives back: a copy that nobody else holds. */
export const asStored = (json: Json.Json): Json.Json => {
  const copy: Json.Json = JSON.parse(JSON.stringify(json))
  return copy
}
