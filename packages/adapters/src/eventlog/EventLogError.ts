/** The only error of reading a foreign event log: what is wrong with the file, where, and what to do. */
import { Schema } from "effect"

/**
 * Why a log is refused, for branching.
 *
 * **Details**
 *
 * `MissingColumn`: the header lacks a column. `MissingValue`: a row lacks its case, activity or time. `InvalidText`:
 * PostgreSQL or JSON could not hold the text (bytes that are not UTF-8, NUL, half a surrogate pair, a key `__proto__`).
 * `TooLarge`: a single row is longer than {@link maxRowLength}. `InvalidOption` is the caller's mistake; all others are
 * the file's.
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

/** The longest row, in UTF-16 code units (16 Mi). Without a bound, a missing quote would fill the memory. */
export const maxRowLength = 16 * 1024 * 1024

/**
 * A problem, without the name of the file. `problem` is the rest of a sentence that begins with the file and the line.
 */
export const Problem = Schema.Struct({
  reason: Reason,
  /** 1-based line of the unpacked file. */
  line: Schema.optionalKey(Schema.Int),
  /** The CSV column, XES key or JSON field. */
  column: Schema.optionalKey(Schema.String),
  problem: Schema.String,
  /** The error of the library: for the log, never for branching. */
  cause: Schema.optionalKey(Schema.Defect())
})
export type Problem = typeof Problem.Type

export const isProblem = Schema.is(Problem)

/** The log cannot be read any further; the rows before came through. */
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

/** A value of the file for a message: short, and on one line. */
export const quote = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
