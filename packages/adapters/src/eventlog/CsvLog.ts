/** Event logs in CSV: one row per event, columns named by a header. */
import type { ImportedRow } from "@refold/core"
import { type Array, Result, Stream } from "effect"
import { Csv } from "effect/encoding"
import { type Problem, maxRowLength, quote } from "./EventLogError.ts"
import * as EventTime from "./EventTime.ts"
import * as LogRow from "./LogRow.ts"
import * as RowReader from "./RowReader.ts"

export interface Options {
  /** One character; a comma by default. */
  readonly delimiter?: string | undefined
  readonly columns?: Columns | undefined
  /** Unicode tokens such as `dd-MM-yyyy HH:mm`; ISO 8601 by default. A time without offset is UTC. */
  readonly timeFormat?: string | undefined
  /** Values that mean "absent", beside the empty one. */
  readonly missing?: ReadonlyArray<string> | undefined
}

/**
 * Names of the columns. The defaults are those of XES and pm4py: `case:concept:name`, `concept:name`, `time:timestamp`,
 * `org:resource`, `lifecycle:transition`.
 *
 * **Details**
 *
 * A log must have case, activity and time. It must have resource and type if they are named here.
 */
export interface Columns {
  readonly case?: string | undefined
  readonly activity?: string | undefined
  readonly time?: string | undefined
  readonly resource?: string | undefined
  readonly type?: string | undefined
}

/** The rows of a log. Values are never trimmed. The columns that have no role become the payload. */
export const read = (text: Stream.Stream<string, Problem>, options: Options): Stream.Stream<ImportedRow, Problem> => {
  const { columns = {}, delimiter = ",", timeFormat } = options
  // The CSV decoder would die of a bad delimiter.
  if (delimiter.length !== 1 || /["\r\n]/.test(delimiter)) return Stream.fail(badDelimiter(delimiter))
  const toInstant = timeFormat === undefined ? Result.succeed(EventTime.iso) : EventTime.fromFormat(timeFormat)
  if (Result.isFailure(toInstant)) return Stream.fail(toInstant.failure)
  const missing = new Set(options.missing).add("")

  const records = text.pipe(
    Stream.pipeThroughChannelOrFail(Csv.decodeString({ delimiter, maxRecordSize: maxRowLength })),
    Stream.mapError((error) => (Csv.isCsvError(error) ? toProblem(error) : error)),
    Stream.chunks
  )
  return RowReader.run(records, () => open({ columns, missing, toInstant: toInstant.success }))
}

const badDelimiter = (delimiter: string): Problem => ({
  reason: "InvalidOption",
  problem: `the delimiter ${quote(delimiter)} is not accepted: give one character other than a quote or a line break`
})

const toProblem = (error: Csv.CsvError): Problem =>
  error.kind === "RecordSize"
    ? {
        reason: "TooLarge",
        line: error.line,
        problem: `the row that starts here is longer than ${maxRowLength} characters: look for a quote that is not closed`
      }
    : {
        reason: "BrokenCsv",
        line: error.line,
        problem: `${error.message} in field ${error.column ?? 1}: quote the whole field, and double the quotes inside it`
      }

/** The index of each column. */
interface Layout {
  readonly names: LogRow.Names
  readonly width: number
  readonly case: number
  readonly activity: number
  readonly time: number
  readonly resource: number | undefined
  readonly type: number | undefined
  readonly payload: ReadonlyArray<readonly [name: string, index: number]>
}

const open = (options: {
  readonly columns: Columns
  readonly missing: ReadonlySet<string>
  readonly toInstant: EventTime.EventTime
}): RowReader.RowReader<Array.NonEmptyReadonlyArray<Csv.Row>> => {
  let layout: Layout | undefined
  let line = 1
  let rowCount = 0

  const toRow = (layout: Layout, cells: Csv.Row): Result.Result<ImportedRow, Problem> => {
    if (cells.length !== layout.width) return Result.fail(wrongWidth(line, layout.width, cells.length))
    const cellWithNul = cells.findIndex((cell) => cell.includes("\0"))
    if (cellWithNul !== -1) return Result.fail(holdsNul(line, cellWithNul))
    const valueAt = (index: number | undefined): string | undefined => {
      const cell = index === undefined ? undefined : cells[index]
      return cell === undefined || options.missing.has(cell) ? undefined : cell
    }
    const payload: Array<readonly [string, string]> = []
    for (const [name, index] of layout.payload) {
      const value = valueAt(index)
      if (value !== undefined) payload.push([name, value])
    }
    return LogRow.make(layout.names, options.toInstant, {
      case: valueAt(layout.case),
      activity: valueAt(layout.activity),
      time: valueAt(layout.time),
      resource: valueAt(layout.resource),
      type: valueAt(layout.type),
      payload,
      place: rowCount + 1,
      line
    })
  }

  return {
    write: (records) => {
      const rows: Array<ImportedRow> = []
      for (const cells of records) {
        if (layout === undefined) {
          const found = toLayout(cells, line, options.columns)
          if (Result.isFailure(found)) return { rows, problem: found.failure }
          layout = found.success
        } else if (!isBlank(cells)) {
          const row = toRow(layout, cells)
          if (Result.isFailure(row)) return { rows, problem: row.failure }
          rowCount++
          rows.push(row.success)
        }
        line += 1 + countLineBreaks(cells)
      }
      return { rows }
    },
    end: () => ({ rows: [] })
  }
}

/** The decoder returns a blank line as one empty cell. A row of a log has three columns at least. */
const isBlank = (cells: Csv.Row): boolean => cells.length === 1 && cells[0] === ""

const countLineBreaks = (cells: Csv.Row): number => {
  let count = 0
  for (const cell of cells) {
    if (cell.includes("\n") || cell.includes("\r")) count += cell.split(/\r\n|\r|\n/).length - 1
  }
  return count
}

const wrongWidth = (line: number, expected: number, found: number): Problem => ({
  reason: "BrokenCsv",
  line,
  problem: `the row has ${found} fields where the header has ${expected}: add or remove some, or quote a field that holds the delimiter`
})

const holdsNul = (line: number, index: number): Problem => ({
  reason: "InvalidText",
  line,
  column: String(index + 1),
  problem: "the value holds NUL: remove it"
})

const toLayout = (header: Csv.Row, line: number, columns: Columns): Result.Result<Layout, Problem> => {
  const indexes = new Map(header.map((name, index) => [name, index] as const))
  const names: LogRow.Names = {
    case: columns.case ?? "case:concept:name",
    activity: columns.activity ?? "concept:name",
    time: columns.time ?? "time:timestamp",
    resource: columns.resource ?? "org:resource",
    type: columns.type ?? "lifecycle:transition"
  }
  const nul = header.findIndex((name) => name.includes("\0"))
  if (nul !== -1) return Result.fail(holdsNul(line, nul))
  const twice = header.find((name, index) => indexes.get(name) !== index)
  if (twice !== undefined) return Result.fail(namedTwice(line, twice))
  for (const name of header) {
    const bad = LogRow.findBadKey(line, name)
    if (bad !== undefined) return Result.fail(bad)
  }
  const caseIndex = indexes.get(names.case)
  const activity = indexes.get(names.activity)
  const time = indexes.get(names.time)
  const resource = indexes.get(names.resource)
  const type = indexes.get(names.type)
  const lacks = (role: string, name: string): Result.Result<Layout, Problem> =>
    Result.fail(missingColumn(line, role, name, header))
  if (caseIndex === undefined) return lacks("case", names.case)
  if (activity === undefined) return lacks("activity", names.activity)
  if (time === undefined) return lacks("time", names.time)
  if (resource === undefined && columns.resource !== undefined) return lacks("resource", names.resource)
  if (type === undefined && columns.type !== undefined) return lacks("type", names.type)

  const taken = new Set([caseIndex, activity, time, resource, type])
  const payload = header.map((name, index) => [name, index] as const).filter(([, index]) => !taken.has(index))
  return Result.succeed({ names, width: header.length, case: caseIndex, activity, time, resource, type, payload })
}

const namedTwice = (line: number, name: string): Problem => ({
  reason: "BrokenCsv",
  line,
  column: name,
  problem: "the header has this name twice: rename one"
})

const missingColumn = (line: number, role: string, name: string, header: Csv.Row): Problem => {
  const there = header.slice(0, 50).map(quote).join(", ")
  const more = header.length > 50 ? ` and ${header.length - 50} more` : ""
  const advice = header.length === 1 ? "give the right delimiter" : `name the column of the ${role}`
  return {
    reason: "MissingColumn",
    line,
    column: name,
    problem: `the header has no such column: ${advice}; there is ${there}${more}`
  }
}
