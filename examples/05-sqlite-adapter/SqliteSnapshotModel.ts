/** Snapshots in SQLite. */
import { Snapshot, WorkflowSnapshotModel } from "@refold/core"
import { Array, Effect, Schema } from "effect"
import { SqliteDatabase, type Statements, endOfTime, pages } from "./SqliteDatabase.ts"

const Stored = Schema.fromJsonString(Snapshot.Snapshot)

export const make = Effect.gen(function* () {
  const { read, write } = yield* SqliteDatabase
  return WorkflowSnapshotModel.of({
    find: ({ executionId, fingerprint, tenant, to = Infinity, until = endOfTime }) => {
      const best = (sql: Statements) => sql.all(Stored)`
        select record from snapshots
         where tenant = ${tenant} and execution_id = ${executionId} and position <= ${to} and updated_at <= ${until}
         order by fingerprint = ${fingerprint} desc, position desc limit 1`
      return Effect.map(read("Finding a snapshot", best), Array.head)
    },
    positions: ({ executionId, tenant }) => {
      const all = (sql: Statements) => sql.all(Schema.Int)`
        select position from snapshots where tenant = ${tenant} and execution_id = ${executionId} order by position`
      return read("Listing snapshots", all)
    },
    save: ({ prune, snapshot }) =>
      write("Storing a snapshot", (sql) => {
        const { execution_id: id, fingerprint, position, tenant, updated_at: updatedAt } = snapshot
        sql.run`delete from snapshots where tenant = ${tenant} and execution_id = ${id}
          and position in (select value from json_each(${JSON.stringify(prune)}))`
        sql.run`insert or replace into snapshots
          values (${tenant}, ${id}, ${position}, ${fingerprint}, ${updatedAt}, ${JSON.stringify(snapshot)})`
      }),
    readTenant: ({ batchSize = 100, fromExecutionId = "", tenant, toExecutionId = null }) =>
      pages(batchSize, (last: Snapshot.Snapshot | undefined) => {
        const page = (sql: Statements) => sql.all(Stored)`
          select record from snapshots
           where tenant = ${tenant} and (${toExecutionId} is null or execution_id <= ${toExecutionId})
             and (execution_id, position) > (${last?.execution_id ?? fromExecutionId}, ${last?.position ?? 0})
           order by execution_id, position limit ${batchSize}`
        return read("Reading snapshots", page)
      }),
    clear: ({ executionId = null, tenant }) => {
      const remove = (sql: Statements) => sql.run`
        delete from snapshots where tenant = ${tenant} and (${executionId} is null or execution_id = ${executionId})`
      return write("Removing snapshots", remove)
    }
  })
})
