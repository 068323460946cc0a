/** What the memory adapters share: the tables of a store, as maps. */
import type { ExecutionHeader, Snapshot, WorkflowEvent } from "@refold/core"
import { Partition } from "@refold/core"
import { Context, Effect, Layer } from "effect"

export interface Execution {
  readonly header: ExecutionHeader
  readonly events: Array<WorkflowEvent>
  /** By position. */
  readonly snapshots: Map<number, Snapshot.Snapshot>
  /** Position of the first event of the commit that bore the key. */
  readonly idempotencyKeys: Map<string, number>
}

export class MemoryTables extends Context.Service<
  MemoryTables,
  {
    readonly partitionCount: number
    /** By tenant, then execution id. */
    readonly tenants: Map<string, Map<string, Execution>>
    /** Events by partition; the offset is the place in the array plus one. */
    readonly feeds: Map<number, Array<WorkflowEvent>>
  }
>()("@refold/adapters/memory/MemoryTables") {
  static readonly layer = (options: { readonly partitionCount?: number } = {}) =>
    Layer.effect(
      MemoryTables,
      Effect.sync(() => ({
        partitionCount: options.partitionCount ?? Partition.defaultCount,
        tenants: new Map<string, Map<string, Execution>>(),
        feeds: new Map<number, Array<WorkflowEvent>>()
      }))
    )
}
