/** The queue in maps. */
import {
  type Claim,
  type ExecutionRef,
  Identifier,
  Instant,
  Partition,
  type PartitionLag,
  QueuedEvent,
  Request,
  WorkflowEventProcessingModel,
  executionKey
} from "@refold/core"
import { Array, Clock, Duration, Effect, Layer, Option, Result, Stream } from "effect"
import { type Execution, MemoryTables, type QueuedItem, type Tables, asStored, findExecution } from "./MemoryTables.ts"

type Port = WorkflowEventProcessingModel["Service"]

const now = Effect.map(Clock.currentTimeMillis, Instant.fromEpochMillis)

export const layer = Layer.effect(
  WorkflowEventProcessingModel,
  Effect.map(MemoryTables, (tables) =>
    WorkflowEventProcessingModel.of({
      enqueue: (events) => Effect.flatMap(now, (at) => Effect.fromResult(enqueue(tables, events, at))),
      findReady: (options) => Effect.map(now, (at) => findReady(tables, options, at)),
      claim: ({ executions, ignoreDelay = false, limit }) =>
        Effect.map(now, (at) => {
          const refs = new Map(executions.map((ref) => [executionKey(ref), ref]))
          return [...refs.values()].flatMap(
            (ref) => claim(tables, ref, { limit, at, dueAt: ignoreDelay ? endOfTime : at }) ?? []
          )
        }),
      fail: (failure) => Effect.map(Clock.currentTimeMillis, (millis) => fail(tables, failure, millis)),
      markUnclaimed: (event) => Effect.sync(() => markUnclaimed(tables, event)),
      find: (options) =>
        Effect.sync(() =>
          Option.fromUndefinedOr(
            "processingId" in options ? locate(tables, options)?.entry : entryOfKey(tables, options)
          )
        ),
      list: (filter) => Stream.suspend(() => Stream.fromIterable(list(tables, filter))),
      redrive: (key) => Effect.sync(() => Option.fromUndefinedOr(redrive(tables, key))),
      discard: (key) => Effect.map(now, (at) => Option.fromUndefinedOr(discard(tables, key, at))),
      lag: Effect.sync(() => lag(tables))
    })
  )
)

const endOfTime = "9999-12-31T23:59:59.999Z"

// --- Looking at executions and entries --------------------------------------------------------------------------------

const everyExecution = ({ tenants }: Tables): ReadonlyArray<Execution> =>
  [...tenants.values()]
    .flatMap((executions) => [...executions.values()])
    .toSorted(
      ({ header: left }, { header: right }) =>
        Identifier.compare(left.tenant, right.tenant) || Identifier.compare(left.executionId, right.executionId)
    )

const entryOfKey = (
  tables: Tables,
  { idempotencyKey, ...ref }: ExecutionRef & { readonly idempotencyKey?: string }
): QueuedEvent.QueueEntry | undefined =>
  idempotencyKey === undefined
    ? undefined
    : findExecution(tables, ref)?.queue.find((item) => item?.entry.idempotencyKey === idempotencyKey)?.entry

interface EntryKey extends ExecutionRef {
  readonly processingId: string
}

const locate = (tables: Tables, { processingId, ...ref }: EntryKey) => {
  const execution = findExecution(tables, ref)
  const index = execution?.queue.findIndex((item) => item?.entry.processingId === processingId) ?? -1
  const item = execution?.queue[index]
  return execution === undefined || item === undefined ? undefined : { execution, index, entry: item.entry }
}

/** The next event of an execution, if it is pending and due. */
const nextOf = ({ queue, settledCount }: Execution, at: Instant.Instant): QueuedItem | undefined => {
  const next = queue[settledCount]
  return next !== undefined && next.entry.status._tag === "Pending" && (next.dueAt ?? at) <= at ? next : undefined
}

const changeItem = (
  { queue }: Execution,
  index: number,
  change: Partial<Omit<QueuedItem, "entry">> & { readonly entry?: QueuedEvent.QueueEntry }
): void => {
  const item = queue[index]
  if (item !== undefined) queue[index] = { ...item, ...change }
}

const setSettledCount = (tables: Tables, execution: Execution, settledCount: number): void => {
  const { executionId, tenant } = execution.header
  tables.tenants.get(tenant)?.set(executionId, { ...execution, settledCount })
}

// --- Enqueueing -------------------------------------------------------------------------------------------------------

const enqueue = (
  tables: Tables,
  events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>,
  queuedAt: Instant.Instant
): Result.Result<
  Array.NonEmptyReadonlyArray<QueuedEvent.QueueEntry>,
  QueuedEvent.IdempotencyConflict | QueuedEvent.QueueClosed
> =>
  Result.gen(function* () {
    const { firsts, placeOf } = yield* QueuedEvent.dedupeByKey(events)
    const refusals = [
      ...firsts.map((event) => conflictOf(tables, event)),
      ...firsts.map((event) => closedOf(tables, event))
    ]
    const refusal = refusals.find((each) => each !== undefined)
    if (refusal !== undefined) return yield* Result.fail(refusal)
    const entries = Array.map(firsts, (event) => entryOfKey(tables, event) ?? add(tables, event, queuedAt))
    return Array.map(placeOf, (index) => entries[index] ?? entries[0])
  })

/** The queue knows the key, from another request. */
const conflictOf = (tables: Tables, event: QueuedEvent.NewQueuedEvent): QueuedEvent.IdempotencyConflict | undefined => {
  const { executionId, idempotencyKey = "", submission } = event
  const known = entryOfKey(tables, event)
  return known === undefined || Request.isSame(known.submission, submission)
    ? undefined
    : new QueuedEvent.IdempotencyConflict({ executionId, idempotencyKey })
}

/** The execution is complete or does not exist, and neither its queue nor its log knows the key. */
const closedOf = (tables: Tables, event: QueuedEvent.NewQueuedEvent): QueuedEvent.QueueClosed | undefined => {
  const { executionId, idempotencyKey = "", tenant } = event
  if (entryOfKey(tables, event) !== undefined) return undefined
  const execution = findExecution(tables, event)
  if (execution === undefined) return new QueuedEvent.QueueClosed({ tenant, executionId })
  const { header, idempotencyKeys } = execution
  return header.isComplete && !idempotencyKeys.has(idempotencyKey)
    ? new QueuedEvent.QueueClosed({ tenant, executionId, finalState: header.currentState })
    : undefined
}

const add = (tables: Tables, event: QueuedEvent.NewQueuedEvent, queuedAt: Instant.Instant): QueuedEvent.QueueEntry => {
  const queue = findExecution(tables, event)?.queue ?? []
  const { payload } = event.submission
  const entry: QueuedEvent.QueueEntry = {
    ...event,
    submission: { ...event.submission, ...(payload === undefined ? {} : { payload: asStored(payload) }) },
    queuePosition: queue.length + 1,
    queuedAt,
    attemptCount: 0,
    status: { _tag: "Pending" }
  }
  queue.push({ entry, dueAt: undefined, isUnclaimed: false })
  return entry
}

// --- Processing -------------------------------------------------------------------------------------------------------

const findReady = (
  tables: Tables,
  { except, limitPerTenant, of }: Parameters<Port["findReady"]>[0],
  at: Instant.Instant
): ReadonlyArray<ExecutionRef> => {
  const counts = new Map<string, number>()
  return everyExecution(tables).flatMap((execution) => {
    const { executionId, tenant, workflow } = execution.header
    const next = nextOf(execution, at)
    const partition = Partition.of(tenant, executionId, tables.partitionCount)
    const isWanted =
      of === "unclaimed"
        ? !except.some(({ name, version }) => name === workflow.name && version === workflow.version)
        : of.includes(partition)
    if (next === undefined || next.isUnclaimed !== (of === "unclaimed") || !isWanted) return []
    const key = `${partition}\0${tenant}`
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    return count <= limitPerTenant ? [{ tenant, executionId }] : []
  })
}

const claim = (
  tables: Tables,
  ref: ExecutionRef,
  options: { readonly limit: number; readonly at: Instant.Instant; readonly dueAt: Instant.Instant }
): Claim | undefined => {
  const execution = findExecution(tables, ref)
  const next = execution === undefined ? undefined : nextOf(execution, options.dueAt)
  if (execution === undefined || next === undefined) return undefined
  const { header, queue, settledCount } = execution
  const counted = { ...next.entry, attemptCount: next.entry.attemptCount + 1 }
  changeItem(execution, settledCount, { entry: counted })
  const pending = queue.slice(settledCount + 1).flatMap((item) => item?.entry ?? [])
  const others = pending.slice(0, counted.attemptCount > 1 ? 0 : options.limit - 1)
  return {
    header,
    settledCount,
    events: Array.map([counted, ...others] as const, withoutStatus),
    hasMore: pending.length > others.length,
    claimedAt: options.at
  }
}

const withoutStatus = ({
  settledAt: _settledAt,
  status: _status,
  ...event
}: QueuedEvent.QueuedEvent & Partial<QueuedEvent.QueueEntry>): QueuedEvent.QueuedEvent => event

const fail = (tables: Tables, { cause, event, next }: Parameters<Port["fail"]>[0], millis: number): void => {
  const execution = findExecution(tables, event)
  const index = event.queuePosition - 1
  const entry = execution?.queue[index]?.entry
  if (execution === undefined || entry === undefined || execution.settledCount !== index) return
  if (entry.status._tag !== "Pending" || entry.attemptCount !== event.attemptCount) return
  switch (next._tag) {
    case "Retry":
      return changeItem(execution, index, { dueAt: Instant.fromEpochMillis(millis + Duration.toMillis(next.after)) })
    case "Block":
      return changeItem(execution, index, { isUnclaimed: false, entry: { ...entry, status: { _tag: "Dead", cause } } })
    case "Skip": {
      const settledAt = Instant.fromEpochMillis(millis)
      const skipped: QueuedEvent.QueueEntry = { ...entry, status: { _tag: "Skipped", cause }, settledAt }
      changeItem(execution, index, { isUnclaimed: false, entry: skipped })
      return setSettledCount(tables, execution, index + 1)
    }
  }
}

const markUnclaimed = (tables: Tables, { queuePosition, ...ref }: Parameters<Port["markUnclaimed"]>[0]): void => {
  const execution = findExecution(tables, ref)
  const entry = execution?.queue[queuePosition - 1]?.entry
  if (execution === undefined || entry?.status._tag !== "Pending") return
  const uncounted = { ...entry, attemptCount: Math.max(entry.attemptCount - 1, 0) }
  changeItem(execution, queuePosition - 1, { isUnclaimed: true, entry: uncounted })
}

// --- Operators --------------------------------------------------------------------------------------------------------

const list = (
  tables: Tables,
  { executionId, statuses, tenant }: Parameters<Port["list"]>[0]
): ReadonlyArray<QueuedEvent.QueueEntry> =>
  everyExecution(tables)
    .filter(
      ({ header }) =>
        (tenant === undefined || header.tenant === tenant) &&
        (executionId === undefined || header.executionId === executionId)
    )
    .flatMap((execution) => execution.queue.flatMap((item) => item?.entry ?? []))
    .filter((entry) => statuses.includes(entry.status._tag))

/** A dead event keeps its position; a skipped one gets a new position at the end. */
const redrive = (tables: Tables, key: EntryKey): QueuedEvent.QueueEntry | undefined => {
  const found = locate(tables, key)
  const tag = found?.entry.status._tag
  if (found === undefined || (tag !== "Dead" && tag !== "Skipped")) return undefined
  const { execution, index } = found
  const { settledAt: _settledAt, ...entry } = found.entry
  const again: QueuedEvent.QueueEntry = {
    ...entry,
    status: { _tag: "Pending" },
    attemptCount: 0,
    queuePosition: tag === "Dead" ? entry.queuePosition : execution.queue.length + 1
  }
  execution.queue[index] = undefined
  execution.queue[again.queuePosition - 1] = { entry: again, dueAt: undefined, isUnclaimed: false }
  return again
}

const discard = (tables: Tables, key: EntryKey, settledAt: Instant.Instant): QueuedEvent.QueueEntry | undefined => {
  const found = locate(tables, key)
  const status = found?.entry.status
  if (found === undefined || (status?._tag !== "Dead" && status?._tag !== "Skipped")) return undefined
  const { entry, execution, index } = found
  const discarded: QueuedEvent.QueueEntry = {
    ...entry,
    status: { _tag: "Discarded", cause: status.cause },
    settledAt
  }
  changeItem(execution, index, { entry: discarded })
  if (status._tag === "Dead") setSettledCount(tables, execution, index + 1)
  return discarded
}

const lag = (tables: Tables): ReadonlyArray<PartitionLag> => {
  const byPartition = Array.groupBy(
    everyExecution(tables).flatMap((execution) => execution.queue.flatMap((item) => item ?? [])),
    ({ entry }) => String(Partition.of(entry.tenant, entry.executionId, tables.partitionCount))
  )
  return Object.entries(byPartition)
    .map(([partition, items]) => {
      const pending = items.filter(({ entry }) => entry.status._tag === "Pending")
      const oldestQueuedAt = pending.map(({ entry }) => entry.queuedAt).toSorted()[0]
      return {
        partition: Number(partition),
        pendingCount: pending.length,
        ...(oldestQueuedAt === undefined ? {} : { oldestQueuedAt }),
        deadCount: items.filter(({ entry }) => ["Dead", "Skipped"].includes(entry.status._tag)).length,
        unclaimedCount: items.filter((item) => item.isUnclaimed).length
      }
    })
    .filter((each) => each.pendingCount + each.deadCount > 0)
}
