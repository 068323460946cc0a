/** Requirements of a run on its machine and its servers, checked before it measures. */
import { statfs } from "node:fs/promises"
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os"
import { PostgresStore } from "@refold/adapters/postgres"
import { Effect, Redacted, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Redis } from "ioredis"

/** The run cannot start; nothing was seeded. */
export class DiskTooSmall extends Schema.TaggedError<DiskTooSmall>()("DiskTooSmall", {
  folder: Schema.String,
  freeGiB: Schema.Number,
  neededGiB: Schema.Number
}) {
  override get message(): string {
    return `These figures need ${this.neededGiB} GiB in ${this.folder}, where ${this.freeGiB.toFixed(1)} are free: free some, set TMPDIR to a larger disk, or choose figures with --only`
  }
}

/** The server that a variable names cannot be used. */
export class ServerUnusable extends Schema.TaggedError<ServerUnusable>()("ServerUnusable", {
  variable: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const { cause, variable } = this
    return `The server of ${variable} cannot be used (${cause instanceof Error ? cause.message : String(cause)}): correct it, or unset it, and the run starts its own`
  }
}

const bytesPerGiB = 1024 ** 3

/** Fails unless a private server has room for the data that these figures seed. */
export const checkDisk = Effect.fnUntraced(function* (neededGiB: number) {
  const folder = tmpdir()
  const { bavail, bsize } = yield* Effect.promise(() => statfs(folder))
  const freeGiB = (bavail * bsize) / bytesPerGiB
  if (freeGiB < neededGiB) return yield* new DiskTooSmall({ folder, freeGiB, neededGiB })
})

/** A sentence for each property of a given server that affects the figures. */
const describePostgres = (url: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [found] = yield* sql<{ tables: number; sessions: number; version: string }>`
      select
        (select count(*)::int from pg_stat_user_tables where schemaname not like 'refold\\_bench\\_%') as tables,
        (select count(*)::int from pg_stat_activity
          where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name <> 'refold') as sessions,
        current_setting('server_version') as version`
    const { sessions = 0, tables = 0 } = found ?? {}
    return [
      ...(tables === 0
        ? []
        : [
            `The database of DATABASE_URL is not empty (tables: ${tables}): this run works beside them, in schemas of its own that begin with refold_bench_, and shares the server's memory with them`
          ]),
      ...(sessions === 0
        ? []
        : [
            `The server of DATABASE_URL has others to serve (sessions: ${sessions}): what they do shows in the figures, in ours and in the reference alike`
          ])
    ]
  }).pipe(
    Effect.provide(PostgresStore.layerClient({ url: Redacted.make(url), maxConnections: 1 })),
    Effect.mapError((cause) => new ServerUnusable({ variable: "DATABASE_URL", cause }))
  )

const describeRedis = (url: string) =>
  Effect.gen(function* () {
    const unusable = (cause: unknown) => new ServerUnusable({ variable: "REDIS_URL", cause })
    // One attempt only: without a listener the driver prints every error, and its defaults retry for long.
    let refusal: unknown
    const redis = yield* Effect.acquireRelease(
      Effect.try({ try: () => new Redis(url, { lazyConnect: true, retryStrategy: null }), catch: unusable }),
      (opened) => Effect.sync(() => opened.disconnect())
    )
    redis.on("error", (error) => {
      refusal ??= error
    })
    const keyCount = yield* Effect.tryPromise({
      try: () => redis.connect().then(() => redis.dbsize()),
      catch: (cause) => unusable(refusal ?? cause)
    })
    return keyCount === 0
      ? []
      : [
          `The Redis of REDIS_URL is not empty (keys: ${keyCount}): this run works beside them, under names that hold refold_bench_, and shares the server with them`
        ]
  }).pipe(Effect.scoped)

/** The effect of this machine's cores on the figures, if there is one. */
export const describeCores = (coreCount: number): ReadonlyArray<string> =>
  coreCount > 1
    ? []
    : [
        "This machine has one core, on which workers and servers take turns: the figures of many fibers and of `workers` say how they share it, not how fast they are"
      ]

/** Checks the requirements of the chosen runs; returns a sentence for each property that affects their figures. */
export const check = Effect.fnUntraced(function* (neededGiB: number) {
  const { DATABASE_URL: databaseUrl = "", REDIS_URL: redisUrl = "" } = process.env
  if (neededGiB > 0 && databaseUrl === "") yield* checkDisk(neededGiB)
  return [
    ...describeCores(availableParallelism()),
    ...(neededGiB === 0 || databaseUrl === "" ? [] : yield* describePostgres(databaseUrl)),
    ...(neededGiB === 0 || redisUrl === "" ? [] : yield* describeRedis(redisUrl))
  ]
})

/** The machine in one line. */
export const summary = (): string =>
  `${cpus()[0]?.model.trim() ?? "unknown processor"}, ${availableParallelism()} cores, ${Math.round(totalmem() / bytesPerGiB)} GiB, ${process.platform} ${process.arch}, Node ${process.versions.node}`
