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
 * The ports over one schema, which must have been migrated: a process that serves need not own the tables.
 *
 * **Errors**
 *
 * `StoreError` when the schema is missing, older or newer than this version of Refold, or cannot have the name.
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
 * Our statements take arrays, of which a plan made anew would know the lengths: that costs more than it gains. None runs for
 * long enough to be worth compiling, though a plan for arrays of any length looks like it. And each look-up has its index:
 * a plan that was made while a table was small would read all of it ever after.
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
 * Its sessions keep their plans and prefer indexes, as suits the statements of the store. Reports that read whole tables
 * are better off with a client of their own.
 *
 * **Errors**
 *
 * `StoreError` when the server cannot be reached or refuses the user, the password or the name of the database.
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

/** The same, after the migrations. */
export const layerMigrated = (options: SchemaOptions & { readonly partitionCount?: number } = {}) =>
  layerWith(options).pipe(Layer.provide(Layer.effectDiscard(migrate(options))))
