/** A store in memory, which is gone with the process. */
import { Layer } from "effect"
import * as MemoryEventModel from "./MemoryEventModel.ts"
import * as MemoryEventProcessingModel from "./MemoryEventProcessingModel.ts"
import * as MemoryExecutionModel from "./MemoryExecutionModel.ts"
import * as MemoryPartitionLeases from "./MemoryPartitionLeases.ts"
import * as MemorySnapshotModel from "./MemorySnapshotModel.ts"
import { MemoryTables } from "./MemoryTables.ts"

/** Every port of a store, over the same tables. */
export const layerWith = (options: { readonly partitionCount?: number }) =>
  Layer.mergeAll(
    MemoryEventModel.layer,
    MemorySnapshotModel.layer,
    MemoryExecutionModel.layer,
    MemoryEventProcessingModel.layer,
    MemoryPartitionLeases.layer
  ).pipe(Layer.provide(MemoryTables.layer(options)))

export const layer = layerWith({})
