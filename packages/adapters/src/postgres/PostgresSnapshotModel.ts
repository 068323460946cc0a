/** Snapshots in PostgreSQL. */
import { type ExecutionRef, type Json, type Snapshot, WorkflowSnapshotModel } from "@refold/core"
import { Array, Effect, Layer, Option, Order, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { ints, texts } from "./Arrays.ts"
import * as Batcher from "../internal/Batcher.ts"
import { whereInTransaction } from "./CallerTransaction.ts"
import { instantText } from "./InstantText.ts"
import { pages } from "./Pages.ts"
import { type SchemaOptions, tables } from "./PostgresSchema.ts"
import { isStoreUnusable, toStoreError } from "./PostgresFailure.ts"

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

type Save = Parameters<WorkflowSnapshotModel["Service"]["save"]>[0]

const byExecution: Order.Order<Save> = Order.combine(
  Order.mapInput(Order.String, ({ snapshot }: Save) => snapshot.tenant),
  Order.mapInput(Order.String, ({ snapshot }: Save) => snapshot.execution_id)
)

const toSnapshot = (row: SnapshotRow): Snapshot.Snapshot => ({
  ...row,
  started_at: instantText(row.started_at),
  updated_at: instantText(row.updated_at),
  created_at: instantText(row.created_at)
})

/** Snapshots can be large: fewer at a time than events. */
const defaultBatchSize = 100

/** Nobody waits for a snapshot: fewer commits are worth more than sooner ones. */
const batching = { minBatchSize: 32, yieldsFirst: true, isEverybodys: isStoreUnusable }

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowSnapshotModel,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { snapshots } = tables(sql, options)

      const positionsOfAll = (refs: Array.NonEmptyReadonlyArray<ExecutionRef>) =>
        sql<{ positions: ReadonlyArray<number> }>`
          select array(
              select position from ${snapshots}
               where tenant = w.tenant and execution_id = w.execution_id order by position
            ) as positions
            from unnest(${texts(refs.map((ref) => ref.tenant))}, ${texts(refs.map((ref) => ref.executionId))})
              with ordinality as w (tenant, execution_id, place)
           order by w.place`.pipe(
          Effect.map((rows) => Array.map(refs, (_, place) => rows[place]?.positions ?? [])),
          Effect.mapError(toStoreError("Listing snapshots"))
        )

      // In one order, so that two that save of the same executions wait for each other in a line, not in a circle. The limit is
      // as in an append: the plan is to look up the few that go.
      const saveAll = (unordered: Array.NonEmptyReadonlyArray<Save>) => {
        const saves = Array.sort(unordered, byExecution)
        const stored = saves.map(({ snapshot }) => snapshot)
        const pruned = saves.flatMap(({ prune, snapshot }) =>
          prune.flatMap((position) => (position === snapshot.position ? [] : { ...snapshot, position }))
        )
        return sql`
          with pruned as (
            delete from ${snapshots} s using (
              select * from unnest(
                ${texts(pruned.map((each) => each.tenant))},
                ${texts(pruned.map((each) => each.execution_id))},
                ${ints(pruned.map((each) => each.position))}
              ) as p (tenant, execution_id, position)
              limit ${pruned.length}
            ) p
             where s.tenant = p.tenant and s.execution_id = p.execution_id and s.position = p.position
          )
          insert into ${snapshots} (tenant, execution_id, position, current_state, data, fingerprint, state_hash,
            started_at, updated_at, created_at)
          select tenant, execution_id, position, current_state, data::json, fingerprint, state_hash, started_at, updated_at,
            created_at
            from unnest(
              ${texts(stored.map((each) => each.tenant))},
              ${texts(stored.map((each) => each.execution_id))},
              ${ints(stored.map((each) => each.position))},
              ${texts(stored.map((each) => each.current_state))},
              ${texts(stored.map((each) => JSON.stringify(each.data)))},
              ${texts(stored.map((each) => each.fingerprint))},
              ${texts(stored.map((each) => each.state_hash))},
              ${texts(stored.map((each) => each.started_at))}::timestamptz[],
              ${texts(stored.map((each) => each.updated_at))}::timestamptz[],
              ${texts(stored.map((each) => each.created_at))}::timestamptz[]
            ) as s (tenant, execution_id, position, current_state, data, fingerprint, state_hash, started_at, updated_at,
              created_at)
          on conflict (tenant, execution_id, position) do update
            set current_state = excluded.current_state, data = excluded.data, fingerprint = excluded.fingerprint,
                state_hash = excluded.state_hash, started_at = excluded.started_at, updated_at = excluded.updated_at,
                created_at = excluded.created_at`.pipe(
          Effect.as(Array.map(saves, () => undefined)),
          Effect.mapError(toStoreError("Storing a snapshot"))
        )
      }

      // Executions that move together are due together.
      const positionsBatched = yield* Batcher.make({ ...batching, run: positionsOfAll })
      const saveBatched = yield* Batcher.make({ ...batching, run: saveAll })

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
        positions: (ref) =>
          Effect.map(
            whereInTransaction(sql, { inside: () => positionsOfAll([ref]), outside: () => positionsBatched([ref]) }),
            Array.headNonEmpty
          ),
        save: (save) =>
          Effect.asVoid(whereInTransaction(sql, { inside: () => saveAll([save]), outside: () => saveBatched([save]) })),
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
