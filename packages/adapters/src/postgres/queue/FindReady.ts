/** Finds executions whose next event is pending and due. */
import type { ExecutionRef, WorkflowEventProcessingModel, WorkflowRef } from "@refold/core"
import { Effect } from "effect"
import { ints, texts } from "../Arrays.ts"
import type { Database } from "../Database.ts"
import { toStoreError } from "../PostgresFailure.ts"

type Port = WorkflowEventProcessingModel["Service"]

interface RefRow {
  readonly tenant: string
  readonly execution_id: string
}

/** Unclaimed events that one call looks at; it finds the others once these are done. */
const maxUnclaimed = 10_000

export const findReady = (
  database: Database,
  { except, limitPerTenant, of }: Parameters<Port["findReady"]>[0]
): ReturnType<Port["findReady"]> =>
  (of === "unclaimed" ? readyUnclaimed(database, limitPerTenant, except) : readyOf(database, of, limitPerTenant)).pipe(
    Effect.map((rows) => rows.map((row): ExecutionRef => ({ tenant: row.tenant, executionId: row.execution_id }))),
    Effect.mapError(toStoreError("Looking for work"))
  )

/**
 * Jumps from tenant to tenant, and from execution to execution, along the index of pending events. So it costs as many
 * look-ups as there are executions, however long their queues are.
 */
const readyOf = ({ sql, tables }: Database, partitions: ReadonlyArray<number>, limitPerTenant: number) => {
  const { executions, queue } = tables
  return sql<RefRow>`
    with recursive pair as (
      select p.partition, first.tenant from unnest(${ints(partitions)}) as p (partition)
       cross join lateral (
         select q.tenant from ${queue} q
          where q.status = 'Pending' and q.partition = p.partition order by q.tenant limit 1
       ) first
      union all
      select pair.partition, following.tenant from pair
       cross join lateral (
         select q.tenant from ${queue} q
          where q.status = 'Pending' and q.partition = pair.partition and q.tenant > pair.tenant
          order by q.tenant limit 1
       ) following
    )
    select pair.tenant, ready.execution_id from pair
     cross join lateral (
       with recursive head as (
         (select q.execution_id, q.queue_position, q.due_at, q.is_unclaimed from ${queue} q
           where q.status = 'Pending' and q.partition = pair.partition and q.tenant = pair.tenant
           order by q.execution_id, q.queue_position limit 1)
         union all
         select following.* from head
          cross join lateral (
            select q.execution_id, q.queue_position, q.due_at, q.is_unclaimed from ${queue} q
             where q.status = 'Pending' and q.partition = pair.partition and q.tenant = pair.tenant
               and q.execution_id > head.execution_id
             order by q.execution_id, q.queue_position limit 1
          ) following
       )
       select head.execution_id from head
        cross join lateral (
          select e.settled_count from ${executions} e
           where e.tenant = pair.tenant and e.execution_id = head.execution_id limit 1
        ) e
        where not head.is_unclaimed and (head.due_at is null or head.due_at <= clock_timestamp())
          and e.settled_count = head.queue_position - 1
        limit ${limitPerTenant}
     ) ready`
}

/** By the index of unclaimed events, of all partitions. */
const readyUnclaimed = ({ sql, tables }: Database, limitPerTenant: number, except: ReadonlyArray<WorkflowRef>) =>
  sql<RefRow>`
    select tenant, execution_id from (
      select q.tenant, q.execution_id, row_number() over (partition by q.partition, q.tenant) as nth
        from (
          select * from ${tables.queue} where is_unclaimed order by partition, tenant, execution_id limit ${maxUnclaimed}
        ) q
        cross join lateral (
          select workflow_name, workflow_version from ${tables.executions}
           where tenant = q.tenant and execution_id = q.execution_id and settled_count = q.queue_position - 1 limit 1
        ) e
       where q.status = 'Pending' and (q.due_at is null or q.due_at <= clock_timestamp())
         and not exists (
           select from unnest(${texts(except.map((ref) => ref.name))}, ${ints(except.map((ref) => ref.version))})
             as excepted (name, version)
            where excepted.name = e.workflow_name and excepted.version = e.workflow_version
         )
    ) found where nth <= ${limitPerTenant}`
