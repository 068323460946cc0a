import { assert, describe, inject, it, layer } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import { PostgresStore } from "@refold/adapters/postgres"
import {
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Effect, Layer, Redacted, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { commitOf, snapshotOf } from "./commits.ts"
import { dropped, layerClient, ownSchema, uniqueName } from "./ownSchema.ts"

const { layer: store, schema } = ownSchema("schema", { maxConnections: 4, partitionCount: 4 })

layer(store, { excludeTestServices: true })("append-only, as the owner of the table", (it) => {
  for (const statement of [
    "update events set to_state = 'forged'",
    "update events set tenant = tenant",
    "delete from events",
    "delete from events where position = 2",
    "truncate events",
    "truncate executions cascade",
    "truncate partitions cascade",
    "insert into events select * from events on conflict (tenant, event_id) do update set to_state = 'forged'",
    `merge into events e using events f on e.event_id = f.event_id and e.tenant = f.tenant
      when matched then update set to_state = 'forged'`,
    "with gone as (delete from events returning *) select * from gone"
  ]) {
    it.effect(`${statement.replaceAll(/\s+/g, " ")}: refused, and every row is as before`, () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const model = yield* WorkflowEventModel
        const tenant = uniqueName("tenant")
        yield* model.commit([commitOf({ tenant, executionId: "one" }, 0, ["1", "2", "3"])])
        const before = yield* sql`select * from ${sql(`${schema}.events`)} order by tenant, execution_id, position`
        const error = yield* sql
          .withTransaction(
            Effect.andThen(sql`select set_config('search_path', ${schema}, true)`, sql.unsafe(statement))
          )
          .pipe(Effect.flip)
        assert.match(String(error.reason.cause), /(events|executions|partitions) are kept: /)
        const after = yield* sql`select * from ${sql(`${schema}.events`)} order by tenant, execution_id, position`
        assert.isAbove(before.length, 2)
        assert.deepStrictEqual(after, before)
      })
    )
  }
})

layer(store, { excludeTestServices: true })("keys and indexes", (it) => {
  it.effect("begin with tenant, but for what runs across tenants and tables that know none", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const indexes = yield* sql<{ name: string; columns: ReadonlyArray<string> }>`
        select i.relname as name,
               (select array_agg(pg_get_indexdef(x.indexrelid, place, false) order by place)
                  from generate_series(1, x.indnkeyatts) as place) as columns
          from pg_index x
          join pg_class i on i.oid = x.indexrelid
         where i.relnamespace = ${schema}::regnamespace
         order by name`
      const exceptions = indexes.filter(({ columns }) => columns[0] !== "tenant")
      assert.deepStrictEqual(
        exceptions.map(({ columns, name }) => `${name} (${columns.join(", ")})`),
        [
          'events_by_offset (partition, "offset")',
          "executions_by_state ((((tenant || ' '::text) || current_state)), ((execution_id || ''::text)))",
          "leases_pkey (partition)",
          "migrations_pkey (migration_id)",
          "partitions_pkey (partition)",
          "queue_by_processing_id ((((tenant || ' '::text) || processing_id)))",
          "queue_pending (partition, tenant, execution_id, queue_position)",
          "queue_unclaimed (partition, tenant, execution_id)",
          "workers_pkey (worker_id)"
        ]
      )
      assert.isAbove(indexes.length, 12)
    })
  )

  it.effect("of text compare by byte", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const others = yield* sql`
        select c.relname, a.attname
          from pg_index x
          join pg_class c on c.oid = x.indrelid
          join pg_attribute a on a.attrelid = x.indexrelid
         where c.relnamespace = ${schema}::regnamespace and a.atttypid = 'text'::regtype
           and a.attcollation <> '"C"'::regcollation`
      assert.deepStrictEqual(others, [])
    })
  )
})

layer(store, { excludeTestServices: true })("row-level security", (it) => {
  const role = uniqueName("reader")
  const password = "of no value"
  const url = new URL(inject("databaseUrl"))
  url.username = role
  url.password = encodeURIComponent(password)
  const asReader = (tenant?: string) =>
    PgClient.layer({
      url: Redacted.make(url.href),
      maxConnections: 2,
      ...(tenant === undefined ? {} : { startupParameters: { "refold.tenant": tenant } })
    })

  const reader = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Effect.acquireRelease(sql.unsafe(`create role ${role} login password '${password}'`), () =>
      Effect.orDie(Effect.andThen(sql.unsafe(`drop owned by ${role}`), sql.unsafe(`drop role ${role}`)))
    )
    yield* sql.unsafe(`grant usage on schema ${schema} to ${role}`)
    yield* sql.unsafe(`grant select on all tables in schema ${schema} to ${role}`)
    const events = yield* WorkflowEventModel
    const snapshots = yield* WorkflowSnapshotModel
    const queue = yield* WorkflowEventProcessingModel
    for (const tenant of [ours, theirs]) {
      const at = { tenant, executionId: "one" }
      yield* events.commit([commitOf(at, 0, ["1", "2"])])
      yield* snapshots.save({ snapshot: snapshotOf(at, 2), prune: [] })
      yield* queue.enqueue([asking(tenant, "first")])
    }
  })
  const [ours, theirs] = [uniqueName("ours"), uniqueName("theirs")]
  const asking = (tenant: string, name: string) => ({
    tenant,
    executionId: "one",
    processingId: name,
    eventId: name,
    submission: { event_name: name },
    idempotencyKey: name
  })
  const ofTenants = ["events", "executions", "snapshots", "queue", "queue_lengths"]

  const tenantsSeen = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* Effect.forEach(ofTenants, (table) =>
      Effect.map(sql<{ tenant: string }>`select distinct tenant from ${sql(`${schema}.${table}`)}`, (rows) =>
        rows.map((row) => row.tenant)
      )
    )
  })

  it.effect("a role that does not own the tables sees one tenant, or none", () =>
    Effect.gen(function* () {
      yield* reader
      const none = ofTenants.map(() => [])
      assert.deepStrictEqual(yield* tenantsSeen.pipe(Effect.provide(asReader())), none)
      assert.deepStrictEqual(yield* tenantsSeen.pipe(Effect.provide(asReader(""))), none)
      assert.deepStrictEqual(
        yield* tenantsSeen.pipe(Effect.provide(asReader(ours))),
        ofTenants.map(() => [ours])
      )
      const sql = yield* SqlClient.SqlClient
      const owner = yield* sql`select from ${sql(`${schema}.executions`)} where tenant in ${sql.in([ours, theirs])}`
      assert.lengthOf(owner, 2)
    })
  )

  it.effect("the ports serve such a role its tenant, and no other, also of the past", () =>
    Effect.gen(function* () {
      yield* reader
      const seen = (tenant: string) =>
        Effect.gen(function* () {
          const events = yield* WorkflowEventModel
          const executions = yield* WorkflowExecutionModel
          const queue = yield* WorkflowEventProcessingModel
          const at = { tenant, executionId: "one" }
          const until = "9999-01-01T00:00:00.000Z"
          return [
            (yield* Stream.runCollect(events.read(at))).length,
            (yield* Stream.runCollect(events.read({ ...at, until }))).length,
            (yield* Stream.runCollect(executions.list({ tenant }))).length,
            (yield* Stream.runCollect(executions.list({ tenant, asOf: until }))).length,
            (yield* Stream.runCollect(queue.list({ tenant, statuses: ["Pending"] }))).length,
            (yield* queue.find({ ...at, processingId: "first" }))._tag
          ]
        }).pipe(Effect.provide(PostgresStore.layerWith({ schema }).pipe(Layer.provide(asReader(ours)))))
      assert.deepStrictEqual(yield* seen(ours), [2, 2, 1, 1, 1, "Some"])
      assert.deepStrictEqual(yield* seen(theirs), [0, 0, 0, 0, 0, "None"])
    })
  )

  it.effect("a role that may write to the queue queues events of its tenant, and of no other", () =>
    Effect.gen(function* () {
      yield* reader
      const sql = yield* SqlClient.SqlClient
      for (const table of ["queue", "queue_lengths"]) {
        yield* sql.unsafe(`grant insert, update on ${schema}.${table} to ${role}`)
      }
      yield* Effect.gen(function* () {
        const queue = yield* WorkflowEventProcessingModel
        const [first, second] = yield* queue.enqueue([asking(ours, "first"), asking(ours, "second")])
        assert.deepStrictEqual([first.queuePosition, second?.queuePosition], [1, 2])
        const refusal = yield* Effect.flip(queue.enqueue([asking(theirs, "second")]))
        assert.strictEqual(refusal._tag, "QueueClosed")
      }).pipe(Effect.provide(PostgresStore.layerWith({ schema }).pipe(Layer.provide(asReader(ours)))))
      const theirRows = yield* sql`select from ${sql(`${schema}.queue`)} where tenant = ${theirs}`
      assert.lengthOf(theirRows, 1)
    })
  )
})

describe("migrations", () => {
  const migrations = ["0001_initial", "0002_processing"]
  const reasonOf = (schema: string) =>
    Effect.flip(Layer.build(PostgresStore.layerWith({ schema }))).pipe(
      Effect.scoped,
      Effect.map(({ isRetryable, message, reason }) => ({ isRetryable, message, reason: reason._tag }))
    )

  it.live("apply once: the second run changes nothing, and keeps the data and the count of partitions", () =>
    Effect.gen(function* () {
      const schema = uniqueName("twice")
      yield* dropped(schema)
      assert.deepStrictEqual(yield* PostgresStore.migrate({ schema, partitionCount: 4 }), migrations)
      assert.deepStrictEqual(yield* PostgresStore.migrate({ schema, partitionCount: 8 }), [])
      const model = yield* Layer.build(PostgresStore.layerMigrated({ schema, partitionCount: 16 })).pipe(
        Effect.flatMap((context) => Effect.provide(WorkflowEventModel, context))
      )
      assert.strictEqual(model.partitionCount, 4)
    }).pipe(Effect.scoped, Effect.provide(layerClient()))
  )

  it.live("run by three processes at once apply once", () =>
    Effect.gen(function* () {
      for (const round of ["a", "b", "c", "d", "e"]) {
        const schema = uniqueName(`concurrent_${round}`)
        yield* dropped(schema)
        const migrate = PostgresStore.migrate({ schema, partitionCount: 4 }).pipe(Effect.provide(layerClient(1)))
        const applied = yield* Effect.all([migrate, migrate, migrate], { concurrency: "unbounded" })
        assert.deepStrictEqual(applied.flat(), migrations)
      }
    }).pipe(Effect.scoped, Effect.provide(layerClient()))
  )

  it.live("a schema's name that PostgreSQL would cut or take apart is refused, and nothing is made", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schemas = sql`select nspname from pg_namespace where nspname like ${"long%"} or nspname like ${"é%"}`
      for (const schema of ["", "long".repeat(16), "é".repeat(32), "long.name"]) {
        const refusals = [
          yield* Effect.flip(PostgresStore.migrate({ schema })),
          yield* Effect.flip(Effect.scoped(Layer.build(PostgresStore.layerWith({ schema }))))
        ]
        assert.deepStrictEqual(
          refusals.map((refusal) => [refusal.reason._tag, refusal.isRetryable]),
          [
            ["SchemaName", false],
            ["SchemaName", false]
          ]
        )
      }
      assert.deepStrictEqual(yield* schemas, [])
      const longest = "l".repeat(63)
      yield* dropped(longest)
      yield* PostgresStore.migrate({ schema: longest, partitionCount: 4 })
      yield* Effect.scoped(Layer.build(PostgresStore.layerWith({ schema: longest })))
    }).pipe(Effect.scoped, Effect.provide(layerClient()))
  )

  it.live("a schema that is missing, not migrated or newer is told apart, with what to do", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const schema = uniqueName("version")
      yield* dropped(schema)
      const missing = {
        isRetryable: false,
        message: `Opening the store failed: the schema is not there: run \`refold migrate\` (schema "${schema}")`,
        reason: "SchemaMissing"
      }
      assert.deepStrictEqual(yield* reasonOf(schema), missing)
      yield* sql`create schema ${sql(schema)}`
      assert.deepStrictEqual(yield* reasonOf(schema), missing)
      yield* PostgresStore.migrate({ schema })
      yield* sql`insert into ${sql(`${schema}.migrations`)} (migration_id, name) values (1000, 'of the future')`
      assert.deepStrictEqual(yield* reasonOf(schema), {
        isRetryable: false,
        message: `Opening the store failed: the schema is newer than this version of Refold: update Refold (schema "${schema}")`,
        reason: "SchemaNewer"
      })
      yield* sql`delete from ${sql(`${schema}.migrations`)}`
      assert.deepStrictEqual(yield* reasonOf(schema), missing)
    }).pipe(Effect.scoped, Effect.provide(layerClient()))
  )
})
