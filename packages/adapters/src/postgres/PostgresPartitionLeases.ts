/** Leases in PostgreSQL, by its clock. */
import { Lease, PartitionLeases } from "@refold/core"
import { Duration, Effect, Layer } from "effect"
import { isSqlError } from "effect/sql/SqlError"
import { ints } from "./Arrays.ts"
import * as Database from "./Database.ts"
import { instantText } from "./InstantText.ts"
import { toStoreError } from "./PostgresFailure.ts"
import type { SchemaOptions } from "./PostgresSchema.ts"

/**
 * The leases of one schema, which must have been migrated.
 *
 * **Details**
 *
 * The row of a partition outlives its lease: a lease that was given back is one that expired long ago. All that a
 * worker holds expires with the worker's own row.
 *
 * **Errors**
 *
 * `StoreError` if the schema is missing, or is older or newer than this version of Refold.
 */
export const layer = (options: SchemaOptions) =>
  Layer.effect(
    PartitionLeases,
    Effect.map(Database.open(options), (database) =>
      PartitionLeases.of({
        renew: (renewal) =>
          oneAtATime(database, renew(database, renewal)).pipe(Effect.mapError(toStoreError("Renewing the leases"))),
        release: (workerId) =>
          oneAtATime(database, release(database, workerId)).pipe(
            Effect.asVoid,
            Effect.mapError(toStoreError("Releasing the leases"))
          )
      })
    )
  )

/**
 * Runs renewals and releases one after another, also those of other processes.
 *
 * **Details**
 *
 * The lock on the table of workers is the only one that anybody waits for, so there is no deadlock; and it keeps nobody
 * from reading. Neither statement takes a snapshot: the statements that follow see what the last holder wrote, at any
 * isolation level. The server cuts off a holder that freezes or loses its network, since nobody could take over from it
 * otherwise.
 */
const oneAtATime = <A, E>({ sql, tables: { workers } }: Database.Database, effect: Effect.Effect<A, E>) =>
  sql`set local idle_in_transaction_session_timeout = '2s'`.pipe(
    Effect.andThen(sql`lock table ${workers} in share row exclusive mode`),
    Effect.andThen(effect),
    sql.withTransaction,
    // A lost connection cannot roll back, for which the client dies: that is no bug, and worth a retry.
    Effect.catchDefect((defect) => (isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)))
  )

const renew = Effect.fnUntraced(function* (
  database: Database.Database,
  { duration, workerId }: Parameters<PartitionLeases["Service"]["renew"]>[0]
) {
  const rows = yield* enrol(database, workerId, duration)
  const share = Lease.share({
    workerId,
    workers: rows.flatMap((row) => (row.partition === null ? row.owner : [])),
    leases: rows.flatMap(({ owner, partition }) => (partition === null ? [] : { owner, partition })),
    partitionCount: database.partitionCount
  })
  const held = yield* hold(database, workerId, share)
  return held.map(toLease).toSorted((left, right) => left.partition - right.partition)
})

/**
 * The clock of all statements here. Unlike now(), it is not the start of the transaction, which may lie long before the
 * lock was taken; unlike clock_timestamp(), it is the same throughout a statement.
 */
const clock = "statement_timestamp()"

/** Records that the worker is alive. Returns the leases of all, and each living worker as a row without a partition. */
const enrol = ({ sql, tables }: Database.Database, workerId: string, duration: Duration.Duration) => {
  const { leases, workers } = tables
  const now = sql.literal(clock)
  return sql<{ owner: string; partition: number | null }>`
    with pruned as (
      delete from ${workers} where expires_at <= ${now} and worker_id <> ${workerId}
    ), enrolled as (
      insert into ${workers} (worker_id, expires_at)
      values (${workerId}, ${now} + make_interval(secs => ${Duration.toSeconds(duration)}::float8))
      on conflict (worker_id) do update set expires_at = excluded.expires_at
    )
    select worker_id as owner, null::int as partition from ${workers} where expires_at > ${now}
     union all
    select owner, partition from ${leases} where expires_at > ${now}`
}

interface LeaseRow {
  readonly partition: number
  readonly owner: string
  readonly expires_at: Date
}

const toLease = (row: LeaseRow): Lease.Lease => ({
  partition: row.partition,
  owner: row.owner,
  expiresAt: instantText(row.expires_at)
})

/** Takes these partitions, until the worker's own row expires, and gives back all others. */
const hold = ({ sql, tables }: Database.Database, workerId: string, partitions: ReadonlyArray<number>) => {
  const { leases, workers } = tables
  return sql<LeaseRow>`
    with given_back as (
      update ${leases} set expires_at = '-infinity'
       where owner = ${workerId} and expires_at > '-infinity' and partition <> all (${ints(partitions)})
    )
    insert into ${leases} as l (partition, owner, expires_at)
    select p, w.worker_id, w.expires_at
      from ${workers} w, unnest(${ints(partitions)}) as p
     where w.worker_id = ${workerId}
    on conflict (partition) do update set owner = excluded.owner, expires_at = excluded.expires_at
    returning l.partition, l.owner, l.expires_at`
}

const release = ({ sql, tables: { leases, workers } }: Database.Database, workerId: string) => sql`
  with forgotten as (
    delete from ${workers} where worker_id = ${workerId}
  )
  update ${leases} set expires_at = '-infinity'
   where owner = ${workerId} and expires_at > '-infinity'`
