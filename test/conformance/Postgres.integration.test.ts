/** Every promise on PostgreSQL, for a role that owns nothing and has only the grants in the guide. */
import { readFileSync } from "node:fs"
import { assert, inject, layer } from "@effect/vitest"
import { storeSuite } from "@refold/testing/conformance"
import { PartitionLeases } from "@refold/core"
import { PostgresStore } from "@refold/adapters/postgres"
import { Duration, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { dropped, layerClient, uniqueName } from "../integration/ownSchema.ts"
import { agreesWithMemory } from "./agreement.ts"

const schema = uniqueName("conformance")
const role = uniqueName("service")
const url = new URL(inject("databaseUrl"))
url.username = role
url.password = role

const [, grants = ""] =
  /^```sql\n([^]*?)^```$/m.exec(readFileSync(new URL("../../docs/guide.md", import.meta.url), "utf8")) ?? []

/** The schema, made by its owner, and the role, made as in the guide. */
const prepared = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* dropped(schema)
  yield* PostgresStore.migrate({ schema, partitionCount: 8 })
  yield* Effect.addFinalizer(() =>
    Effect.orDie(Effect.andThen(sql.unsafe(`drop owned by ${role}`), sql.unsafe(`drop role ${role}`)))
  )
  const statements = grants
    .replaceAll("refold_service", role)
    .replaceAll(/\brefold\b/g, schema)
    .split(";\n")
    .filter((text) => text !== "")
  yield* Effect.forEach(statements, (statement) => sql.unsafe(statement))
  yield* sql.unsafe(`alter role ${role} password '${role}'`)
})

const store = PostgresStore.layerWith({ schema }).pipe(
  Layer.provideMerge(layerClient(10, url.href)),
  Layer.provide(Layer.effectDiscard(prepared).pipe(Layer.provide(layerClient(1))))
)

layer(store, { excludeTestServices: true, timeout: "30 seconds" })("PostgresStore", (it) => {
  for (const { check, title } of storeSuite) it.effect(title, () => check)
  it.effect("answers any calls as the store in memory does", () => agreesWithMemory)
  it.effect("leases its partitions to such a role", () =>
    Effect.gen(function* () {
      const leases = yield* PartitionLeases
      const renewal = { workerId: "one", duration: Duration.minutes(1) }
      assert.lengthOf(yield* leases.renew(renewal), 8)
      yield* leases.release(renewal.workerId)
      assert.lengthOf(yield* leases.renew({ ...renewal, workerId: "two" }), 8)
    })
  )
  it.effect("is not used by the owner", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const owned = yield* sql`select from pg_tables where schemaname = ${schema} and tableowner = current_user`
      assert.deepStrictEqual(owned, [])
      assert.deepStrictEqual(yield* sql`select current_user as role`, [{ role }])
    })
  )
})
