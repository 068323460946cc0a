/** A store in PostgreSQL: every port, over an `SqlClient` that the caller provides. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, type Redacted } from "effect"
import * as PostgresEventModel from "./PostgresEventModel.ts"
import * as PostgresEventProcessingModel from "./PostgresEventProcessingModel.ts"
import * as PostgresExecutionModel from "./PostgresExecutionModel.ts"
import * as PostgresPartitionLeases from "./PostgresPartitionLeases.ts"
import { type SchemaOptions, migrate } from "./PostgresSchema.ts"
import * as PostgresSnapshotModel from "./PostgresSnapshotModel.ts"
import { toStoreError } from "./PostgresFailure.ts"

export { type SchemaOptions, isSchemaName, migrate } from "./PostgresSchema.ts"

/**
 * The ports over one schema, which must have been migrated: a process that uses the tables need not own them.
 *
 * **Errors**
 *
 * `StoreError` if the schema is missing, is older or newer than this version of Refold, or cannot have the name.
 */
export const layerWith = (options: SchemaOptions) =>
  Layer.mergeAll(
    PostgresEventModel.layer(options),
    PostgresSnapshotModel.layer(options),
    PostgresExecutionModel.layer(options),
    PostgresEventProcessingModel.layer(options),
    PostgresPartitionLeases.layer(options)
  )

/** The ports over the schema `refold`. */
export const layer = layerWith({})

/**
 * Generic plans, because planning each call costs more than a plan that knows the lengths of the arrays gains. No JIT,
 * because no statement runs long enough, although a plan for arrays of any length looks as if it did. Index scans only,
 * because each look-up has its index, and a plan that was made while a table was small would read all of it for ever.
 */
const startupParameters = {
  plan_cache_mode: "force_generic_plan",
  jit: "off",
  enable_seqscan: "off",
  enable_bitmapscan: "off"
}

/**
 * A client of a server: a pool of at most 10 connections by default.
 *
 * **Gotchas**
 *
 * Its sessions keep their plans and prefer indexes, which suits the statements of the store. Use another client for
 * reports that read whole tables.
 *
 * **Errors**
 *
 * `StoreError` if the server cannot be reached, or refuses the user, the password or the name of the database.
 */
export const layerClient = (options: { readonly url: Redacted.Redacted; readonly maxConnections?: number }) =>
  PgClient.layerFrom(
    Effect.mapError(
      PgClient.make({
        applicationName: "refold",
        startupParameters,
        ...options
      }),
      toStoreError("Connecting to the database")
    )
  )

/** The ports over one schema, which is migrated first. */
export const layerMigrated = (options: SchemaOptions & { readonly partitionCount?: number } = {}) =>
  layerWith(options).pipe(Layer.provide(Layer.effectDiscard(migrate(options))))
