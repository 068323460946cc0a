/**
 * Recorded histories as files: a sample of a store's executions written to a directory, and such files replayed with the
 * definitions of this process, so that a team sees before a deploy what its change makes of what has happened.
 *
 * One JSON Lines file per execution: a header, then a line per event. See `RecordedRun` in core.
 */
import { Workflows } from "@refold/runtime"
import {
  type ExecutionHeader,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel,
  Identifier
} from "@refold/core"
import * as RecordedRun from "./RecordedRun.ts"
import * as RunSample from "./RunSample.ts"
import * as Redaction from "./Redaction.ts"
import { Effect, FileSystem, Option, Path, type PlatformError, Result, Schema, SchemaIssue, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import { hash } from "node:crypto"

/** Events of a history: an execution with more is recorded up to there. The beginning of a log is a log. */
export const maxEventCount = 1000

/** Bytes of a file: an execution that would need more is recorded as far as it fits. */
export const maxFileBytes = 8 * 1024 * 1024

export const maxSampleSize = 1000

const extension = ".jsonl"

/** A directory or file of histories cannot be read or written, or holds none. */
export class RecordedRunFilesError extends Schema.TaggedError<RecordedRunFilesError>()("RecordedRunFilesError", {
  path: Schema.String,
  problem: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.path} ${this.problem}`
  }
}

// --- Recording --------------------------------------------------------------------------------------------------------

export interface RecordOptions {
  readonly tenant: string
  /** Executions at most: 1 to {@link maxSampleSize}. */
  readonly sampleSize: number
  /** Made when it is not there. Files of other histories in it stay. */
  readonly directory: string
  /** Replace what identifies people by pseudonyms: see `Redaction` in core. */
  readonly isRedacted: boolean
  readonly onProgress?: (progress: RecordProgress) => Effect.Effect<void>
}

export interface RecordProgress {
  readonly phase: "choosing" | "writing"
  readonly executionCount: number
}

export interface RecordSummary {
  readonly historyCount: number
  readonly eventCount: number
  /** Histories that are only the beginning of their execution: it is longer than a history may be, or redaction ended it. */
  readonly shortenedCount: number
  /** Of these, histories that end before the first event that could not be folded once it was redacted. */
  readonly endedByRedactionCount: number
  /** Histories without states and decisions, since their definition is not registered here. */
  readonly unknownWorkflowCount: number
  /** Executions left out: of an unknown workflow, which cannot be redacted, or too large from their first event on. */
  readonly leftOutCount: number
  /** Events that this build would not decide as the log has them. A check expects no more of a later build. */
  readonly undecidedCount: number
}

/**
 * Writes a sample of a tenant's executions as histories, spread over workflows, states and lengths.
 *
 * **Details**
 *
 * The same executions give the same sample. A file is named after its workflow and a hash of its execution, so that an
 * export into the same directory replaces it; redacted, the names are new each time, as the pseudonyms are. Holds the sample's
 * headers and one history in memory.
 */
export const record = Effect.fn("RecordedRuns.record")(function* (options: RecordOptions) {
  const { directory, isRedacted, onProgress = () => Effect.void, sampleSize, tenant } = options
  yield* Effect.fromResult(Identifier.check({ tenant }))
  if (!Number.isInteger(sampleSize) || sampleSize < 1 || sampleSize > maxSampleSize) {
    return yield* new Identifier.InvalidInput({
      field: "sampleSize",
      problem: `must be a whole number from 1 to ${maxSampleSize}`
    })
  }
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const secret = yield* makeSecret
  const chosen = yield* choose(tenant, sampleSize, (executionCount) =>
    onProgress({ phase: "choosing", executionCount })
  )
  if (chosen.length > 0) {
    yield* Effect.mapError(fs.makeDirectory(directory, { recursive: true }), toError(directory, "cannot be made"))
  }
  const summary = {
    historyCount: 0,
    eventCount: 0,
    shortenedCount: 0,
    endedByRedactionCount: 0,
    unknownWorkflowCount: 0,
    leftOutCount: 0,
    undecidedCount: 0
  }
  for (const header of chosen) {
    const recorded = yield* recordOne(header, isRedacted ? secret : undefined)
    if (recorded === undefined) {
      summary.leftOutCount += 1
      continue
    }
    const file = path.join(directory, fileNameOf(header, isRedacted ? secret : ""))
    yield* Effect.mapError(fs.writeFileString(file, recorded.text), toError(file, "cannot be written"))
    summary.historyCount += 1
    summary.eventCount += recorded.eventCount
    summary.undecidedCount += recorded.undecidedCount
    if (recorded.eventCount < header.position) summary.shortenedCount += 1
    if (recorded.isEndedByRedaction) summary.endedByRedactionCount += 1
    if (!recorded.isKnown) summary.unknownWorkflowCount += 1
    yield* onProgress({ phase: "writing", executionCount: summary.historyCount })
  }
  const answer: RecordSummary = summary
  return answer
})

const makeSecret = Effect.flatMap(SecureRandom.SecureRandom, (random) => random.randomBytes(32)).pipe(
  Effect.map((bytes) => Buffer.from(bytes).toString("hex")),
  Effect.provide(SecureRandom.layerWebCrypto)
)

const choose = Effect.fnUntraced(function* (
  tenant: string,
  sampleSize: number,
  onProgress: (executionCount: number) => Effect.Effect<void>
) {
  const executions = yield* WorkflowExecutionModel
  const sample = RunSample.make<ExecutionHeader>(sampleSize)
  let seenCount = 0
  yield* Stream.runForEachArray(executions.list({ tenant }), (headers) => {
    headers.forEach(sample.add)
    seenCount += headers.length
    return onProgress(seenCount)
  })
  return sample.chosen()
})

/** The file of one execution; none when it is to be left out. */
const recordOne = Effect.fnUntraced(function* (header: ExecutionHeader, secret: string | undefined) {
  const events = yield* WorkflowEventModel
  const found = yield* findDefinition(header.workflow)
  if (found === undefined && secret !== undefined) return undefined
  const recording = new Recording(
    found,
    found === undefined || secret === undefined ? undefined : Redaction.redactor(found, secret)
  )
  const { executionId, position, tenant } = header
  yield* events.read({ tenant, executionId, to: Math.min(position, maxEventCount), batchSize: 100 }).pipe(
    Stream.takeWhile((event) => recording.take(event)),
    Stream.runDrain
  )
  const { eventCount } = recording
  if (eventCount === 0) return undefined
  const first: RecordedRun.Header = {
    history: RecordedRun.formatVersion,
    workflow: header.workflow,
    eventCount,
    isRedacted: secret !== undefined
  }
  const { isEndedByRedaction, undecidedCount } = recording
  return {
    text: recording.textAfter(first),
    eventCount,
    undecidedCount,
    isEndedByRedaction,
    isKnown: found !== undefined
  }
})

const findDefinition = Effect.fnUntraced(function* ({
  name,
  version
}: {
  readonly name: string
  readonly version: number
}) {
  const workflows = yield* Workflows
  return Option.getOrUndefined(yield* Effect.option(workflows.get(name, version)))
})

/** A history being written, event after event. */
class Recording {
  readonly #workflow: Workflow.Workflow | undefined
  readonly #redact: ((event: WorkflowEvent) => WorkflowEvent) | undefined
  readonly #lines: Array<string> = []
  #byteCount = 0
  #cursor: RecordedRun.Cursor | undefined = RecordedRun.origin
  undecidedCount = 0
  isEndedByRedaction = false

  constructor(workflow: Workflow.Workflow | undefined, redact: ((event: WorkflowEvent) => WorkflowEvent) | undefined) {
    this.#workflow = workflow
    this.#redact = redact
  }

  get eventCount(): number {
    return this.#lines.length
  }

  /** Whether the event is part of the history; the first that is not ends it. */
  take(event: WorkflowEvent): boolean {
    const line = this.#redact === undefined ? this.#observe(event) : this.#observe(this.#redact(event))
    if (line === undefined) {
      this.isEndedByRedaction = true
      return false
    }
    const text = JSON.stringify(line)
    this.#byteCount += Buffer.byteLength(text) + 1
    if (this.#byteCount > maxFileBytes - headerBytes) return false
    this.#lines.push(text)
    if (isUndecided(line)) this.undecidedCount += 1
    return true
  }

  textAfter(header: RecordedRun.Header): string {
    return `${[JSON.stringify(header), ...this.#lines].join("\n")}\n`
  }

  /** The event with what this build makes of it: alone, when it cannot read it; none, when that is redaction's doing. */
  #observe(event: WorkflowEvent): RecordedRun.Line | undefined {
    if (this.#workflow === undefined || this.#cursor === undefined) return { event }
    const replayed = RecordedRun.replay(this.#workflow, this.#cursor.state, event)
    if (Result.isFailure(replayed)) {
      if (this.#redact !== undefined) return undefined
      this.#cursor = undefined
      return { event }
    }
    const { cursor, line } = RecordedRun.record(this.#cursor, event, replayed.success)
    this.#cursor = cursor
    return line
  }
}

/** More than any header takes. */
const headerBytes = 4096

const isUndecided = ({ event, verdict }: RecordedRun.Line): boolean =>
  verdict !== undefined && !(verdict._tag === "Accepted" && verdict.toState === event.to_state)

/** The secret keeps a name from telling which execution it stands for. */
const fileNameOf = ({ executionId, tenant, workflow }: ExecutionHeader, secret: string): string => {
  const name = workflow.name.replaceAll(/[^\w-]+/g, "-").slice(0, 60)
  const digest = hash("sha256", JSON.stringify([secret, tenant, executionId])).slice(0, 16)
  return `${name}.v${workflow.version}.${digest}${extension}`
}

// --- Checking ---------------------------------------------------------------------------------------------------------

/** Why a history could not be checked, or not to its end. */
export type Problem =
  | { readonly _tag: "UnknownWorkflow"; readonly name: string; readonly version: number }
  | { readonly _tag: "NewerFormat"; readonly formatVersion: number; readonly knownVersion: number }
  | { readonly _tag: "BrokenLine"; readonly line: number; readonly problem: string }

/** A history, and what this build makes of it. Without problem and differences, it is read as it was. */
export interface CheckedHistory {
  /** Name of the file within the directory. */
  readonly file: string
  readonly workflow?: { readonly name: string; readonly version: number }
  readonly tenant?: string
  readonly executionId?: string
  /** Events that were replayed. */
  readonly eventCount: number
  readonly problem?: Problem
  /** The first {@link maxDifferences} of them. */
  readonly differences: ReadonlyArray<RecordedRun.Difference>
  readonly differenceCount: number
  /** Events whose recorded decision is not what the log says, as in legacy or redacted ones: they say little. */
  readonly undecidedCount: number
}

export interface CheckReport {
  readonly historyCount: number
  readonly eventCount: number
  /** Histories that are not read as they were; each is in one of the four counts that follow. */
  readonly failedCount: number
  readonly differentCount: number
  readonly unknownWorkflowCount: number
  /** Histories of an event schema, or of a format, that this build does not know yet. */
  readonly newerSchemaCount: number
  readonly brokenLineCount: number
  readonly differenceCount: number
  readonly undecidedCount: number
  /** The first {@link maxFailures} of the histories that failed. */
  readonly failures: ReadonlyArray<CheckedHistory>
}

export const maxDifferences = 100

export const maxFailures = 100

/**
 * Replays every history of a directory and what is below it, in order of names, with the registered definitions.
 *
 * **Errors**
 *
 * Those of the directory alone: it cannot be read, or holds no history. What is wrong with a history is in its answer.
 */
export const checkEach = (
  directory: string
): Stream.Stream<CheckedHistory, RecordedRunFilesError, FileSystem.FileSystem | Path.Path | Workflows> =>
  Stream.unwrap(
    Effect.map(filesOf(directory), (files) =>
      Stream.mapEffect(Stream.fromIterable(files), (file) => checkFile(directory, file))
    )
  )

/** The same, counted: what a test asserts on. */
export const check = Effect.fn("RecordedRuns.check")(function* <E = never, R = never>(
  directory: string,
  onEach: (history: CheckedHistory) => Effect.Effect<void, E, R> = () => Effect.void
) {
  const report = {
    historyCount: 0,
    eventCount: 0,
    failedCount: 0,
    differentCount: 0,
    unknownWorkflowCount: 0,
    newerSchemaCount: 0,
    brokenLineCount: 0,
    differenceCount: 0,
    undecidedCount: 0
  }
  const failures: Array<CheckedHistory> = []
  yield* Stream.runForEach(checkEach(directory), (history) => {
    report.historyCount += 1
    report.eventCount += history.eventCount
    report.differenceCount += history.differenceCount
    report.undecidedCount += history.undecidedCount
    const failure = failureOf(history)
    if (failure !== undefined) {
      report.failedCount += 1
      report[failure] += 1
      if (failures.length < maxFailures) failures.push(history)
    }
    return onEach(history)
  })
  const answer: CheckReport = { ...report, failures }
  return answer
})

const failureOf = ({ differences, problem }: CheckedHistory) => {
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
    problem: `holds no history, that is, no file *${extension}: write some with \`refold recorded-runs export\``
  })
})

const checkFile = Effect.fnUntraced(function* (directory: string, file: string) {
  const path = (yield* Path.Path).join(directory, file)
  const fs = yield* FileSystem.FileSystem
  const unread: CheckedHistory = { file, eventCount: 0, differences: [], differenceCount: 0, undecidedCount: 0 }
  const broken = (line: number, problem: string): CheckedHistory => ({
    ...unread,
    problem: { _tag: "BrokenLine", line, problem }
  })
  const { size } = yield* Effect.mapError(fs.stat(path), toError(path, "cannot be read"))
  if (size > maxFileBytes) return broken(1, `the file is ${size} bytes long; a history has at most ${maxFileBytes}`)
  const bytes = yield* Effect.mapError(fs.readFile(path), toError(path, "cannot be read"))
  const decoded = Result.try(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  if (Result.isFailure(decoded)) return broken(1, "the bytes of the file are not UTF-8: restore it")
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

/** What every version of the header has. */
const FormatOnly = Schema.Struct({ history: RecordedRun.Header.fields.history })

const checkLines = (
  definition: Workflow.Workflow,
  { eventCount: expectedCount }: RecordedRun.Header,
  lines: ReadonlyArray<string>
): Omit<CheckedHistory, "file" | "workflow"> => {
  const differences: Array<RecordedRun.Difference> = []
  let differenceCount = 0
  let undecidedCount = 0
  let eventCount = 0
  let named: { readonly tenant?: string; readonly executionId?: string } = {}
  let cursor: RecordedRun.Cursor | undefined = RecordedRun.origin
  const answer = (problem?: string): Omit<CheckedHistory, "file" | "workflow"> => ({
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
    : answer(`the file ends here, but its header tells of ${expectedCount} events: restore it, or export it again`)
}

const parse = <A>(schema: Schema.ConstraintCodec<A, unknown>, text: string): Result.Result<A, string> =>
  Result.try((): unknown => JSON.parse(text)).pipe(
    Result.mapError(() => "it is not JSON: restore the line, or export the history again"),
    Result.flatMap((value) =>
      Result.try({
        try: () => Schema.decodeUnknownResult(schema)(value),
        catch: () => "it is nested too deep"
      })
    ),
    Result.flatMap((decoded) => Result.mapError(decoded, describe))
  )

const toStandard = SchemaIssue.makeFormatterStandardSchemaV1()

const describe = ({ issue }: Schema.SchemaError): string => {
  const [first] = toStandard(issue).issues
  const place = (first?.path ?? []).map(String).join(".")
  return `${place === "" ? "it" : place} is not as a history has it: ${first?.message ?? issue._tag}`
}

const toError = (path: string, problem: string) => (cause: PlatformError.PlatformError) =>
  new RecordedRunFilesError({
    path,
    problem: `${problem} (${cause.reason._tag}): check the name and the permissions`,
    cause
  })
