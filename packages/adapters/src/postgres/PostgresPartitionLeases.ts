/** Leases in PostgreSQL, by its clock. */
import { Lease, PartitionLeases } from "@refold/core"
import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"
import { ints } from "./Arrays.ts"
import { instantText } from "./InstantText.ts"
import { type SchemaOptions, checkSchema, tables } from "./PostgresSchema.ts"
import { toStoreError } from "./SqlFailure.ts"

interface LeaseRow {
  readonly partition: number
  readonly owner: string
  readonly epoch: bigint
  readonly expires_at: Date
}

const toLease = (row: LeaseRow): Lease.Lease => ({
  partition: row.partition,
  owner: row.owner,
  epoch: Number(row.epoch),
  expiresAt: instantText(row.expires_at)
})

/**
 * The leases of one schema, which must have been migrated.
 *
 * **Details**
 *
 * The row of a partition outlives its lease, so that its epoch goes on: a lease that was given back expired long ago.
 * All that a worker holds expires with the worker's own row.
 *
 * **Errors**
 *
 * `StoreError` when the schema is missing, older or newer than this version of Refold.
 */
export const layer = (options: SchemaOptions) =>
  Layer.effect(
    PartitionLeases,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const partitionCount = yield* checkSchema(options)
      const { leases, workers } = tables(sql, options)
      // Unlike now(), not the start of the transaction, which may lie long before the lock was got; and unlike
      // clock_timestamp(), the same in all of a statement.
      const now = sql.literal("statement_timestamp()")

      // The lock is the only one that is waited for, so there is no deadlock, and keeps nobody from reading. Neither
      // statement takes a snapshot: what follows sees what the last holder wrote, whatever the isolation level. A holder
      // that freezes, or loses its network, is cut off, since nobody could take over from it otherwise.
      const oneAfterAnother = <A, E>(effect: Effect.Effect<A, E>) =>
        sql`set local idle_in_transaction_session_timeout = '2s'`.pipe(
          Effect.andThen(sql`lock table ${workers} in share row exclusive mode`),
          Effect.andThen(effect),
          sql.withTransaction,
          // A lost connection cannot roll back either, for which the client dies: no bug of ours, and worth trying again.
          Effect.catchDefect((defect) => (isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)))
        )

      /** Tells that the worker is alive; the leases of all, and the other workers, as rows without a partition. */
      const enrol = (workerId: string, duration: Duration.Duration) =>
        sql<{ owner: string; partition: number | null }>`
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

      const hold = (workerId: string, partitions: ReadonlyArray<number>) =>
        sql<LeaseRow>`
          with given_back as (
            update ${leases} set expires_at = '-infinity'
             where owner = ${workerId} and expires_at > '-infinity' and partition <> all (${ints(partitions)})
          )
          insert into ${leases} as l (partition, owner, epoch, expires_at)
          select p, w.worker_id, 1, w.expires_at
            from ${workers} w, unnest(${ints(partitions)}) as p
           where w.worker_id = ${workerId}
          on conflict (partition) do update
            set owner = excluded.owner, epoch = l.epoch + (l.owner <> excluded.owner)::int, expires_at = excluded.expires_at
          returning l.partition, l.owner, l.epoch, l.expires_at`

      return PartitionLeases.of({
        renew: ({ duration, workerId }) =>
          Effect.gen(function* () {
            const rows = yield* enrol(workerId, duration)
            const share = Lease.share({
              workerId,
              workers: rows.flatMap((row) => (row.partition === null ? row.owner : [])),
              leases: rows.flatMap(({ owner, partition }) => (partition === null ? [] : { owner, partition })),
              partitionCount
            })
            const held = yield* hold(workerId, share)
            return held.map(toLease).toSorted((left, right) => left.partition - right.partition)
          }).pipe(oneAfterAnother, Effect.mapError(toStoreError("Renewing the leases"))),
        release: (workerId) =>
          sql`
            with forgotten as (
              delete from ${workers} where worker_id = ${workerId}
            )
            update ${leases} set expires_at = '-infinity'
             where owner = ${workerId} and expires_at > '-infinity'`.pipe(
            oneAfterAnother,
            Effect.asVoid,
            Effect.mapError(toStoreError("Releasing the leases"))
          ),
        list: sql<LeaseRow>`
          select partition, owner, epoch, expires_at from ${leases} where expires_at > ${now} order by partition`.pipe(
          Effect.map((rows) => rows.map(toLease)),
          Effect.mapError(toStoreError("Listing the leases"))
        )
      })
    })
  )
