/** Public logs of real processes, kept beside the repository and not in it. */
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { createHash } from "node:crypto"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { EventLog } from "@refold/adapters/eventlog"
import type { ImportedRow } from "@refold/core"
import { Array, Effect, Schema, Stream } from "effect"

const folder = fileURLToPath(new URL("../../../shared/data/", import.meta.url))
const isThere = existsSync(`${folder}logs.json`)

const Expected = Schema.fromJsonString(
  Schema.Struct({
    cases: Schema.Int,
    events: Schema.Int,
    case_answers: Schema.Record(
      Schema.String,
      Schema.Struct({
        activities_sha256: Schema.String,
        activities_transitions_sha256: Schema.optionalKey(Schema.String)
      })
    )
  })
)

const logs: ReadonlyArray<EventLog.Source & { readonly name: string }> = [
  { name: "roadtraffic100", path: "roadtraffic100.csv.gz" },
  {
    name: "production",
    path: "production.csv.gz",
    columns: { case: "case_id", activity: "activity", time: "timestamp", resource: "resource" }
  },
  {
    name: "sepsis",
    path: "sepsis.csv.gz",
    delimiter: ";",
    columns: { case: "Case ID", activity: "Activity", time: "Complete Timestamp", resource: "org:group" }
  },
  { name: "bpic2013_incidents", path: "bpic2013_incidents.xes.gz" }
]

const sha256 = (lines: ReadonlyArray<string>) => createHash("sha256").update(lines.join("\n")).digest("hex")

const inOrder = (rows: ReadonlyArray<ImportedRow>) =>
  rows.toSorted((left, right) =>
    left.created_at < right.created_at ? -1 : left.created_at > right.created_at ? 1 : left.place - right.place
  )

const title = isThere ? "real logs" : "real logs (skipped: no ../shared/data beside the repository)"

describe.skipIf(!isThere)(title, () => {
  it.live.each(logs)("$name: every case has the events it should, in the order it should", (log) =>
    Effect.gen(function* () {
      const expected = yield* Schema.decodeEffect(Expected)(readFileSync(`${folder}expected/${log.name}.json`, "utf8"))
      const rows = yield* EventLog.read({ ...log, path: folder + log.path }).pipe(Stream.runCollect)
      const cases = new Map(Object.entries(Array.groupBy(rows, (row) => row.execution_id)))

      assert.strictEqual(rows.length, expected.events)
      assert.strictEqual(cases.size, expected.cases)
      for (const [id, answer] of Object.entries(expected.case_answers)) {
        const events = inOrder(cases.get(id) ?? [])
        assert.strictEqual(sha256(events.map((row) => row.event_name)), answer.activities_sha256)
        if (answer.activities_transitions_sha256 !== undefined) {
          const both = events.map((row) => `${row.event_name}\t${row.event_type}`)
          assert.strictEqual(sha256(both), answer.activities_transitions_sha256)
        }
      }
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
