/** Shared by recording and checking: the limits of a recorded run's file, its error, and the lookup of its definition. */
import { Workflows } from "@refold/runtime"
import type { WorkflowRef } from "@refold/core"
import { Effect, Option, type PlatformError, Schema } from "effect"
import type * as RecordedRun from "./RecordedRun.ts"

/** Maximum events of a recorded run. A longer execution is recorded up to here: the beginning of a log is a log. */
export const maxEventCount = 1000

/** Maximum bytes of a file. An execution that needs more is recorded as far as it fits. */
export const maxFileBytes = 8 * 1024 * 1024

export const extension = ".jsonl"

/** A directory or file of recorded runs cannot be read or written, or the directory has none. */
export class RecordedRunFilesError extends Schema.TaggedError<RecordedRunFilesError>()("RecordedRunFilesError", {
  path: Schema.String,
  problem: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.path} ${this.problem}`
  }
}

export const toError = (path: string, problem: string) => (cause: PlatformError.PlatformError) =>
  new RecordedRunFilesError({
    path,
    problem: `${problem} (${cause.reason._tag}): check the name and the permissions`,
    cause
  })

/** The definition of a workflow, if this process has registered it. */
export const findDefinition = Effect.fnUntraced(function* ({ name, version }: WorkflowRef) {
  const workflows = yield* Workflows
  return Option.getOrUndefined(yield* Effect.option(workflows.get(name, version)))
})

/** Whether the recorded decision is not the one in the log. */
export const isUndecided = ({ event, verdict }: RecordedRun.Line): boolean =>
  verdict !== undefined && !(verdict._tag === "Accepted" && verdict.toState === event.to_state)
