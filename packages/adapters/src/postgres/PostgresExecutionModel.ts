/** Headers in PostgreSQL. */
import { type StoreError, WorkflowExecutionModel } from "@refold/core"
import { Array, Effect, Layer, Option, Stream } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { texts } from "./Arrays.ts"
import * as Database from "./Database.ts"
import { awaitWriters } from "./events/AwaitWriters.ts"
import { type HeaderRow, headerColumns, toHeader } from "./executions/HeaderRow.ts"
import { pages } from "./Pages.ts"
import { isInState } from "./PlannerHints.ts"
import { toStoreError } from "./PostgresFailure.ts"
import type { SchemaOptions } from "./PostgresSchema.ts"

type Port = WorkflowExecutionModel["Service"]

export const layer = (options: SchemaOptions) =>
  Layer.effect(
    WorkflowExecutionModel,
    Effect.map(Database.name(options), (tables) =>
      WorkflowExecutionModel.of({
        find: (ref) => find(tables, ref),
        findMany: (wanted) => findMany(tables, wanted),
        list: (filter) => list(tables, filter),
        tenants: tenants(tables)
      })
    )
  )

const columns = headerColumns.join(", ")

const find = (
  { sql, tables: { executions } }: Database.Named,
  { executionId, tenant }: Parameters<Port["find"]>[0]
): ReturnType<Port["find"]> =>
  sql<HeaderRow>`
    select ${sql.literal(columns)} from ${executions} where tenant = ${tenant} and execution_id = ${executionId}`.pipe(
    Effect.map((rows) => Option.map(Array.head(rows), toHeader)),
    Effect.mapError(toStoreError("Finding an execution"))
  )

/**
 * One look-up by key for each id: a plan kept from when the table was small would read all of the tenant's executions.
 */
const findMany = (
  { sql, tables: { executions } }: Database.Named,
  { executionIds, tenant }: Parameters<Port["findMany"]>[0]
): ReturnType<Port["findMany"]> =>
  sql<HeaderRow>`
    select ${sql.literal(columns)} from (select distinct * from unnest(${texts(executionIds)})) as wanted (id)
     cross join lateral (
       select * from ${executions} where tenant = ${tenant} and execution_id = wanted.id limit 1
     ) as header`.pipe(
    Effect.map((rows) => rows.map(toHeader)),
    Effect.mapError(toStoreError("Finding executions"))
  )

const defaultBatchSize = 1000

interface Page {
  readonly tenant: string
  readonly state: string | undefined
  readonly batchSize: number
  readonly after: string
}

const list = (
  database: Database.Named,
  { asOf, batchSize = defaultBatchSize, state, tenant }: Parameters<Port["list"]>[0]
): ReturnType<Port["list"]> => {
  const all = (page: (options: Page) => Effect.Effect<ReadonlyArray<HeaderRow>, SqlError>) =>
    pages({
      first: "",
      batchSize,
      page: (after) => page({ tenant, state, batchSize, after }),
      next: (row) => row.execution_id
    })
  const rows =
    asOf === undefined
      ? all((page) => pageNow(database, page))
      : Stream.unwrap(
          Effect.as(
            awaitWriters(database, { until: asOf }),
            all((page) => pageAsOf(database, page, asOf))
          )
        ).pipe(Stream.filter((row) => state === undefined || row.current_state === state))
  return rows.pipe(Stream.map(toHeader), Stream.mapError(toStoreError("Listing executions")))
}

const pageNow = ({ sql, tables: { executions } }: Database.Named, { after, batchSize, state, tenant }: Page) =>
  state === undefined
    ? sql<HeaderRow>`
        select ${sql.literal(columns)} from ${executions}
         where tenant = ${tenant} and execution_id > ${after} order by execution_id limit ${batchSize}`
    : sql<HeaderRow>`
        select ${sql.literal(columns)} from ${executions}
         where ${isInState(sql, { tenant, state, after })}
         order by execution_id || '' limit ${batchSize}`

/**
 * The headers as they were. Nothing follows completion, so only an execution's last event can be the one that completed
 * it. The page is cut before the events are looked up, because each execution in it has one at the instant.
 */
const pageAsOf = (
  { sql, tables: { events, executions } }: Database.Named,
  { after, batchSize, tenant }: Page,
  asOf: string
) => sql<HeaderRow>`
  select e.tenant, e.execution_id, e.workflow_name, e.workflow_version, last.to_state as current_state,
         last.position, e.is_complete and last.position = e.position as is_complete, e.started_at,
         last.created_at as updated_at
    from (
      select * from ${executions}
       where tenant = ${tenant} and execution_id > ${after} and started_at <= ${asOf}::timestamptz
       order by execution_id limit ${batchSize}
    ) e
    cross join lateral (
      select to_state, position, created_at from ${events}
       where tenant = e.tenant and execution_id = e.execution_id and created_at <= ${asOf}::timestamptz
       order by position desc limit 1
    ) last
   order by e.execution_id`

/** Jumps from tenant to tenant along the key, however many executions each has. */
const tenants = ({ sql, tables: { executions } }: Database.Named): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  sql<{ tenant: string }>`
    with recursive each as (
      (select tenant from ${executions} order by tenant limit 1)
      union all
      select (select e.tenant from ${executions} e where e.tenant > each.tenant order by e.tenant limit 1)
        from each where each.tenant is not null
    ) select tenant from each where tenant is not null`.pipe(
    Effect.map((rows) => rows.map((row) => row.tenant)),
    Effect.mapError(toStoreError("Listing tenants"))
  )
