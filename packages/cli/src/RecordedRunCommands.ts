/** Commands about recorded histories: recorded-runs export, recorded-runs check. */
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
        `Executions at most, spread over workflows, states and lengths; up to ${RecordedRuns.maxSampleSize}`
      ),
      Flag.withDefault(100)
    ),
    out: Flag.String("out").pipe(
      Flag.withMetavar("DIR"),
      Flag.withDescription("Directory for the files, one per execution"),
      Flag.withDefault("histories")
    ),
    redact: Flag.Boolean("redact").pipe(
      Flag.withDescription("Put pseudonyms in place of texts in payloads, user ids, tenant and ids"),
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
            ["histories written", `${summary.historyCount} to ${out}`],
            ["events", String(summary.eventCount)],
            ...counted(summary.shortenedCount, "shortened", "only the beginning of the execution"),
            ...counted(
              summary.endedByRedactionCount,
              "ended by redaction",
              "the next event does not fold once redacted"
            ),
            ...counted(summary.unknownWorkflowCount, "without states", "their definition is not registered here"),
            ...counted(summary.leftOutCount, "left out", "of an unknown workflow, or too large"),
            ...counted(
              summary.undecidedCount,
              "undecided events",
              "this build would not decide them as the log has them"
            )
          ])
        )
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription("Write a sample of a tenant's executions to files, for `recorded-runs check`"),
  Command.withExamples([
    { command: "refold recorded-runs export --tenant acme --sample 50", description: "Fifty of them, to ./histories" },
    {
      command: "refold recorded-runs export --tenant acme --sample 200 --redact --out test/recording/acme",
      description: "To be kept beside the code: without names and texts"
    }
  ])
)

const labels = { choosing: "executions seen", writing: "histories written" }

const counted = (count: number, name: string, what: string): ReadonlyArray<readonly [string, string]> =>
  count === 0 ? [] : [[name, `${count}; ${what}`]]

/** This build does not read every history as it was; the report says where. */
export class HistoriesDiffer extends Schema.TaggedError<HistoriesDiffer>()("HistoriesDiffer", {
  historyCount: Schema.Int,
  failedCount: Schema.Int,
  differentCount: Schema.Int,
  unknownWorkflowCount: Schema.Int,
  newerSchemaCount: Schema.Int,
  brokenLineCount: Schema.Int
}) {
  override get message(): string {
    const counts = [
      [this.differentCount, "of another outcome"],
      [this.unknownWorkflowCount, "of an unknown workflow"],
      [this.newerSchemaCount, "of a newer schema"],
      [this.brokenLineCount, "with a broken line"]
    ] as const
    const said = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
    const all = this.historyCount === 1 ? "1 history" : `${this.historyCount} histories`
    return `Of ${all}, ${this.failedCount} ${this.failedCount === 1 ? "is" : "are"} not read as recorded: ${said.join(", ")}`
  }
}

const check = Command.make(
  "check",
  {
    directory: Argument.String("directory").pipe(
      Argument.withDescription("Directory of the files, and what is below it")
    ),
    json: Flags.json,
    jsonl: Flags.jsonLines
  },
  Effect.fnUntraced(function* ({ directory, json, jsonl }) {
    const report = yield* RecordedRuns.check(directory, (history) => {
      if (json) return Effect.void
      if (jsonl) return Output.printJsonLine(history)
      const lines = describe(history)
      return lines.length === 0 ? Effect.void : Output.printLines(...lines)
    })
    if (json) yield* Output.printJson(report)
    else if (!jsonl) {
      yield* Output.printLines(
        ...Output.pairs([
          ["histories", String(report.historyCount)],
          ["events replayed", String(report.eventCount)],
          ...counted(report.undecidedCount, "undecided events", "not decided as in the log when they were recorded"),
          ["read as they were", String(report.historyCount - report.failedCount)],
          ["of another outcome", String(report.differentCount)],
          ["of an unknown workflow", String(report.unknownWorkflowCount)],
          ["of a newer schema", String(report.newerSchemaCount)],
          ["with a broken line", String(report.brokenLineCount)]
        ])
      )
    }
    if (report.failedCount > 0) return yield* new HistoriesDiffer(report)
  })
).pipe(
  Command.withDescription(
    "Replay recorded histories with the definitions of this build, and show what it makes of them"
  ),
  Command.withExamples([
    {
      command: "refold recorded-runs check histories",
      description: "Before a deploy: exit 1 when one is not read as it was"
    },
    {
      command: "refold recorded-runs check histories --jsonl",
      description: "One JSON value per history, for a program"
    }
  ])
)

/** The lines about a history that is not read as it was; none about one that is. */
const describe = (history: RecordedRuns.CheckedHistory): ReadonlyArray<string> => {
  const { differenceCount, differences, executionId, file, problem, tenant, workflow } = history
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
      return `its format has version ${problem.formatVersion}, and this build knows up to ${problem.knownVersion}: update Refold`
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
            `${path === "" ? "all of it" : path} was ${brief(recorded)}, now ${brief(found)}`
        ),
        ...(hidden === 0 ? [] : [`and ${hidden} more`])
      ]
    }
    case "InvalidData":
      return [`the data${difference.path} ${difference.problem}`]
    case "NewerSchema":
      return [
        `its payload has schema version ${difference.schemaVersion}, and this build knows up to ${difference.knownVersion}`
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

/** Characters of a value at most; `--json` has it whole. */
const maxValueLength = 100

const brief = (value: unknown): string => {
  const text = value === undefined ? "absent" : JSON.stringify(value)
  return text.length > maxValueLength ? `${text.slice(0, maxValueLength)}…` : text
}

export const recordedRuns = Command.make("recorded-runs").pipe(
  Command.withDescription("Recorded histories: what this build makes of what has happened"),
  Command.withExamples([
    { command: "refold recorded-runs export --tenant acme --redact", description: "Record them, where the data is" },
    { command: "refold recorded-runs check histories", description: "Replay them, before a deploy" }
  ]),
  Command.withSubcommands([exportSample, check])
)
