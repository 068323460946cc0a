/** The embedded store: PostgreSQL in this process, in memory or in a directory, through the same code as a server. */
import { PGlite } from "@electric-sql/pglite"
import { PgClient } from "@effect/sql-pg"
import { StoreError } from "@refold/core"
import { Effect, Layer } from "effect"
import { join } from "node:path"
import { PostgresStore } from "../postgres/index.ts"
import { toStoreError } from "../postgres/PostgresFailure.ts"
import * as DirectoryLock from "./DirectoryLock.ts"
import { PgliteSocket } from "./PgliteSocket.ts"

export interface PgliteOptions {
  /** Where the data is stored. Without it the data is in memory, and gone with the process. */
  readonly dataDir?: string
}

/**
 * A client of the embedded database.
 *
 * **Details**
 *
 * It has one connection: a caller in a transaction must not wait for a query outside of it.
 *
 * **Errors**
 *
 * `StoreError` if another process holds the directory, or if it cannot be opened.
 */
export const layerClient = (options: PgliteOptions = {}) =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const { dataDir } = options
      if (dataDir !== undefined) yield* DirectoryLock.acquire(dataDir)
      const database = yield* Effect.acquireRelease(
        Effect.tryPromise({
          try: () => PGlite.create(dataDir === undefined ? {} : { dataDir: join(dataDir, "pgdata") }),
          catch: (cause) =>
            new StoreError({
              operation: "Opening the embedded database",
              reason: { _tag: "Unavailable", isRetryable: false, detail: dataDir ?? "in memory", cause }
            })
        }),
        (opened) => Effect.promise(() => opened.close())
      )
      return yield* Effect.mapError(
        PgClient.make({
          stream: () => new PgliteSocket(database),
          username: "postgres",
          database: "postgres",
          maxConnections: 1
        }),
        toStoreError("Connecting to the embedded database")
      )
    })
  )

/** Every port, over an embedded database with the schema applied. */
export const layer = (options: PgliteOptions = {}) =>
  PostgresStore.layerMigrated().pipe(Layer.provide(layerClient(options)))
