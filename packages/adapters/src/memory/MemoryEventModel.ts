/** Events in maps: the shortest correct version, and the model in model-based tests. */
import {
  Commit,
  Identifier,
  Instant,
  type Json,
  Partition,
  type Snapshot,
  type WorkflowEvent,
  WorkflowEventModel
} from "@refold/core"
import { Array, Clock, Effect, Layer, Option, Result, Stream } from "effect"
import { type Execution, MemoryTables } from "./MemoryTables.ts"

export const layer = Layer.effect(
  WorkflowEventModel,
  Effect.gen(function* () {
    const { feeds, partitionCount, tenants } = yield* MemoryTables

    const findExecution = (tenant: string, executionId: string) => tenants.get(tenant)?.get(executionId)

    const commitOne = (
      commit: Commit.Commit,
      now: Instant.Instant
    ): Result.Result<Commit.Committed, Commit.CommitRefused> => {
      const { executionId, tenant } = commit
      const execution = findExecution(tenant, executionId)
      const position = execution?.header.position ?? 0
      if (position !== commit.expectedPosition) {
        return Result.fail(
          new Commit.PositionConflict({ tenant, executionId, expected: commit.expectedPosition, actual: position })
        )
      }
      const reversed = Commit.findTimeReversal(commit, execution?.header.updatedAt)
      if (reversed !== undefined) return Result.fail(reversed)

      const partition = Partition.of(tenant, executionId, partitionCount)
      const feed = feeds.get(partition) ?? []
      let updatedAt = execution?.header.updatedAt ?? ""
      const events = Array.map(commit.events, ({ created_at, payload, ...event }, place): WorkflowEvent => {
        updatedAt = created_at ?? (now > updatedAt ? now : updatedAt)
        return {
          ...event,
          ...(payload === undefined ? {} : { payload: asStored(payload) }),
          tenant,
          execution_id: executionId,
          position: position + place + 1,
          created_at: updatedAt,
          recorded_at: created_at === undefined ? updatedAt : now,
          partition,
          offset: feed.length + place + 1
        }
      })
      const first = Array.headNonEmpty(events)
      const last = Array.lastNonEmpty(events)
      const executions = tenants.get(tenant) ?? new Map<string, Execution>()
      tenants.set(tenant, executions)
      const written: Omit<Execution, "header"> = execution ?? {
        events: [],
        snapshots: new Map<number, Snapshot.Snapshot>(),
        idempotencyKeys: new Map<string, number>()
      }
      written.events.push(...events)
      if (commit.idempotencyKey !== undefined) written.idempotencyKeys.set(commit.idempotencyKey, first.position)
      executions.set(executionId, {
        ...written,
        header: {
          tenant,
          executionId,
          workflow: execution?.header.workflow ?? { name: commit.workflow.name, version: commit.workflow.version },
          currentState: last.to_state,
          position: last.position,
          isComplete: commit.isComplete,
          startedAt: execution?.header.startedAt ?? first.created_at,
          updatedAt: last.created_at
        }
      })
      feed.push(...events)
      feeds.set(partition, feed)
      return Result.succeed({ events })
    }

    return WorkflowEventModel.of({
      partitionCount,
      commit: (commits) =>
        Effect.map(Clock.currentTimeMillis, (millis) => {
          const now = Instant.fromEpochMillis(millis)
          return Array.map(commits, (commit) => commitOne(commit, now))
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
