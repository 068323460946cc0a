/** The queue in maps. */
import {
  type Claim,
  type ExecutionRef,
  Identifier,
  Instant,
  Partition,
  QueuedEvent,
  Request,
  WorkflowEventProcessingModel,
  executionKey
} from "@refold/core"
import { Array, Clock, Duration, Effect, Layer, Option, Stream } from "effect"
import { asStored } from "./MemoryEventModel.ts"
import { type Execution, MemoryTables, type QueuedItem } from "./MemoryTables.ts"

export const layer = Layer.effect(
  WorkflowEventProcessingModel,
  Effect.gen(function* () {
    const { partitionCount, tenants } = yield* MemoryTables

    const now = Effect.map(Clock.currentTimeMillis, Instant.fromEpochMillis)
    const findExecution = ({ executionId, tenant }: ExecutionRef) => tenants.get(tenant)?.get(executionId)
    const all = () =>
      [...tenants.values()]
        .flatMap((executions) => [...executions.values()])
        .toSorted(
          ({ header: left }, { header: right }) =>
            Identifier.compare(left.tenant, right.tenant) || Identifier.compare(left.executionId, right.executionId)
        )

    const changeItem = (execution: Execution, place: number, change: (item: QueuedItem) => Partial<QueuedItem>) => {
      const item = execution.queue[place]
      if (item !== undefined) execution.queue[place] = { ...item, ...change(item) }
    }
    const setSettledCount = (execution: Execution, settledCount: number) => {
      const { executionId, tenant } = execution.header
      tenants.get(tenant)?.set(executionId, { ...execution, settledCount })
    }

    const entryOfKey = ({ idempotencyKey, ...ref }: ExecutionRef & { readonly idempotencyKey?: string }) =>
      idempotencyKey === undefined
        ? undefined
        : findExecution(ref)?.queue.find((item) => item?.entry.idempotencyKey === idempotencyKey)?.entry

    const add = (event: QueuedEvent.NewQueuedEvent, queuedAt: Instant.Instant): QueuedEvent.QueueEntry => {
      const queue = findExecution(event)?.queue ?? []
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

    /** The next event of an execution, where it is waiting and due. */
    const headOf = (execution: Execution, at: Instant.Instant): QueuedItem | undefined => {
      const head = execution.queue[execution.settledCount]
      return head !== undefined && head.entry.status._tag === "Pending" && (head.dueAt ?? at) <= at ? head : undefined
    }

    const claimOne = (
      ref: ExecutionRef,
      limit: number,
      claimedAt: Instant.Instant,
      dueAt: Instant.Instant
    ): Claim | undefined => {
      const execution = findExecution(ref)
      const head = execution === undefined ? undefined : headOf(execution, dueAt)
      if (execution === undefined || head === undefined) return undefined
      const counted = { ...head.entry, attemptCount: head.entry.attemptCount + 1 }
      changeItem(execution, execution.settledCount, () => ({ entry: counted }))
      const waiting = execution.queue.slice(execution.settledCount + 1).flatMap((item) => item?.entry ?? [])
      const others = waiting.slice(0, counted.attemptCount > 1 ? 0 : limit - 1)
      return {
        header: execution.header,
        settledCount: execution.settledCount,
        events: Array.map([counted, ...others] as const, withoutStanding),
        hasMore: waiting.length > others.length,
        claimedAt
      }
    }

    interface EntryKey extends ExecutionRef {
      readonly processingId: string
    }
    const locate = ({ processingId, ...ref }: EntryKey) => {
      const execution = findExecution(ref)
      const place = execution?.queue.findIndex((item) => item?.entry.processingId === processingId) ?? -1
      const item = execution?.queue[place]
      return execution === undefined || item === undefined ? undefined : { execution, place, entry: item.entry }
    }

    return WorkflowEventProcessingModel.of({
      enqueue: Effect.fnUntraced(function* (events) {
        const { firsts, placeOf } = yield* Effect.fromResult(QueuedEvent.dedupeByKey(events))
        for (const event of firsts) {
          const known = entryOfKey(event)
          if (known !== undefined && !Request.isSame(known.submission, event.submission)) {
            const { executionId, idempotencyKey = "" } = event
            return yield* new QueuedEvent.IdempotencyConflict({ executionId, idempotencyKey })
          }
        }
        for (const { executionId, tenant, ...event } of firsts) {
          if (entryOfKey({ executionId, tenant, ...event }) !== undefined) continue
          const execution = findExecution({ tenant, executionId })
          if (execution === undefined) return yield* new QueuedEvent.QueueClosed({ tenant, executionId })
          const { header, idempotencyKeys } = execution
          if (header.isComplete && !idempotencyKeys.has(event.idempotencyKey ?? "")) {
            return yield* new QueuedEvent.QueueClosed({ tenant, executionId, finalState: header.currentState })
          }
        }
        const queuedAt = yield* now
        const entries = Array.map(firsts, (event) => entryOfKey(event) ?? add(event, queuedAt))
        return Array.map(placeOf, (place) => entries[place] ?? entries[0])
      }),
      findReady: ({ except, limitPerTenant, of }) =>
        Effect.map(now, (at) => {
          const counts = new Map<string, number>()
          return all().flatMap((execution) => {
            const { executionId, tenant, workflow } = execution.header
            const head = headOf(execution, at)
            const partition = Partition.of(tenant, executionId, partitionCount)
            const isOf =
              of === "unclaimed"
                ? !except.some(({ name, version }) => name === workflow.name && version === workflow.version)
                : of.includes(partition)
            if (head === undefined || head.isUnclaimed !== (of === "unclaimed") || !isOf) return []
            const key = `${partition}\0${tenant}`
            const count = (counts.get(key) ?? 0) + 1
            counts.set(key, count)
            return count <= limitPerTenant ? [{ tenant, executionId }] : []
          })
        }),
      claim: ({ executions, ignoreDelay = false, limit }) =>
        Effect.map(now, (at) => {
          const refs = new Map(executions.map((ref) => [executionKey(ref), ref]))
          return [...refs.values()].flatMap((ref) => claimOne(ref, limit, at, ignoreDelay ? endOfTime : at) ?? [])
        }),
      fail: ({ cause, event, next }) =>
        Effect.map(Clock.currentTimeMillis, (millis) => {
          const execution = findExecution(event)
          const place = event.queuePosition - 1
          const entry = execution?.queue[place]?.entry
          if (execution === undefined || entry === undefined) return
          if (entry.status._tag !== "Pending" || entry.attemptCount !== event.attemptCount) return
          if (execution.settledCount !== place) return
          switch (next._tag) {
            case "Retry":
              return changeItem(execution, place, () => ({
                dueAt: Instant.fromEpochMillis(millis + Duration.toMillis(next.after))
              }))
            case "Block":
              return changeItem(execution, place, () => ({
                isUnclaimed: false,
                entry: { ...entry, status: { _tag: "Dead", cause } }
              }))
            case "Skip":
              changeItem(execution, place, () => ({
                isUnclaimed: false,
                entry: { ...entry, status: { _tag: "Skipped", cause }, settledAt: Instant.fromEpochMillis(millis) }
              }))
              return setSettledCount(execution, place + 1)
          }
        }),
      leave: ({ queuePosition, ...ref }) =>
        Effect.sync(() => {
          const execution = findExecution(ref)
          const entry = execution?.queue[queuePosition - 1]?.entry
          if (execution === undefined || entry?.status._tag !== "Pending") return
          changeItem(execution, queuePosition - 1, () => ({
            isUnclaimed: true,
            entry: { ...entry, attemptCount: Math.max(entry.attemptCount - 1, 0) }
          }))
        }),
      find: (options) =>
        Effect.sync(() =>
          Option.fromUndefinedOr("processingId" in options ? locate(options)?.entry : entryOfKey(options))
        ),
      list: ({ executionId, statuses, tenant }) =>
        Stream.suspend(() =>
          Stream.fromIterable(
            all()
              .filter(
                ({ header }) =>
                  (tenant === undefined || header.tenant === tenant) &&
                  (executionId === undefined || header.executionId === executionId)
              )
              .flatMap((execution) => execution.queue.flatMap((item) => item?.entry ?? []))
              .filter((entry) => statuses.includes(entry.status._tag))
          )
        ),
      redrive: (key) =>
        Effect.sync(() => {
          const found = locate(key)
          const tag = found?.entry.status._tag
          if (found === undefined || (tag !== "Dead" && tag !== "Skipped")) return Option.none()
          const { entry, execution, place } = found
          const { settledAt: _settledAt, ...rest } = entry
          const again: QueuedEvent.QueueEntry = {
            ...rest,
            status: { _tag: "Pending" },
            attemptCount: 0,
            queuePosition: tag === "Dead" ? entry.queuePosition : execution.queue.length + 1
          }
          if (tag === "Dead") {
            execution.queue[place] = { entry: again, dueAt: undefined, isUnclaimed: false }
          } else {
            execution.queue[place] = undefined
            execution.queue.push({ entry: again, dueAt: undefined, isUnclaimed: false })
          }
          return Option.some(again)
        }),
      discard: (key) =>
        Effect.map(now, (at) => {
          const found = locate(key)
          const status = found?.entry.status
          if (found === undefined || (status?._tag !== "Dead" && status?._tag !== "Skipped")) return Option.none()
          const { entry, execution, place } = found
          const given: QueuedEvent.QueueEntry = {
            ...entry,
            status: { _tag: "Discarded", cause: status.cause },
            settledAt: at
          }
          changeItem(execution, place, () => ({ entry: given }))
          if (status._tag === "Dead") setSettledCount(execution, place + 1)
          return Option.some(given)
        }),
      lag: Effect.sync(() => {
        const byPartition = Array.groupBy(
          all().flatMap((execution) => execution.queue.flatMap((item) => item ?? [])),
          ({ entry }) => String(Partition.of(entry.tenant, entry.executionId, partitionCount))
        )
        return Object.entries(byPartition)
          .map(([partition, items]) => {
            const waiting = items.filter(({ entry }) => entry.status._tag === "Pending")
            const oldestQueuedAt = waiting.map(({ entry }) => entry.queuedAt).toSorted()[0]
            return {
              partition: Number(partition),
              pendingCount: waiting.length,
              ...(oldestQueuedAt === undefined ? {} : { oldestQueuedAt }),
              deadCount: items.filter(({ entry }) => ["Dead", "Skipped"].includes(entry.status._tag)).length,
              unclaimedCount: items.filter((item) => item.isUnclaimed).length
            }
          })
          .filter((lag) => lag.pendingCount + lag.deadCount > 0)
      })
    })
  })
)

const endOfTime = "9999-12-31T23:59:59.999Z"

const withoutStanding = ({
  settledAt: _settledAt,
  status: _standing,
  ...event
}: QueuedEvent.QueuedEvent & Partial<QueuedEvent.QueueEntry>): QueuedEvent.QueuedEvent => event
