/** Snapshots in maps. */
import { type Snapshot, WorkflowSnapshotModel } from "@refold/core"
import { Effect, Layer, Option, Stream } from "effect"
import { type Execution, MemoryTables, asStored, inOrder } from "./MemoryTables.ts"

export const layer = Layer.effect(
  WorkflowSnapshotModel,
  Effect.gen(function* () {
    const { tenants } = yield* MemoryTables

    const ascending = (execution: Execution | undefined): ReadonlyArray<Snapshot.Snapshot> =>
      [...(execution?.snapshots.values() ?? [])].toSorted((left, right) => left.position - right.position)

    return WorkflowSnapshotModel.of({
      find: ({ executionId, fingerprint, tenant, to, until }) =>
        Effect.sync(() => {
          const within = ascending(tenants.get(tenant)?.get(executionId)).filter(
            (snapshot) =>
              (to === undefined || snapshot.position <= to) && (until === undefined || snapshot.updated_at <= until)
          )
          return Option.fromUndefinedOr(
            within.findLast((snapshot) => snapshot.fingerprint === fingerprint) ?? within.at(-1)
          )
        }),
      positions: ({ executionId, tenant }) =>
        Effect.sync(() => ascending(tenants.get(tenant)?.get(executionId)).map((snapshot) => snapshot.position)),
      save: ({ prune, snapshot }) =>
        Effect.sync(() => {
          const snapshots = tenants.get(snapshot.tenant)?.get(snapshot.execution_id)?.snapshots
          for (const position of prune) snapshots?.delete(position)
          snapshots?.set(snapshot.position, { ...snapshot, data: asStored(snapshot.data) })
        }),
      readTenant: ({ tenant, ...range }) =>
        Stream.suspend(() => Stream.fromIterable(inOrder(tenants.get(tenant), range).flatMap(ascending))),
      clear: ({ executionId, tenant }) =>
        Effect.sync(() => {
          for (const [id, execution] of tenants.get(tenant) ?? []) {
            if (executionId === undefined || id === executionId) execution.snapshots.clear()
          }
        })
    })
  })
)
