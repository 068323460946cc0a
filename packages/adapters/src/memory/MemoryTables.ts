/** The tables of a store in memory, as maps that the adapters share. */
import {
  type ExecutionHeader,
  type ExecutionRef,
  Identifier,
  type Instant,
  type Json,
  Partition,
  type QueuedEvent,
  type Snapshot,
  type WorkflowEvent
} from "@refold/core"
import { Context, Effect, Layer } from "effect"

export interface Tables {
  readonly partitionCount: number
  /** By tenant, then execution id. */
  readonly tenants: Map<string, Map<string, Execution>>
  /** Events by partition; the offset is the index plus one. */
  readonly feeds: Map<number, Array<WorkflowEvent>>
  /** The ids of all events, by tenant. */
  readonly eventIds: Map<string, Set<string>>
}

export interface Execution {
  readonly header: ExecutionHeader
  readonly events: Array<WorkflowEvent>
  /** By position. */
  readonly snapshots: Map<number, Snapshot.Snapshot>
  /** Position of the event that has the key. */
  readonly idempotencyKeys: Map<string, number>
  /** The index is the queue position less one. A skipped event that was redriven has left its position. */
  readonly queue: Array<QueuedItem | undefined>
  /** How many of the queue are settled, from the first. */
  readonly settledCount: number
}

/** An entry of a queue, with what only the store looks at. */
export interface QueuedItem {
  readonly entry: QueuedEvent.QueueEntry
  /** Not to be claimed before this instant, because an attempt failed. */
  readonly dueAt: Instant.Instant | undefined
  readonly isUnclaimed: boolean
}

export class MemoryTables extends Context.Service<MemoryTables, Tables>()("@refold/adapters/memory/MemoryTables") {
  static readonly layer = (options: { readonly partitionCount?: number } = {}) =>
    Layer.effect(
      MemoryTables,
      Effect.sync(() => ({
        partitionCount: options.partitionCount ?? Partition.defaultCount,
        tenants: new Map<string, Map<string, Execution>>(),
        feeds: new Map<number, Array<WorkflowEvent>>(),
        eventIds: new Map<string, Set<string>>()
      }))
    )
}

export const findExecution = ({ tenants }: Tables, { executionId, tenant }: ExecutionRef): Execution | undefined =>
  tenants.get(tenant)?.get(executionId)

/** The value that the map has for the key, or a new one that it has from now on. */
export const getOrAdd = <Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value): Value => {
  const value = map.get(key) ?? make()
  map.set(key, value)
  return value
}

/** Executions by id in a range, in the order of PostgreSQL's collation "C". */
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

/** A copy that nobody else holds, as a store that keeps text returns it. */
export const asStored = (json: Json.Json): Json.Json => {
  const copy: Json.Json = JSON.parse(JSON.stringify(json))
  return copy
}
