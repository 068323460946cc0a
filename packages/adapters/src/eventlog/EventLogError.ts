/** The one error of reading a foreign event log: what is wrong with the file, where, and what to do. */
import { Schema } from "effect"

/**
 * Why a log is refused, for branching.
 *
 * **Details**
 *
 * `MissingColumn` is a column the header lacks, `MissingValue` a row without case, activity or time. `InvalidText` is
 * what Postgres or JSON could not hold (bytes that are not UTF-8, NUL, half a surrogate pair, a key `__proto__`).
 * `TooLarge` is a single row past {@link maxRowLength}. `InvalidOption` blames the caller, all others the file.
 */
export const Reason = Schema.Literals([
  "FileUnreadable",
  "InvalidOption",
  "WrongFormat",
  "EmptyLog",
  "BrokenGzip",
  "BrokenXml",
  "ForbiddenXml",
  "BrokenCsv",
  "InvalidJson",
  "InvalidText",
  "InvalidTime",
  "InvalidValue",
  "MissingColumn",
  "MissingValue",
  "TooLarge"
])
export type Reason = typeof Reason.Type

/** The most one row may hold, in UTF-16 code units (16 Mi): a missing quote then ends in an error, not in all of memory. */
export const maxRowLength = 16 * 1024 * 1024

/** What is wrong, before it is known in which file. `problem` is the rest of a sentence that begins with the place. */
export const Problem = Schema.Struct({
  reason: Reason,
  /** 1-based line of the unpacked file. */
  line: Schema.optionalKey(Schema.Int),
  /** The CSV column, XES key or JSON field. */
  column: Schema.optionalKey(Schema.String),
  problem: Schema.String,
  /** The error of a library underneath: for the log, never for branching. */
  cause: Schema.optionalKey(Schema.Defect())
})
export type Problem = typeof Problem.Type

export const isProblem = Schema.is(Problem)

/** The log cannot be read from here on; the rows before came through. */
export class EventLogError extends Schema.TaggedError<EventLogError>()("EventLogError", {
  path: Schema.String,
  ...Problem.fields
}) {
  override get message(): string {
    const line = this.line === undefined ? "" : `, line ${this.line}`
    const column = this.column === undefined ? "" : `, column ${quote(this.column)}`
    return `${this.path}${line}${column}: ${this.problem}`
  }
}

/** A value of the file as it may stand in a message: short, and on one line. */
export const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
