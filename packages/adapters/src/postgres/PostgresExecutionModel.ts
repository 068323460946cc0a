/** Headers in PostgreSQL. */
import { type ExecutionHeader, WorkflowExecutionModel } from "@refold/core"
import { Array, Effect, Layer, Option, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { texts } from "./Arrays.ts"
import { instantText } from "./InstantText.ts"
import { pages } from "./Pages.ts"
import { awaitWriters } from "./events/AwaitWriters.ts"
import { type SchemaOptions, tables } from "./PostgresSchema.ts"
import { toStoreError } from "./PostgresFailure.ts"

/** A row of the table, without what only the queue looks at. */
export interface HeaderRow {
  readonly tenant: string
  readonly execution_id: string
  readonly workflow_name: string
  readonly workflow_version: number
  readonly current_state: string
  readonly position: number
  readonly is_complete: boolean
  readonly started_at: Date
  readonly updated_at: Date
}

export const headerColumns = [
  "tenant",
  "execution_id",
  "workflow_name",
  "workflow_version",
  "current_state",
  "position",
  "is_complete",
  "started_at",
  "updated_at"
]

export const toHeader = (row: HeaderRow): ExecutionHeader => ({
  tenant: row.tenant,
  executionId: row.execution_id,
  workflow: { name: row.workflow_name, version: row.workflow_version },
  currentState: row.current_state,
  position: row.position,
  isComplete: row.is_complete,
  startedAt: instantText(row.started_at),
  updatedAt: instantText(row.updated_at)
})

const defaultBatchSize = 1000

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowExecutionModel,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const names = tables(sql, options)
      const { events, executions } = names
      const columns = sql.literal(headerColumns.join(", "))

      const list: WorkflowExecutionModel["Service"]["list"] = ({
        asOf,
        batchSize = defaultBatchSize,
        state,
        tenant
      }) => {
        // In the words of an index each: of the states, the primary key would be read from the tenant's first to its last. Of
        // the texts that tenant and state make together, those that end in the state are of one tenant.
        const now = (after: string) =>
          state === undefined
            ? sql<HeaderRow>`
                select ${columns} from ${executions}
                 where tenant = ${tenant} and execution_id > ${after} order by execution_id limit ${batchSize}`
            : sql<HeaderRow>`
                select ${columns} from ${executions}
                 where tenant || ' ' || current_state = ${`${tenant} ${state}`} and execution_id || '' > ${after}
                   and current_state = ${state}
                 order by execution_id || '' limit ${batchSize}`
        // Nothing follows completion, so only an execution's last event can be the one that completed it. The page is cut
        // before the events are looked up: each execution in it has one at the instant.
        const past = (after: string) => sql<HeaderRow>`
          select e.tenant, e.execution_id, e.workflow_name, e.workflow_version, last.to_state as current_state,
                 last.position, e.is_complete and last.position = e.position as is_complete, e.started_at,
                 last.created_at as updated_at
            from (
              select * from ${executions}
               where tenant = ${tenant} and execution_id > ${after} and started_at <= ${asOf ?? ""}::timestamptz
               order by execution_id limit ${batchSize}
            ) e
            cross join lateral (
              select to_state, position, created_at from ${events}
               where tenant = e.tenant and execution_id = e.execution_id and created_at <= ${asOf ?? ""}::timestamptz
               order by position desc limit 1
            ) last
           order by e.execution_id`
        const found = pages({
          first: "",
          batchSize,
          page: asOf === undefined ? now : past,
          next: (row) => row.execution_id
        })
        const settled =
          asOf === undefined
            ? found
            : Stream.unwrap(Effect.as(awaitWriters({ sql, tables: names }, { until: asOf }), found)).pipe(
                Stream.filter((row) => state === undefined || row.current_state === state)
              )
        return settled.pipe(Stream.map(toHeader), Stream.mapError(toStoreError("Listing executions")))
      }

      return WorkflowExecutionModel.of({
        find: ({ executionId, tenant }) =>
          sql<HeaderRow>`
            select ${columns} from ${executions} where tenant = ${tenant} and execution_id = ${executionId}`.pipe(
            Effect.map((rows) => Option.map(Array.head(rows), toHeader)),
            Effect.mapError(toStoreError("Finding an execution"))
          ),
        findMany: ({ executionIds, tenant }) =>
          // One look-up by key for each id; a plan kept from when the table was small would read all of the tenant's.
          sql<HeaderRow>`
            select ${columns} from (select distinct * from unnest(${texts(executionIds)})) as wanted (id)
             cross join lateral (
               select * from ${executions} where tenant = ${tenant} and execution_id = wanted.id limit 1
             ) as header`.pipe(
            Effect.map((rows) => rows.map(toHeader)),
            Effect.mapError(toStoreError("Finding executions"))
          ),
        list,
        // Jumps from tenant to tenant along the key, however many executions each has.
        tenants: sql<{ tenant: string }>`
          with recursive each as (
            (select tenant from ${executions} order by tenant limit 1)
            union all
            select (select e.tenant from ${executions} e where e.tenant > each.tenant order by e.tenant limit 1)
              from each where each.tenant is not null
          ) select tenant from each where tenant is not null`.pipe(
          Effect.map((rows) => rows.map((row) => row.tenant)),
          Effect.mapError(toStoreError("Listing tenants"))
        )
      })
    })
  )
