import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** The number that the next transaction that writes will have: of two moments, it tells how many wrote between them. */
export const nextTransaction = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(sql<{ id: string }>`select pg_snapshot_xmax(pg_current_snapshot())::text as id`, ([row]) =>
    Number(row?.id)
  )
)
