/** Headers in SQLite, now and as of an instant. */
import { ExecutionHeader, WorkflowExecutionModel } from "@refold/core"
import { Array, Effect, Schema, Stream } from "effect"
import { SqliteDatabase, type Statements, pages } from "./SqliteDatabase.ts"

export const Header = Schema.fromJsonString(ExecutionHeader)

export const make = Effect.gen(function* () {
  const { read } = yield* SqliteDatabase
  return WorkflowExecutionModel.of({
    find: ({ executionId, tenant }) => {
      const one = (sql: Statements) => sql.all(Header)`
        select record from executions where tenant = ${tenant} and execution_id = ${executionId}`
      return Effect.map(read("Finding an execution", one), Array.head)
    },
    findMany: ({ executionIds, tenant }) => {
      const many = (sql: Statements) => sql.all(Header)`
        select record from executions
         where tenant = ${tenant} and execution_id in (select value from json_each(${JSON.stringify(executionIds)}))`
      return read("Finding executions", many)
    },
    list: ({ asOf, batchSize = 1000, state, tenant }) =>
      pages(batchSize, (last: ExecutionHeader | undefined) => {
        const after = last?.executionId ?? ""
        const now = (sql: Statements) => sql.all(Header)`
          select record from executions where tenant = ${tenant} and execution_id > ${after}
           order by execution_id limit ${batchSize}`
        // A complete execution gets no more events, so only its last event can have completed it.
        const past = (sql: Statements) => sql.all(Header)`
          select json_set(x.record, '$.currentState', e.record ->> 'to_state', '$.position', e.position,
                   '$.updatedAt', e.created_at,
                   '$.isComplete', json(iif(e.position = x.record ->> 'position', x.record -> 'isComplete', 'false')))
            from executions x join events e using (tenant, execution_id)
           where tenant = ${tenant} and execution_id > ${after}
             and e.position = (select max(position) from events
                                where tenant = x.tenant and execution_id = x.execution_id and created_at <= ${asOf ?? ""})
           order by execution_id limit ${batchSize}`
        return read("Listing executions", asOf === undefined ? now : past, asOf)
      }).pipe(Stream.filter(({ currentState }) => state === undefined || currentState === state)),
    tenants: read(
      "Listing tenants",
      (sql) => sql.all(Schema.String)`select distinct tenant from executions order by tenant`
    )
  })
})
