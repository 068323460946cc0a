import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** The id of the next writing transaction. The difference between two moments is the number of writing transactions between. */
export const nextTransaction = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ id: string }>`select pg_snapshot_xmax(pg_current_snapshot())::text as id`, ([row]) =>
    Number(row?.id)
  )
)
