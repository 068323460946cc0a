/** Public logs of real processes with independent answers. They are beside the repository, not in it. */
import { createHash } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { EventLog } from "@refold/adapters/eventlog"
import { Instant } from "@refold/core"
import { Schema } from "effect"

const folder = fileURLToPath(new URL("../../../shared/data/", import.meta.url))

/** Whether the logs exist; this title explains a skipped test. */
export const isThere = existsSync(`${folder}logs.json`)
export const titleOf = (name: string) => (isThere ? name : `${name} (skipped: no ../shared/data beside the repository)`)

const Expected = Schema.fromJsonString(
  Schema.Struct({
    cases: Schema.Int,
    events: Schema.Int,
    case_answers: Schema.Record(
      Schema.String,
      Schema.Struct({
        events: Schema.Int,
        final_activity: Schema.String,
        activities_sha256: Schema.String,
        final_transition: Schema.optionalKey(Schema.String),
        activities_transitions_sha256: Schema.optionalKey(Schema.String)
      })
    ),
    as_of: Schema.Array(
      Schema.Struct({
        case: Schema.String,
        at: Instant.Instant,
        last_activity: Schema.NullOr(Schema.String),
        last_transition: Schema.optionalKey(Schema.NullOr(Schema.String)),
        events_until: Schema.Int
      })
    )
  })
)
export type Expected = typeof Expected.Type

export const expectedOf = (name: string) =>
  Schema.decodeEffect(Expected)(readFileSync(`${folder}expected/${name}.json`, "utf8"))

export const logs: ReadonlyArray<EventLog.Source & { readonly name: string }> = [
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

export const rowsOf = (log: (typeof logs)[number]) => EventLog.read({ ...log, path: folder + log.path })

const sha256 = (lines: ReadonlyArray<string>) => createHash("sha256").update(lines.join("\n")).digest("hex")

/** The answer about a case with these events in order; with transitions if the expected answer has them. */
export const answerOf = (
  events: ReadonlyArray<{ readonly event_name: string; readonly event_type: string }>,
  expected: Expected["case_answers"][string]
) => ({
  events: events.length,
  final_activity: events.at(-1)?.event_name,
  activities_sha256: sha256(events.map((event) => event.event_name)),
  ...(expected.final_transition === undefined ? {} : { final_transition: events.at(-1)?.event_type }),
  ...(expected.activities_transitions_sha256 === undefined
    ? {}
    : { activities_transitions_sha256: sha256(events.map((event) => `${event.event_name}\t${event.event_type}`)) })
})
