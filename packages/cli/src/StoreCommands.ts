/** Commands about a whole store: import, export, verify, migrate. */
import { EventLogImport, Verification } from "@refold/runtime"
import { EventLog } from "@refold/adapters/eventlog"
import { PostgresStore } from "@refold/adapters/postgres"
import { WorkflowEventModel, Identifier } from "@refold/core"
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Store from "./Store.ts"

const column = (name: string, what: string) =>
  Flag.String(name).pipe(Flag.withMetavar("COL"), Flag.withDescription(`CSV column of the ${what}`), Flag.optional)

export const importLog = Command.make(
  "import",
  {
    file: Argument.String("file").pipe(Argument.withDescription("The log: XES, CSV or JSON Lines, plain or gzip")),
    tenant: Flags.tenant,
    workflow: Flags.workflow,
    format: Flag.Literals("format", ["xes", "csv", "jsonl"]).pipe(
      Flag.withDescription("Format of the file, if its name does not show it"),
      Flag.optional
    ),
    delimiter: Flag.String("delimiter").pipe(
      Flag.withMetavar("CHAR"),
      Flag.withDescription("Separator of the CSV columns: a comma by default, \\t for a tab"),
      Flag.optional
    ),
    case: column("case", "case, which becomes the execution id"),
    activity: column("activity", "activity, which becomes event and state"),
    time: column("time", "time"),
    timeFormat: Flag.String("time-format").pipe(
      Flag.withMetavar("FMT"),
      Flag.withDescription("Format of the CSV times, such as dd-MM-yyyy HH:mm; ISO 8601 by default"),
      Flag.optional
    ),
    resource: column("resource", "person or system, which becomes the user id"),
    type: column("type", "lifecycle transition, which becomes the event type"),
    missing: Flag.String("missing").pipe(
      Flag.withMetavar("VALUE"),
      Flag.withDescription("A value that means no value, in addition to the empty text; may be repeated"),
      Flag.atLeast(0)
    ),
    json: Flags.json
  },
  Effect.fnUntraced(function* (options) {
    const { json, tenant, workflow } = options
    const summary = yield* Progress.during((show) =>
      EventLogImport.importRows(EventLog.read(sourceOf(options)), {
        tenant,
        workflow,
        onProgress: ({ phase, rowCount, totalRowCount }) =>
          show({
            label: labels[phase],
            count: rowCount,
            ...(totalRowCount === undefined ? {} : { total: totalRowCount })
          })
      })
    )
    yield* json
      ? Output.printJson(summary)
      : Output.printLines(
          ...Output.pairs([
            ["rows read", String(summary.rowCount)],
            ["executions", String(summary.executionCount)],
            ["events added", String(summary.eventsAdded)]
          ])
        )
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Import an event log: one execution per case, one event per row"),
  Command.withExamples([
    { command: "refold import log.xes.gz --tenant acme --workflow incidents", description: "A log in XES" },
    {
      command:
        "refold import orders.csv --tenant acme --workflow orders --delimiter ';' --case order --activity step --time finished",
      description: "A CSV file with its own column names"
    },
    {
      command:
        "refold import orders.csv --tenant acme --workflow orders --time-format 'dd-MM-yyyy HH:mm' --missing NULL",
      description: "Times in another format, and a word for absent values"
    }
  ])
)

export const exportLog = Command.make(
  "export",
  {
    tenant: Flags.tenant,
    jsonl: Flag.Boolean("jsonl").pipe(
      Flag.withDescription("One JSON value per line, which is the only format"),
      Flag.withDefault(true)
    )
  },
  Effect.fnUntraced(function* ({ tenant }) {
    const events = yield* WorkflowEventModel
    yield* Effect.fromResult(Identifier.check({ tenant }))
    yield* Output.printJsonLines(events.readTenant({ tenant }))
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Print every event of a tenant, by execution and position"),
  Command.withExamples([
    { command: "refold export --tenant acme > acme.jsonl", description: "A file that `refold import` can read" }
  ])
)

const labels = { reading: "rows read", writing: "events written" }

/** Verification found problems; the report lists them. */
export class VerificationFailed extends Schema.TaggedError<VerificationFailed>()("VerificationFailed", {
  findingCount: Schema.Int
}) {
  override get message(): string {
    return `${this.findingCount} ${this.findingCount === 1 ? "finding" : "findings"}: explain each of them before you write to this store`
  }
}

export const verify = Command.make(
  "verify",
  { tenant: Flags.onlyTenant, json: Flags.json },
  Effect.fnUntraced(function* ({ json, tenant }) {
    yield* Effect.fromResult(Identifier.check({ tenant: Option.getOrUndefined(tenant) }))
    const report = yield* Progress.during((show) =>
      Verification.verify({
        ...Flags.present("tenant", tenant),
        onProgress: (count) => show({ label: "events verified", count })
      })
    )
    yield* json
      ? Output.printJson(report)
      : Output.printLines(
          ...Output.pairs([
            ["executions", String(report.executionCount)],
            ...(report.unknownWorkflowCount === 0
              ? []
              : [
                  [
                    "unknown workflows",
                    `${report.unknownWorkflowCount} ${report.unknownWorkflowCount === 1 ? "execution" : "executions"}, whose data was not checked`
                  ] as const
                ]),
            ["events", String(report.eventCount)],
            ["snapshots", `${report.snapshotCount} (${report.ignoredSnapshotCount} with another fingerprint)`],
            ["findings", String(report.findingCount)]
          ]),
          ...report.findings.map(
            ({ executionId, problem, tenant }) =>
              `${Output.styled("red", "✗")} ${Output.printable(executionId === undefined ? problem : `${tenant}/${executionId}: ${problem}`)}`
          )
        )
    if (report.findingCount > 0) return yield* new VerificationFailed({ findingCount: report.findingCount })
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Replay every execution with and without snapshots; check positions, offsets and hashes"),
  Command.withExamples([
    { command: "refold verify", description: "The whole store" },
    { command: "refold verify --tenant acme --json", description: "One tenant, and all feeds, as JSON" }
  ])
)

export const migrate = Command.make(
  "migrate",
  {},
  Effect.fnUntraced(function* () {
    const applied = yield* PostgresStore.migrate({ schema: yield* Store.SchemaName })
    yield* Output.printLines(applied.length === 0 ? "The schema is up to date" : `Applied ${applied.join(", ")}`)
  }, Effect.provide(Store.layerClient))
).pipe(
  Command.withDescription("Create the schema, or bring an older one up to date"),
  Command.withExamples([
    { command: "refold migrate --database postgres://localhost/app", description: "Prepare a PostgreSQL database" },
    {
      command: "refold migrate --database postgres://localhost/app --schema orders",
      description: "One of several stores in that database"
    }
  ])
)

const sourceOf = (options: {
  readonly file: string
  readonly format: Option.Option<"xes" | "csv" | "jsonl">
  readonly delimiter: Option.Option<string>
  readonly case: Option.Option<string>
  readonly activity: Option.Option<string>
  readonly time: Option.Option<string>
  readonly timeFormat: Option.Option<string>
  readonly resource: Option.Option<string>
  readonly type: Option.Option<string>
  readonly missing: ReadonlyArray<string>
}): EventLog.Source => {
  const { file: path, missing } = options
  const csv = {
    delimiter: Option.getOrUndefined(Option.map(options.delimiter, (text) => (text === "\\t" ? "\t" : text))),
    timeFormat: Option.getOrUndefined(options.timeFormat),
    missing,
    columns: {
      case: Option.getOrUndefined(options.case),
      activity: Option.getOrUndefined(options.activity),
      time: Option.getOrUndefined(options.time),
      resource: Option.getOrUndefined(options.resource),
      type: Option.getOrUndefined(options.type)
    }
  }
  switch (Option.getOrUndefined(options.format)) {
    case undefined:
      return { path, ...csv }
    case "csv":
      return { path, format: "csv", ...csv }
    case "xes":
      return { path, format: "xes", missing }
    case "jsonl":
      return { path, format: "jsonl" }
  }
}
