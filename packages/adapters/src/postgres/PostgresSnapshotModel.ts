/** Snapshots in PostgreSQL. */
import { type ExecutionRef, type Json, type Snapshot, WorkflowSnapshotModel } from "@refold/core"
import { Array, Effect, Layer, Option, Order, Stream } from "effect"
import * as Batcher from "../internal/Batcher.ts"
import { ints, texts } from "./Arrays.ts"
import { whereInTransaction } from "./CallerTransaction.ts"
import * as Database from "./Database.ts"
import { instantText } from "./InstantText.ts"
import { pages } from "./Pages.ts"
import { expectFewRows } from "./PlannerHints.ts"
import { isStoreUnusable, toStoreError } from "./PostgresFailure.ts"
import type { SchemaOptions } from "./PostgresSchema.ts"

type Port = WorkflowSnapshotModel["Service"]
type Save = Parameters<Port["save"]>[0]

/** Nobody waits for a snapshot: fewer commits are worth more than sooner ones. */
const batching = { minShare: 32, yieldsFirst: true, isEverybodys: isStoreUnusable }

/** Executions that move together are due together, so their snapshots are stored together. */
export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowSnapshotModel,
    Effect.gen(function* () {
      const database = yield* Database.name(options)
      const { sql } = database
      const positions = (refs: Array.NonEmptyReadonlyArray<ExecutionRef>) => positionsOfMany(database, refs)
      const save = (saves: Array.NonEmptyReadonlyArray<Save>) => saveMany(database, saves)
      const batchedPositions = yield* Batcher.make({ ...batching, run: positions })
      const batchedSave = yield* Batcher.make({ ...batching, run: save })
      return WorkflowSnapshotModel.of({
        find: (wanted) => find(database, wanted),
        positions: (ref) =>
          Effect.map(
            whereInTransaction(sql, { inside: () => positions([ref]), outside: () => batchedPositions([ref]) }),
            Array.headNonEmpty
          ),
        save: (each) =>
          Effect.asVoid(whereInTransaction(sql, { inside: () => save([each]), outside: () => batchedSave([each]) })),
        readTenant: (range) => readTenant(database, range),
        clear: (which) => clear(database, which)
      })
    })
  )

// --- Rows -------------------------------------------------------------------------------------------------------------

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
  started_at: instantText(row.started_at),
  updated_at: instantText(row.updated_at),
  created_at: instantText(row.created_at)
})

const byExecution: Order.Order<Save> = Order.combine(
  Order.mapInput(Order.String, ({ snapshot }: Save) => snapshot.tenant),
  Order.mapInput(Order.String, ({ snapshot }: Save) => snapshot.execution_id)
)

// --- Reading ----------------------------------------------------------------------------------------------------------

const find = (
  { sql, tables: { snapshots } }: Database.Named,
  { executionId, fingerprint, tenant, to, until }: Parameters<Port["find"]>[0]
): ReturnType<Port["find"]> =>
  sql<SnapshotRow>`
    select * from ${snapshots}
     where tenant = ${tenant} and execution_id = ${executionId}
       ${to === undefined ? sql`` : sql`and position <= ${to}`}
       ${until === undefined ? sql`` : sql`and updated_at <= ${until}::timestamptz`}
     order by fingerprint = ${fingerprint} desc, position desc limit 1`.pipe(
    Effect.map((rows) => Option.map(Array.head(rows), toSnapshot)),
    Effect.mapError(toStoreError("Finding a snapshot"))
  )

const positionsOfMany = (
  { sql, tables: { snapshots } }: Database.Named,
  refs: Array.NonEmptyReadonlyArray<ExecutionRef>
) =>
  sql<{ positions: ReadonlyArray<number> }>`
    select array(
        select position from ${snapshots}
         where tenant = w.tenant and execution_id = w.execution_id order by position
      ) as positions
      from unnest(${texts(refs.map((ref) => ref.tenant))}, ${texts(refs.map((ref) => ref.executionId))})
        with ordinality as w (tenant, execution_id, ordinal)
     order by w.ordinal`.pipe(
    Effect.map((rows) => Array.map(refs, (_, index) => rows[index]?.positions ?? [])),
    Effect.mapError(toStoreError("Listing snapshots"))
  )

/** Fewer at a time than events, because snapshots can be large. */
const defaultBatchSize = 100

const readTenant = (
  { sql, tables: { snapshots } }: Database.Named,
  { batchSize = defaultBatchSize, fromExecutionId = "", tenant, toExecutionId }: Parameters<Port["readTenant"]>[0]
): ReturnType<Port["readTenant"]> =>
  pages({
    first: { executionId: fromExecutionId, position: 0 },
    batchSize,
    page: (last) => sql<SnapshotRow>`
      select * from ${snapshots}
       where tenant = ${tenant} and (execution_id, position) > (${last.executionId}, ${last.position})
         ${toExecutionId === undefined ? sql`` : sql`and execution_id <= ${toExecutionId}`}
       order by execution_id, position limit ${batchSize}`,
    next: (row) => ({ executionId: row.execution_id, position: row.position })
  }).pipe(Stream.map(toSnapshot), Stream.mapError(toStoreError("Reading snapshots")))

// --- Writing ----------------------------------------------------------------------------------------------------------

/** Stores and prunes in one order, so that two calls that save of the same executions never deadlock. */
const saveMany = ({ sql, tables: { snapshots } }: Database.Named, unordered: Array.NonEmptyReadonlyArray<Save>) => {
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
        ${expectFewRows(sql, pruned.length)}
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

const clear = (
  { sql, tables: { snapshots } }: Database.Named,
  { executionId, tenant }: Parameters<Port["clear"]>[0]
): ReturnType<Port["clear"]> =>
  sql`
    delete from ${snapshots}
     where tenant = ${tenant} ${executionId === undefined ? sql`` : sql`and execution_id = ${executionId}`}`.pipe(
    Effect.asVoid,
    Effect.mapError(toStoreError("Removing snapshots"))
  )
