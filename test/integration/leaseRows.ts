/** The leases in the table of a PostgreSQL store. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/** Leases that have not expired by the server's clock, by partition. */
export const leaseRows = (schema: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ partition: number; owner: string; expires_at: Date }>`
      select partition, owner, expires_at from ${sql(`${schema}.leases`)}
       where expires_at > clock_timestamp() order by partition`
    return rows.map((row) => ({
      partition: row.partition,
      owner: row.owner,
      expiresAt: row.expires_at.toISOString()
    }))
  })
