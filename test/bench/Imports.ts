/** An import into PostgreSQL, against batched inserts of the same rows into an equal table. */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { PgTypes } from "@effect/sql-pg"
import { EventLog } from "@refold/adapters/eventlog"
import type { ImportedRow } from "@refold/core"
import { EventLogImport } from "@refold/runtime"
import { Array, Effect, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { onServer } from "./Database.ts"
import { compare, defaultTurnCount } from "./Measure.ts"
import type { Run } from "./Run.ts"
import { syntheticRows } from "./SyntheticLog.ts"

const file = fileURLToPath(new URL("../../../shared/data/bpic2013_incidents.xes.gz", import.meta.url))

/** The real log, or, if it is absent, a synthetic log of about its size. */
const rowsOfLog = () => (existsSync(file) ? EventLog.read({ path: file }) : syntheticRows(65_000))

const texts = (values: ReadonlyArray<string | null>) => Result.getOrThrow(PgTypes.array(values, PgTypes.OID.text))
const ints = (values: ReadonlyArray<number>) => Result.getOrThrow(PgTypes.array(values, PgTypes.OID.int4))
const times = (values: ReadonlyArray<string>) =>
  Result.getOrThrow(
    PgTypes.array(
      values.map((value) => new Date(value)),
      PgTypes.OID.timestamptz
    )
  )

/** Rows per statement, as many as the import uses. */
const batchSize = 2000

const schema = "refold_bench_import"

const prepare = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* Stream.runCollect(rowsOfLog())
  const table = sql(`${schema}.by_hand`)
  yield* sql`drop table if exists ${table}`
  yield* sql`create table ${table} (like ${sql(`${schema}.events`)} including all)`
  let offset = 0

  const importRows = <E, R>(source: Stream.Stream<ImportedRow, E, R>) =>
    Effect.suspend(() =>
      EventLogImport.importRows(source, { tenant: `import ${crypto.randomUUID()}`, workflow: "foreign log" })
    ).pipe(
      Effect.tap(({ eventsAdded }) =>
        eventsAdded === rows.length ? Effect.void : Effect.die(`${eventsAdded} of ${rows.length} events were added`)
      )
    )

  /** Inserts rows as they come, with counted positions and random ids. As durable as the import, with the same statement size and indexes. */
  const byHand = Effect.gen(function* () {
    const tenant = `by hand ${crypto.randomUUID()}`
    const positions = new Map<string, { readonly position: number; readonly state: string }>()
    for (const batch of Array.chunksOf(rows, batchSize)) {
      const placed = batch.map((row) => {
        const before = positions.get(row.execution_id)
        const position = (before?.position ?? 0) + 1
        positions.set(row.execution_id, { position, state: row.event_name })
        offset += 1
        return { row, position, fromState: before?.state ?? "none", offset }
      })
      yield* sql`
        insert into ${table} (tenant, execution_id, position, event_id, event_name, event_type, from_state, to_state,
          user_id, payload, schema_version, created_at, recorded_at, metadata, partition, "offset")
        select ${tenant}, execution_id, position, event_id, event_name, event_type, from_state, event_name, user_id,
          payload::json, 1, created_at, now(), '{}'::json, 0, "offset"
          from unnest(
            ${texts(placed.map(({ row }) => row.execution_id))},
            ${ints(placed.map(({ position }) => position))},
            ${texts(placed.map(() => crypto.randomUUID()))},
            ${texts(placed.map(({ row }) => row.event_name))},
            ${texts(placed.map(({ row }) => row.event_type))},
            ${texts(placed.map(({ fromState }) => fromState))},
            ${texts(placed.map(({ row }) => row.user_id ?? null))},
            ${texts(placed.map(({ row }) => (row.payload === undefined ? null : JSON.stringify(row.payload))))},
            ${times(placed.map(({ row }) => row.created_at))},
            ${ints(placed.map((each) => each.offset))}
          ) as t (execution_id, position, event_id, event_name, event_type, from_state, user_id, payload, created_at,
            "offset")`
    }
  })
  return { rows, importRows, byHand }
})

/** Imports rows that are already read. */
const fromRows: Run = {
  names: ["import"],
  diskGiB: 2,
  figures: Effect.gen(function* () {
    const { byHand, importRows, rows } = yield* prepare
    return [
      yield* compare({
        name: "import",
        work: { count: rows.length, unit: "events" },
        turns: defaultTurnCount,
        target: 0.6,
        ours: importRows(Stream.fromArray(rows)),
        reference: byHand
      })
    ]
  }).pipe(Effect.provide(onServer({ schema })))
}

/** From the compressed file to the last event, against the same inserts of rows that are already read. For information only. */
const fromFile: Run = {
  names: ["import/file"],
  diskGiB: 2,
  figures: Effect.gen(function* () {
    const { byHand, importRows, rows } = yield* prepare
    return [
      yield* compare({
        name: "import/file",
        work: { count: rows.length, unit: "events" },
        turns: defaultTurnCount,
        target: 0,
        ours: importRows(rowsOfLog()),
        reference: byHand
      })
    ]
  }).pipe(Effect.provide(onServer({ schema })))
}

export const imports: ReadonlyArray<Run> = [fromRows, fromFile]
