/** Checks recorded runs: replays the files of a directory with the definitions of this process, and reports differences. */
import type { Workflows } from "@refold/runtime"
import type { Workflow, WorkflowRef } from "@refold/core"
import { Effect, FileSystem, Path, Result, Schema, SchemaIssue, Stream } from "effect"
import * as RecordedRun from "./RecordedRun.ts"
import { RecordedRunFilesError, extension, findDefinition, isUndecided, maxFileBytes, toError } from "./RunFiles.ts"

/** Why a run could not be checked, or not to its end. */
export type Problem =
  | ({ readonly _tag: "UnknownWorkflow" } & WorkflowRef)
  | { readonly _tag: "NewerFormat"; readonly formatVersion: number; readonly knownVersion: number }
  | { readonly _tag: "BrokenLine"; readonly line: number; readonly problem: string }

/** The check of one run. Without problem and differences, this build replays the run as recorded. */
export interface CheckedRun {
  /** Name of the file within the directory. */
  readonly file: string
  readonly workflow?: WorkflowRef
  readonly tenant?: string
  readonly executionId?: string
  /** Events that were replayed. */
  readonly eventCount: number
  readonly problem?: Problem
  /** The first {@link maxDifferences} of them. */
  readonly differences: ReadonlyArray<RecordedRun.Difference>
  readonly differenceCount: number
  /** Events whose recorded decision is not the one in the log, as in old or redacted logs: their check proves little. */
  readonly undecidedCount: number
}

export interface CheckReport {
  readonly runCount: number
  readonly eventCount: number
  /** Runs that are not replayed as recorded. Each is in one of the next four counts. */
  readonly failedCount: number
  readonly differentCount: number
  readonly unknownWorkflowCount: number
  /** Runs with an event schema, or in a format, that this build does not know yet. */
  readonly newerSchemaCount: number
  readonly brokenLineCount: number
  readonly differenceCount: number
  readonly undecidedCount: number
  /** The first {@link maxFailures} of the failed runs. */
  readonly failures: ReadonlyArray<CheckedRun>
}

export const maxDifferences = 100

export const maxFailures = 100

/**
 * Replays every run of a directory and its subdirectories, in order of names, with the registered definitions.
 *
 * **Errors**
 *
 * Fails only if the directory cannot be read or has no recorded run. A problem of a run is in its result.
 */
export const checkEach = (
  directory: string
): Stream.Stream<CheckedRun, RecordedRunFilesError, FileSystem.FileSystem | Path.Path | Workflows> =>
  Stream.unwrap(
    Effect.map(filesOf(directory), (files) =>
      Stream.mapEffect(Stream.fromIterable(files), (file) => checkFile(directory, file))
    )
  )

/** Does the same, and counts the results: for the assertion of a test. */
export const check = Effect.fn("RecordedRuns.check")(function* <E = never, R = never>(
  directory: string,
  onEach: (run: CheckedRun) => Effect.Effect<void, E, R> = () => Effect.void
) {
  const report = {
    runCount: 0,
    eventCount: 0,
    failedCount: 0,
    differentCount: 0,
    unknownWorkflowCount: 0,
    newerSchemaCount: 0,
    brokenLineCount: 0,
    differenceCount: 0,
    undecidedCount: 0
  }
  const failures: Array<CheckedRun> = []
  yield* Stream.runForEach(checkEach(directory), (run) => {
    report.runCount += 1
    report.eventCount += run.eventCount
    report.differenceCount += run.differenceCount
    report.undecidedCount += run.undecidedCount
    const failure = failureOf(run)
    if (failure !== undefined) {
      report.failedCount += 1
      report[failure] += 1
      if (failures.length < maxFailures) failures.push(run)
    }
    return onEach(run)
  })
  const answer: CheckReport = { ...report, failures }
  return answer
})

const failureOf = ({ differences, problem }: CheckedRun) => {
  switch (problem?._tag) {
    case "BrokenLine":
      return "brokenLineCount"
    case "UnknownWorkflow":
      return "unknownWorkflowCount"
    case "NewerFormat":
      return "newerSchemaCount"
    case undefined:
      if (differences.length === 0) return undefined
      return differences.some(({ _tag }) => _tag === "NewerSchema") ? "newerSchemaCount" : "differentCount"
  }
}

const filesOf = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const names = yield* Effect.mapError(
    fs.readDirectory(directory, { recursive: true }),
    toError(directory, "cannot be read")
  )
  const files = names.filter((name) => name.endsWith(extension)).toSorted()
  if (files.length > 0) return files
  return yield* new RecordedRunFilesError({
    path: directory,
    problem: `has no recorded run, that is, no file *${extension}: write some with \`refold recorded-runs export\``
  })
})

const checkFile = Effect.fnUntraced(function* (directory: string, file: string) {
  const path = (yield* Path.Path).join(directory, file)
  const fs = yield* FileSystem.FileSystem
  const unread: CheckedRun = { file, eventCount: 0, differences: [], differenceCount: 0, undecidedCount: 0 }
  const broken = (line: number, problem: string): CheckedRun => ({
    ...unread,
    problem: { _tag: "BrokenLine", line, problem }
  })
  const { size } = yield* Effect.mapError(fs.stat(path), toError(path, "cannot be read"))
  if (size > maxFileBytes)
    return broken(1, `the file is ${size} bytes long; a recorded run has at most ${maxFileBytes}`)
  const bytes = yield* Effect.mapError(fs.readFile(path), toError(path, "cannot be read"))
  const decoded = Result.try(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  if (Result.isFailure(decoded)) return broken(1, "the bytes of the file are not UTF-8: restore the file")
  const lines = decoded.success.split("\n")
  if (lines.at(-1) === "") lines.pop()

  const format = parse(FormatOnly, lines[0] ?? "")
  if (Result.isFailure(format)) return broken(1, format.failure)
  if (format.success.history > RecordedRun.formatVersion) {
    const problem: Problem = {
      _tag: "NewerFormat",
      formatVersion: format.success.history,
      knownVersion: RecordedRun.formatVersion
    }
    return { ...unread, problem }
  }
  const header = parse(RecordedRun.Header, lines[0] ?? "")
  if (Result.isFailure(header)) return broken(1, header.failure)
  const { workflow } = header.success
  const definition = yield* findDefinition(workflow)
  if (definition === undefined) {
    const problem: Problem = { _tag: "UnknownWorkflow", ...workflow }
    return { ...unread, workflow, problem }
  }
  return { ...unread, workflow, ...checkLines(definition, header.success, lines.slice(1)) }
})

/** The field that every version of the header has. */
const FormatOnly = Schema.Struct({ history: RecordedRun.Header.fields.history })

const checkLines = (
  definition: Workflow.Workflow,
  { eventCount: expectedCount }: RecordedRun.Header,
  lines: ReadonlyArray<string>
): Omit<CheckedRun, "file" | "workflow"> => {
  const differences: Array<RecordedRun.Difference> = []
  let differenceCount = 0
  let undecidedCount = 0
  let eventCount = 0
  let named: { readonly tenant?: string; readonly executionId?: string } = {}
  let cursor: RecordedRun.Cursor | undefined = RecordedRun.origin
  const answer = (problem?: string): Omit<CheckedRun, "file" | "workflow"> => ({
    ...named,
    eventCount,
    // The header is line 1.
    ...(problem === undefined ? {} : { problem: { _tag: "BrokenLine", line: eventCount + 2, problem } }),
    differences,
    differenceCount,
    undecidedCount
  })

  for (const text of lines) {
    const line = parse(RecordedRun.Line, text)
    if (Result.isFailure(line)) return answer(line.failure)
    const { event } = line.success
    if (event.position !== eventCount + 1) {
      return answer(`the event is at position ${event.position}, not ${eventCount + 1}: a line is missing or moved`)
    }
    named = { tenant: event.tenant, executionId: event.execution_id }
    const checked: RecordedRun.Checked = RecordedRun.check(definition, cursor, line.success)
    differenceCount += checked.differences.length
    differences.push(...checked.differences.slice(0, maxDifferences - differences.length))
    cursor = checked.cursor
    if (cursor === undefined) return answer()
    eventCount += 1
    if (isUndecided(line.success)) undecidedCount += 1
  }
  return eventCount === expectedCount
    ? answer()
    : answer(`the file ends here, but its header announces ${expectedCount} events: restore it, or export it again`)
}

const parse = <A>(schema: Schema.ConstraintCodec<A, unknown>, text: string): Result.Result<A, string> =>
  Result.try((): unknown => JSON.parse(text)).pipe(
    Result.mapError(() => "it is not JSON: restore the line, or export the run again"),
    Result.flatMap((value) =>
      Result.try({
        try: () => Schema.decodeUnknownResult(schema)(value),
        catch: () => "it is nested too deeply"
      })
    ),
    Result.flatMap((decoded) => Result.mapError(decoded, describe))
  )

const toStandard = SchemaIssue.makeFormatterStandardSchemaV1()

const describe = ({ issue }: Schema.SchemaError): string => {
  const [first] = toStandard(issue).issues
  const field = (first?.path ?? []).map(String).join(".")
  return `${field === "" ? "it" : field} does not fit the format of a recorded run: ${first?.message ?? issue._tag}`
}
