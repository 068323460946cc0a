/**
 * Foreign event logs as streams of rows: XES, CSV and JSON Lines, plain or gzip, in constant memory.
 *
 * Rows come in file order. The import sorts them into executions.
 */
import type { ImportedRow } from "@refold/core"
import { type FileSystem, Stream } from "effect"
import * as CsvLog from "./CsvLog.ts"
import { EventLogError, type Problem } from "./EventLogError.ts"
import * as JsonLinesLog from "./JsonLinesLog.ts"
import * as LogFormat from "./LogFormat.ts"
import * as LogText from "./LogText.ts"
import { noEvents } from "./RowReader.ts"
import * as XesLog from "./XesLog.ts"

export type Columns = CsvLog.Columns

/** A log file, and how to read it. Without a format, the options of the format that is found apply. */
export type Source =
  | ({ readonly path: string; readonly format?: undefined } & CsvLog.Options & XesLog.Options)
  | ({ readonly path: string; readonly format: "csv" } & CsvLog.Options)
  | ({ readonly path: string; readonly format: "xes" } & XesLog.Options & Without<Omit<CsvLog.Options, "missing">>)
  | ({ readonly path: string; readonly format: "jsonl" } & Without<CsvLog.Options>)

type Without<Options> = { readonly [Name in keyof Options]?: undefined }

/**
 * The rows of a log file, in file order.
 *
 * **Details**
 *
 * The format is the given one, or else that of the name (`.csv`, `.xes`, `.jsonl`, `.ndjson`, also before `.gz`), or
 * else that of the content. gzip is recognised by the content. Memory does not grow with the file: one row has at most
 * 16 Mi characters. Every run of the stream reads the file again.
 *
 * **Errors**
 *
 * `EventLogError` at the first problem. The rows before it come through, except, where the file itself is damaged
 * (gzip, UTF-8, CSV quotes), those of the same 64 KiB.
 */
export const read = (source: Source): Stream.Stream<ImportedRow, EventLogError, FileSystem.FileSystem> =>
  LogText.read(source.path).pipe(
    LogText.peek(
      () => "",
      (head) => head.length < maxBlanks && head.trim() === "",
      (head, text) => head + text,
      (head, text) => readText(source, head, text)
    ),
    Stream.mapError((problem) => new EventLogError({ path: source.path, ...problem }))
  )

/** A log that begins with more blanks than this counts as empty. */
const maxBlanks = 64 * 1024

const readText = (
  source: Source,
  head: string,
  text: Stream.Stream<string, Problem>
): Stream.Stream<ImportedRow, Problem> => {
  if (head.trim() === "") return Stream.fail(noEvents)
  const format = source.format ?? LogFormat.fromName(source.path) ?? LogFormat.fromText(head)
  const contradiction = LogFormat.findContradiction(format, head)
  if (contradiction !== undefined) return Stream.fail(contradiction)
  switch (format) {
    case "csv":
      return CsvLog.read(text, source)
    case "xes":
      return XesLog.read(text, source)
    case "jsonl":
      return JsonLinesLog.read(text)
  }
}
