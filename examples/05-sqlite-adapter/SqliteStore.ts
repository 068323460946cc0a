/** A store in one SQLite file: events, snapshots, headers. It has no queue. */
import { Partition, WorkflowEventModel, WorkflowExecutionModel, WorkflowSnapshotModel } from "@refold/core"
import { Layer } from "effect"
import { SqliteDatabase } from "./SqliteDatabase.ts"
import * as SqliteEventModel from "./SqliteEventModel.ts"
import * as SqliteExecutionModel from "./SqliteExecutionModel.ts"
import * as SqliteSnapshotModel from "./SqliteSnapshotModel.ts"

/** `path` is a file, or `:memory:`. */
export const layer = (path: string, partitionCount = Partition.defaultCount) =>
  Layer.mergeAll(
    Layer.effect(WorkflowEventModel, SqliteEventModel.make),
    Layer.effect(WorkflowExecutionModel, SqliteExecutionModel.make),
    Layer.effect(WorkflowSnapshotModel, SqliteSnapshotModel.make)
  ).pipe(Layer.provide(Layer.effect(SqliteDatabase, SqliteDatabase.make({ path, partitionCount }))))
