/** What the memory adapters share: the tables of a store, as maps. */
import type { ExecutionHeader, Instant, QueuedEvent, Snapshot, WorkflowEvent } from "@refold/core"
import { Partition } from "@refold/core"
import { Context, Effect, Layer } from "effect"

export interface Execution {
  readonly header: ExecutionHeader
  readonly events: Array<WorkflowEvent>
  /** By position. */
  readonly snapshots: Map<number, Snapshot.Snapshot>
  /** Position of the event that bore the key. */
  readonly idempotencyKeys: Map<string, number>
  /** By place less one; the first `settledCount` are settled. A skipped one that was redriven has left its place. */
  readonly queue: Array<QueuedItem | undefined>
  readonly settledCount: number
}

/** An entry of a queue, and what only the store looks at. */
export interface QueuedItem {
  readonly entry: QueuedEvent.QueueEntry
  /** Not to be claimed before, where an attempt failed. */
  readonly dueAt: Instant.Instant | undefined
  readonly isUnclaimed: boolean
}

export class MemoryTables extends Context.Service<
  MemoryTables,
  {
    readonly partitionCount: number
    /** By tenant, then execution id. */
    readonly tenants: Map<string, Map<string, Execution>>
    /** Events by partition; the offset is the place in the array plus one. */
    readonly feeds: Map<number, Array<WorkflowEvent>>
    /** By tenant: the ids of all its events. */
    readonly eventIds: Map<string, Set<string>>
  }
>()("@refold/adapters/memory/MemoryTables") {
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
