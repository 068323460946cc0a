/** Snapshots in PostgreSQL. */
import { type Json, type Snapshot, WorkflowSnapshotModel } from "@refold/core"
import { Array, Effect, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { ints } from "./Arrays.ts"
import { pages } from "./Pages.ts"
import { type SchemaOptions, tables } from "./PostgresSchema.ts"
import { toStoreError } from "./SqlFailure.ts"

interface SnapshotRow {
  readonly tenant: string
  readonly execution_id: string
  readonly position: number
  readonly current_state: string
  readonly data: Json.Json
  readonly fingerprint: string
  readonly state_hash: string
  readonly started_at: Date
  readonly updated_at: Date
  readonly created_at: Date
}

const toSnapshot = (row: SnapshotRow): Snapshot.Snapshot => ({
  ...row,
  started_at: row.started_at.toISOString(),
  updated_at: row.updated_at.toISOString(),
  created_at: row.created_at.toISOString()
})

/** Snapshots can be large: fewer at a time than events. */
const defaultBatchSize = 100

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowSnapshotModel,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { snapshots } = tables(sql, options)

      return WorkflowSnapshotModel.of({
        find: ({ executionId, fingerprint, tenant, to, until }) =>
          sql<SnapshotRow>`
            select * from ${snapshots}
             where tenant = ${tenant} and execution_id = ${executionId}
               ${to === undefined ? sql`` : sql`and position <= ${to}`}
               ${until === undefined ? sql`` : sql`and updated_at <= ${until}::timestamptz`}
             order by fingerprint = ${fingerprint} desc, position desc limit 1`.pipe(
            Effect.map((rows) => Option.map(Array.head(rows), toSnapshot)),
            Effect.mapError(toStoreError("Finding a snapshot"))
          ),
        positions: ({ executionId, tenant }) =>
          sql<{ position: number }>`
            select position from ${snapshots}
             where tenant = ${tenant} and execution_id = ${executionId} order by position`.pipe(
            Effect.map((rows) => rows.map((row) => row.position)),
            Effect.mapError(toStoreError("Listing snapshots"))
          ),
        save: ({ prune, snapshot }) =>
          sql`
            with pruned as (
              delete from ${snapshots}
               where tenant = ${snapshot.tenant} and execution_id = ${snapshot.execution_id}
                 and position = any (${ints(prune)}) and position <> ${snapshot.position}
            )
            insert into ${snapshots} (tenant, execution_id, position, current_state, data, fingerprint, state_hash,
              started_at, updated_at, created_at)
            values (${snapshot.tenant}, ${snapshot.execution_id}, ${snapshot.position}, ${snapshot.current_state},
              ${JSON.stringify(snapshot.data)}::text::json, ${snapshot.fingerprint}, ${snapshot.state_hash},
              ${snapshot.started_at}::timestamptz, ${snapshot.updated_at}::timestamptz, ${snapshot.created_at}::timestamptz)
            on conflict (tenant, execution_id, position) do update
              set current_state = excluded.current_state, data = excluded.data, fingerprint = excluded.fingerprint,
                  state_hash = excluded.state_hash, started_at = excluded.started_at, updated_at = excluded.updated_at,
                  created_at = excluded.created_at`.pipe(
            Effect.asVoid,
            Effect.mapError(toStoreError("Storing a snapshot"))
          ),
        readTenant: ({ batchSize = defaultBatchSize, fromExecutionId = "", tenant, toExecutionId }) =>
          pages({
            first: { executionId: fromExecutionId, position: 0 },
            batchSize,
            page: (last) => sql<SnapshotRow>`
              select * from ${snapshots}
               where tenant = ${tenant} and (execution_id, position) > (${last.executionId}, ${last.position})
                 ${toExecutionId === undefined ? sql`` : sql`and execution_id <= ${toExecutionId}`}
               order by execution_id, position limit ${batchSize}`,
            next: (row) => ({ executionId: row.execution_id, position: row.position })
          }).pipe(Stream.map(toSnapshot), Stream.mapError(toStoreError("Reading snapshots"))),
        clear: ({ executionId, tenant }) =>
          sql`
            delete from ${snapshots}
             where tenant = ${tenant} ${executionId === undefined ? sql`` : sql`and execution_id = ${executionId}`}`.pipe(
            Effect.asVoid,
            Effect.mapError(toStoreError("Removing snapshots"))
          )
      })
    })
  )
