/** Events in maps: the shortest correct version, and the model in model-based tests. */
import {
  Commit,
  type ExecutionHeader,
  Instant,
  Partition,
  type Settling,
  type Snapshot,
  StoreError,
  type WorkflowEvent,
  WorkflowEventModel
} from "@refold/core"
import { Array, Clock, Effect, Layer, Option, Result, Stream } from "effect"
import {
  type Execution,
  MemoryTables,
  type Tables,
  asStored,
  findExecution,
  getOrAdd,
  inOrder
} from "./MemoryTables.ts"

type Port = WorkflowEventModel["Service"]

export const layer = Layer.effect(
  WorkflowEventModel,
  Effect.map(MemoryTables, (tables) =>
    WorkflowEventModel.of({
      partitionCount: tables.partitionCount,
      isInTransaction: Effect.succeed(false),
      commit: (commits) => Effect.flatMap(Clock.currentTimeMillis, (millis) => commitAll(tables, commits, millis)),
      read: (range) => Stream.suspend(() => Stream.fromIterable(eventsOf(tables, range))),
      readTenant: ({ tenant, ...range }) =>
        Stream.suspend(() =>
          Stream.fromIterable(inOrder(tables.tenants.get(tenant), range).flatMap((execution) => execution.events))
        ),
      readFeed: ({ after, limit, partition }) =>
        Effect.sync(() => (tables.feeds.get(partition) ?? []).slice(after, after + limit)),
      findByIdempotencyKey: ({ executionId, idempotencyKey, tenant }) =>
        Effect.sync(() => {
          const execution = findExecution(tables, { tenant, executionId })
          const position = execution?.idempotencyKeys.get(idempotencyKey)
          return Option.fromUndefinedOr(position === undefined ? undefined : execution?.events[position - 1])
        })
    })
  )
)

const eventsOf = (
  tables: Tables,
  { after = 0, to, until, ...ref }: Parameters<Port["read"]>[0]
): ReadonlyArray<WorkflowEvent> =>
  (findExecution(tables, ref)?.events ?? []).filter(
    (event) =>
      event.position > after &&
      (to === undefined || event.position <= to) &&
      (until === undefined || event.created_at <= until)
  )

// --- Committing -------------------------------------------------------------------------------------------------------

const commitAll = (
  tables: Tables,
  commits: Array.NonEmptyReadonlyArray<Commit.Commit>,
  millis: number
): ReturnType<Port["commit"]> => {
  if (commits.some((commit) => refusalOf(tables, commit) === undefined && isTaken(tables, commit))) {
    return Effect.fail(taken)
  }
  const now = Instant.fromEpochMillis(millis)
  return Effect.succeed(
    Array.map(commits, (commit): Result.Result<Commit.Committed, Commit.CommitRefused> => {
      const refusal = refusalOf(tables, commit)
      return refusal === undefined ? Result.succeed({ events: write(tables, commit, now) }) : Result.fail(refusal)
    })
  )
}

/** Why the commit cannot be made on the execution as it is now. */
const refusalOf = (tables: Tables, commit: Commit.Commit): Commit.CommitRefused | undefined => {
  const { executionId, expectedPosition, settles, tenant } = commit
  const execution = findExecution(tables, commit)
  const actual = execution?.header.position ?? 0
  const hasQueueMoved = settles !== undefined && settles.after !== (execution?.settledCount ?? 0)
  return actual !== expectedPosition || hasQueueMoved
    ? new Commit.PositionConflict({ tenant, executionId, expected: expectedPosition, actual })
    : Commit.findTimeReversal(commit, execution?.header.updatedAt)
}

/** Whether an event of the commit has an id that the tenant has, or a key that the execution has. */
const isTaken = (tables: Tables, commit: Commit.Commit): boolean => {
  const keys = findExecution(tables, commit)?.idempotencyKeys
  return Commit.eventsOf(commit).some(
    ({ event_id, idempotency_key }) =>
      tables.eventIds.get(commit.tenant)?.has(event_id) === true ||
      (idempotency_key !== undefined && keys?.has(idempotency_key) === true)
  )
}

const taken = new StoreError({
  operation: "Appending events",
  reason: { _tag: "Refused", isRetryable: false, detail: "an event id or an idempotency key is taken" }
})

const write = (tables: Tables, commit: Commit.Commit, now: Instant.Instant): ReadonlyArray<WorkflowEvent> => {
  const { executionId, settles, tenant } = commit
  const before = findExecution(tables, commit)
  const partition = Partition.of(tenant, executionId, tables.partitionCount)
  const feed = getOrAdd(tables.feeds, partition, () => [])
  const lastUpdate = before?.header.updatedAt ?? ""
  const events = Commit.stamp(commit, {
    partition,
    lastOffset: feed.length,
    stampedAt: now > lastUpdate ? now : lastUpdate,
    now
  }).map((event): WorkflowEvent =>
    event.payload === undefined ? event : { ...event, payload: asStored(event.payload) }
  )
  const header = headerAfter(before?.header, commit, events, now)
  const execution: Execution = { ...(before ?? empty()), header }
  const settledCount = execution.settledCount + (settles?.settlements.length ?? 0)
  getOrAdd(tables.tenants, tenant, () => new Map<string, Execution>()).set(executionId, { ...execution, settledCount })
  if (settles !== undefined) settle(execution, settles, now)
  feed.push(...events)
  execution.events.push(...events)
  const ids = getOrAdd(tables.eventIds, tenant, () => new Set<string>())
  for (const { event_id } of events) ids.add(event_id)
  for (const [index, { idempotency_key: key }] of Commit.eventsOf(commit).entries()) {
    if (key !== undefined) execution.idempotencyKeys.set(key, commit.expectedPosition + index + 1)
  }
  return events
}

const empty = (): Omit<Execution, "header"> => ({
  events: [],
  snapshots: new Map<number, Snapshot.Snapshot>(),
  idempotencyKeys: new Map<string, number>(),
  queue: [],
  settledCount: 0
})

const headerAfter = (
  before: ExecutionHeader | undefined,
  commit: Commit.Commit,
  events: ReadonlyArray<WorkflowEvent>,
  now: Instant.Instant
): ExecutionHeader => ({
  tenant: commit.tenant,
  executionId: commit.executionId,
  workflow: before?.workflow ?? { name: commit.workflow.name, version: commit.workflow.version },
  currentState: events.at(-1)?.to_state ?? before?.currentState ?? "",
  position: commit.expectedPosition + events.length,
  isComplete: commit.isComplete,
  startedAt: before?.startedAt ?? events[0]?.created_at ?? now,
  updatedAt: events.at(-1)?.created_at ?? before?.updatedAt ?? ""
})

const settle = ({ queue }: Execution, { after, settlements }: Settling, settledAt: Instant.Instant): void => {
  for (const [index, status] of settlements.entries()) {
    const item = queue[after + index]
    if (item === undefined) continue
    queue[after + index] = { ...item, isUnclaimed: false, entry: { ...item.entry, status, settledAt } }
  }
}
