/** As-of reads wait for the commits in progress, so that an answer given once never changes. */
import type { Instant } from "@refold/core"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Named } from "../Database.ts"
import { sqlState } from "../PostgresFailure.ts"

/**
 * Waits for the commits in progress in a partition, or in all: they may have been stamped `until` or earlier, and not
 * be visible yet. Later commits are stamped later, also if `until` is this very millisecond or the next: the query
 * sleeps until that is over, within its condition, so that it takes the locks afterwards.
 *
 * **Gotchas**
 *
 * A session that is read-only, or whose role may not update partitions, cannot wait. There the answer for the last
 * instants is provisional.
 */
export const awaitWriters = (
  { sql, tables: { partitions } }: Named,
  { partition, until }: { readonly until: Instant.Instant; readonly partition?: number }
) =>
  sql`
    select from ${partitions}
     where ${partition === undefined ? sql`true` : sql`partition = ${partition}`}
       and (select pg_sleep(least(0.002, extract(epoch from
             ${until}::timestamptz + interval '1 millisecond' - clock_timestamp())))) is not null
     order by partition for share`.pipe(
    Effect.catchIf(cannotLock, () => Effect.void),
    Effect.asVoid
  )

/** Whether the role may not lock rows, or the transaction is read-only (25006). */
const cannotLock = (error: SqlError): boolean =>
  error.reason._tag === "AuthorizationError" || sqlState(error) === "25006"
