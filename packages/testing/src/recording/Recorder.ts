/** Records runs: writes a sample of a store's executions to a directory, one JSON Lines file per execution. */
import {
  type ExecutionHeader,
  Identifier,
  type Workflow,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel
} from "@refold/core"
import { Effect, FileSystem, Path, Result, Stream } from "effect"
import { SecureRandom } from "effect/crypto"
import { hash } from "node:crypto"
import * as RecordedRun from "./RecordedRun.ts"
import * as Redaction from "./Redaction.ts"
import { extension, findDefinition, isUndecided, maxEventCount, maxFileBytes, toError } from "./RunFiles.ts"
import * as RunSample from "./RunSample.ts"

/** Maximum executions of one recording. */
export const maxSampleSize = 1000

export interface RecordOptions {
  readonly tenant: string
  /** Maximum number of executions: 1 to {@link maxSampleSize}. */
  readonly sampleSize: number
  /** Created if it does not exist. Other files in it stay. */
  readonly directory: string
  /** Whether pseudonyms replace what identifies people: see `Redaction`. */
  readonly isRedacted: boolean
  readonly onProgress?: (progress: RecordProgress) => Effect.Effect<void>
}

export interface RecordProgress {
  readonly phase: "choosing" | "writing"
  readonly executionCount: number
}

export interface RecordSummary {
  readonly runCount: number
  readonly eventCount: number
  /** Runs that hold only the first events of their execution: it exceeds the limits of a run, or redaction ended the run. */
  readonly shortenedCount: number
  /** Shortened runs that end before an event that no longer folds once it is redacted. */
  readonly endedByRedactionCount: number
  /** Runs without states and decisions, because their definition is not registered here. */
  readonly unknownWorkflowCount: number
  /** Executions that were left out: unknown workflows cannot be redacted, and a first event may be too large. */
  readonly leftOutCount: number
  /** Events that this build decides differently from the log. A check expects the same decision from a later build. */
  readonly undecidedCount: number
}

/**
 * Writes a sample of a tenant's executions as recorded runs, spread over workflows, states and lengths.
 *
 * **Details**
 *
 * The same executions give the same sample. The name of a file contains the workflow and a hash of the execution, so a second
 * export into the same directory replaces the file. With redaction, names and pseudonyms are new each time. Memory holds the
 * headers of the sample and one run.
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
    yield* Effect.mapError(fs.makeDirectory(directory, { recursive: true }), toError(directory, "cannot be created"))
  }
  const summary = {
    runCount: 0,
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
    summary.runCount += 1
    summary.eventCount += recorded.eventCount
    summary.undecidedCount += recorded.undecidedCount
    if (recorded.eventCount < header.position) summary.shortenedCount += 1
    if (recorded.isEndedByRedaction) summary.endedByRedactionCount += 1
    if (!recorded.isKnown) summary.unknownWorkflowCount += 1
    yield* onProgress({ phase: "writing", executionCount: summary.runCount })
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

/** The file of one execution; undefined when the execution is left out. */
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

/** A run that is being recorded, event by event. */
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

  /** Adds an event, and returns whether it is part of the run. The first that is not ends the run. */
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

  /** The event with its outcome. The event alone if this build cannot fold it; undefined if redaction is the reason. */
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

/** More bytes than any header takes. */
const headerBytes = 4096

/** The secret prevents guesses at the execution from the name of its file. */
const fileNameOf = ({ executionId, tenant, workflow }: ExecutionHeader, secret: string): string => {
  const name = workflow.name.replaceAll(/[^\w-]+/g, "-").slice(0, 60)
  const digest = hash("sha256", JSON.stringify([secret, tenant, executionId])).slice(0, 16)
  return `${name}.v${workflow.version}.${digest}${extension}`
}
