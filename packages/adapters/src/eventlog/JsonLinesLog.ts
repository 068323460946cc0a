/** Event logs in JSON Lines, as `refold export --jsonl` writes them: one event per line. */
import { type ImportedRow, Json } from "@refold/core"
import { Result, type Schema, type Stream } from "effect"
import { type Problem, maxRowLength } from "./EventLogError.ts"
import * as EventTime from "./EventTime.ts"
import * as LogRow from "./LogRow.ts"
import * as RowReader from "./RowReader.ts"

/**
 * The rows of a log, one object per line; blank lines are skipped.
 *
 * **Details**
 *
 * Reads `execution_id`, `event_name` and `created_at`, and, if they are neither absent nor null, `event_type`,
 * `user_id` and `payload`. Ignores the other fields of an exported event. All events must have the same `tenant`, if
 * they have one: executions of two tenants could have one id.
 */
export const read = (text: Stream.Stream<string, Problem>): Stream.Stream<ImportedRow, Problem> =>
  RowReader.run(text, open)

const names: LogRow.Names = {
  case: "execution_id",
  activity: "event_name",
  time: "created_at",
  resource: "user_id",
  type: "event_type"
}

const open = (): RowReader.RowReader<string> => {
  let rest = ""
  let line = 0
  let rowCount = 0
  let tenant: string | undefined

  const toRow = (text: string): Result.Result<ImportedRow, Problem> => {
    const parsed = parseLine(text, line)
    if (Result.isFailure(parsed)) return Result.fail(parsed.failure)
    const record = parsed.success
    for (const name of ["tenant", ...Object.values(names)]) {
      if (!isText(record[name])) return Result.fail(notText(line, name))
    }
    const { payload = null } = record
    const members = payload === null ? {} : Json.asObject(payload)
    if (members === undefined) return Result.fail(notObject(line, "payload"))
    const named = toText(record["tenant"])
    tenant ??= named
    if (named !== undefined && named !== tenant) return Result.fail(secondTenant(line))
    return LogRow.make(names, EventTime.iso, {
      case: toText(record[names.case]),
      activity: toText(record[names.activity]),
      time: toText(record[names.time]),
      resource: toText(record[names.resource]),
      type: toText(record[names.type]),
      payload: Object.entries(members),
      place: rowCount + 1,
      line
    })
  }

  const readLines = (lines: ReadonlyArray<string>): RowReader.Step => {
    const rows: Array<ImportedRow> = []
    for (const text of lines) {
      line++
      if (text.length > maxRowLength) return { rows, problem: tooLong(line) }
      if (text.trim() === "") continue
      const row = toRow(text)
      if (Result.isFailure(row)) return { rows, problem: row.failure }
      rowCount++
      rows.push(row.success)
    }
    return { rows }
  }

  return {
    write: (text) => {
      const end = text.lastIndexOf("\n")
      if (end === -1) {
        rest += text
        return rest.length > maxRowLength ? { rows: [], problem: tooLong(line + 1) } : { rows: [] }
      }
      const lines = (rest + text.slice(0, end)).split("\n")
      rest = text.slice(end + 1)
      return readLines(lines)
    },
    end: () => readLines([rest])
  }
}

const parseLine = (text: string, line: number): Result.Result<Schema.JsonObject, Problem> => {
  const parsed = Result.try({
    try: (): unknown => JSON.parse(text),
    catch: (cause): Problem => ({
      reason: "InvalidJson",
      line,
      problem: "the line is not JSON: write one whole object per line",
      cause
    })
  })
  if (Result.isFailure(parsed)) return Result.fail(parsed.failure)
  const checked = Json.check(parsed.success, Number.POSITIVE_INFINITY)
  if (Result.isFailure(checked)) {
    const { path, problem } = checked.failure
    return Result.fail({ reason: "InvalidText", line, column: path.slice(1), problem: `the value ${problem}` })
  }
  const record = Json.asObject(checked.success)
  return record === undefined
    ? Result.fail({ reason: "InvalidJson", line, problem: "the line is not a JSON object: write one event per line" })
    : Result.succeed(record)
}

const isText = (value: Json.Json | undefined): boolean =>
  value === undefined || value === null || typeof value === "string"

const toText = (value: Json.Json | undefined): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined

const notText = (line: number, column: string): Problem => ({
  reason: "InvalidValue",
  line,
  column,
  problem: "the value is not text: write it in quotes"
})

const notObject = (line: number, column: string): Problem => ({
  reason: "InvalidValue",
  line,
  column,
  problem: "the value is not an object: write {…}, or leave it out"
})

const secondTenant = (line: number): Problem => ({
  reason: "InvalidValue",
  line,
  column: "tenant",
  problem: "another tenant begins: split the file, one tenant each"
})

const tooLong = (line: number): Problem => ({
  reason: "TooLarge",
  line,
  problem: `the line is longer than ${maxRowLength} characters: write one event per line`
})
