/** Commands about recorded runs: recorded-runs export, recorded-runs check. */
import { RecordedRuns } from "@refold/testing/recording"
import type { RecordedRun } from "@refold/testing/recording"
import { Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Store from "./Store.ts"

const exportSample = Command.make(
  "export",
  {
    tenant: Flags.tenant,
    sample: Flag.Int("sample").pipe(
      Flag.withMetavar("N"),
      Flag.withDescription(
        `Maximum number of executions, up to ${RecordedRuns.maxSampleSize}, spread over workflows, states and lengths`
      ),
      Flag.withDefault(100)
    ),
    out: Flag.String("out").pipe(
      Flag.withMetavar("DIR"),
      Flag.withDescription("Directory for the files, one per execution"),
      Flag.withDefault("recorded-runs")
    ),
    redact: Flag.Boolean("redact").pipe(
      Flag.withDescription("Replace texts in payloads, user ids, the tenant and ids by pseudonyms"),
      Flag.withDefault(false)
    ),
    json: Flags.json
  },
  Effect.fnUntraced(function* ({ json, out, redact, sample, tenant }) {
    const summary = yield* Progress.during((show) =>
      RecordedRuns.record({
        tenant,
        sampleSize: sample,
        directory: out,
        isRedacted: redact,
        onProgress: ({ executionCount, phase }) => show({ label: labels[phase], count: executionCount })
      })
    )
    yield* json
      ? Output.printJson(summary)
      : Output.printLines(
          ...Output.pairs([
            ["runs written", `${summary.runCount} to ${out}`],
            ["events", String(summary.eventCount)],
            ...counted(summary.shortenedCount, "shortened", "they hold only the first events of the execution"),
            ...counted(
              summary.endedByRedactionCount,
              "ended by redaction",
              "the next event no longer folds once it is redacted"
            ),
            ...counted(summary.unknownWorkflowCount, "without states", "their definition is not registered here"),
            ...counted(summary.leftOutCount, "left out", "their workflow is unknown, or they are too large"),
            ...counted(summary.undecidedCount, "undecided events", "this build decides them differently from the log")
          ])
        )
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Write a sample of a tenant's executions to files, for `refold recorded-runs check`"),
  Command.withExamples([
    {
      command: "refold recorded-runs export --tenant acme --sample 50",
      description: "Fifty executions, to ./recorded-runs"
    },
    {
      command: "refold recorded-runs export --tenant acme --sample 200 --redact --out test/recording/acme",
      description: "To commit with the code: without names and texts"
    }
  ])
)

const labels = { choosing: "executions seen", writing: "runs written" }

const counted = (count: number, name: string, what: string): ReadonlyArray<readonly [string, string]> =>
  count === 0 ? [] : [[name, `${count}; ${what}`]]

/** Some runs failed the check; the report says where. */
export class RecordedRunsDiffer extends Schema.TaggedError<RecordedRunsDiffer>()("RecordedRunsDiffer", {
  runCount: Schema.Int,
  failedCount: Schema.Int,
  differentCount: Schema.Int,
  unknownWorkflowCount: Schema.Int,
  newerSchemaCount: Schema.Int,
  brokenLineCount: Schema.Int
}) {
  override get message(): string {
    const counts = [
      [this.differentCount, "with another outcome"],
      [this.unknownWorkflowCount, "with an unknown workflow"],
      [this.newerSchemaCount, "with a newer schema"],
      [this.brokenLineCount, "with a broken line"]
    ] as const
    const parts = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
    const all = this.runCount === 1 ? "1 recorded run" : `${this.runCount} recorded runs`
    return `${this.failedCount} of ${all} failed the check: ${parts.join(", ")}`
  }
}

const check = Command.make(
  "check",
  {
    directory: Argument.String("directory").pipe(
      Argument.withDescription("Directory with the recorded runs; subdirectories are included")
    ),
    json: Flags.json,
    jsonl: Flags.jsonLines
  },
  Effect.fnUntraced(function* ({ directory, json, jsonl }) {
    const report = yield* RecordedRuns.check(directory, (run) => {
      if (json) return Effect.void
      if (jsonl) return Output.printJsonLine(run)
      const lines = describe(run)
      return lines.length === 0 ? Effect.void : Output.printLines(...lines)
    })
    if (json) yield* Output.printJson(report)
    else if (!jsonl) {
      yield* Output.printLines(
        ...Output.pairs([
          ["recorded runs", String(report.runCount)],
          ["events replayed", String(report.eventCount)],
          ...counted(
            report.undecidedCount,
            "undecided events",
            "the recording build decided them differently from the log"
          ),
          ["replayed as recorded", String(report.runCount - report.failedCount)],
          ["with another outcome", String(report.differentCount)],
          ["with an unknown workflow", String(report.unknownWorkflowCount)],
          ["with a newer schema", String(report.newerSchemaCount)],
          ["with a broken line", String(report.brokenLineCount)]
        ])
      )
    }
    if (report.failedCount > 0) return yield* new RecordedRunsDiffer(report)
  })
).pipe(
  Command.withDescription("Replay recorded runs with the definitions of this build, and show where it differs"),
  Command.withExamples([
    {
      command: "refold recorded-runs check recorded-runs",
      description: "Before a deploy: exits with 1 if a run fails the check"
    },
    {
      command: "refold recorded-runs check recorded-runs --jsonl",
      description: "One JSON value per run, for a program"
    }
  ])
)

/** The lines about a run that does not replay as recorded; none for other runs. */
const describe = (run: RecordedRuns.CheckedRun): ReadonlyArray<string> => {
  const { differenceCount, differences, executionId, file, problem, tenant, workflow } = run
  if (problem === undefined && differenceCount === 0) return []
  const name = workflow === undefined ? "" : `, ${workflow.name} version ${workflow.version}`
  const execution = executionId === undefined ? "" : `, ${tenant}/${executionId}`
  const hidden = differenceCount - differences.length
  return [
    `${Output.styled("red", "✗")} ${Output.styled("bold", Output.printable(`${file}${name}${execution}`))}`,
    ...(problem === undefined ? [] : [`  ${describeProblem(problem)}`]),
    ...differences.flatMap((difference) => {
      const [first = "", ...rest] = describeDifference(difference)
      return [`  ${difference.position}. ${difference.eventName}: ${first}`, ...rest.map((line) => `     ${line}`)]
    }),
    ...(hidden === 0 ? [] : [`  and ${hidden} more`])
  ].map(Output.printable)
}

const describeProblem = (problem: RecordedRuns.Problem): string => {
  switch (problem._tag) {
    case "UnknownWorkflow":
      return `workflow "${problem.name}" version ${problem.version} is not registered here: check with a program that has its definition`
    case "NewerFormat":
      return `its format is version ${problem.formatVersion}, and this build reads up to version ${problem.knownVersion}: update Refold`
    case "BrokenLine":
      return `line ${problem.line}: ${problem.problem}`
  }
}

const describeDifference = (difference: RecordedRun.Difference): ReadonlyArray<string> => {
  switch (difference._tag) {
    case "Decision":
      return ["decision", `was ${describeVerdict(difference.recorded)}`, `now ${describeVerdict(difference.found)}`]
    case "State":
      return ["state", `was ${describeState(difference.recorded)}`, `now ${describeState(difference.found)}`]
    case "Data": {
      const hidden = difference.changeCount - difference.changes.length
      return [
        "data",
        ...difference.changes.map(
          ({ found, path, recorded }) =>
            `${path === "" ? "the whole value" : path} was ${brief(recorded)}, now ${brief(found)}`
        ),
        ...(hidden === 0 ? [] : [`and ${hidden} more`])
      ]
    }
    case "InvalidData":
      return [`the data${difference.path} ${difference.problem}`]
    case "NewerSchema":
      return [
        `its payload has schema version ${difference.schemaVersion}, and this build reads up to version ${difference.knownVersion}`
      ]
    case "Unreadable":
      return [`cannot be folded: ${difference.reason}`]
  }
}

const describeVerdict = (verdict: RecordedRun.Verdict): string => {
  switch (verdict._tag) {
    case "Accepted":
      return `accepted, to ${verdict.toState}`
    case "Refused":
      return `refused, ${verdict.error}: ${verdict.reason}`
    case "Threw":
      return verdict.cause
  }
}

const describeState = ({ currentState, isComplete }: { readonly currentState: string; readonly isComplete: boolean }) =>
  currentState + (isComplete ? " (complete)" : "")

/** Maximum characters of a value; `--json` prints all of it. */
const maxValueLength = 100

const brief = (value: unknown): string => {
  const text = value === undefined ? "absent" : JSON.stringify(value)
  return text.length > maxValueLength ? `${text.slice(0, maxValueLength)}…` : text
}

export const recordedRuns = Command.make("recorded-runs").pipe(
  Command.withDescription("Record runs, and check that this build replays them as recorded"),
  Command.withExamples([
    { command: "refold recorded-runs export --tenant acme --redact", description: "Record runs, where the data is" },
    { command: "refold recorded-runs check recorded-runs", description: "Replay them before a deploy" }
  ]),
  Command.withSubcommands([exportSample, check])
)
