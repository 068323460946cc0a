/**
 * Foreign event logs as streams of rows: XES, CSV and JSON Lines, plain or gzip, in constant memory.
 *
 * Rows come in file order; sorting them into executions is the import's work.
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
 * The format is the one given, else the one of the name (`.csv`, `.xes`, `.jsonl`, `.ndjson`, `.gz` behind it or not),
 * else the one the content looks like. gzip is told by the content. Memory does not grow with the file: one row holds
 * at most 16 Mi characters. Every run of the stream reads the file anew.
 *
 * **Errors**
 *
 * `EventLogError`, at the first thing wrong; the rows before it come through, except those of the same 64 KiB where
 * the file itself is damaged (gzip, UTF-8, CSV quotes).
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

/** How long a log may go on with nothing but blanks before its format is taken as told. */
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
