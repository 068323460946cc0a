/** Makes one row of a log, of any format: from the texts of its fields to an `ImportedRow`, or a problem. */
import { Identifier, type ImportedRow, type Json, defaultEventType } from "@refold/core"
import { Result } from "effect"
import { type Problem, quote } from "./EventLogError.ts"
import type { EventTime } from "./EventTime.ts"

/** The file's names of the fields that have a role. */
export interface Names {
  readonly case: string
  readonly activity: string
  readonly time: string
  readonly resource: string
  readonly type: string
}

/** The texts of a row; undefined where the row has none. */
export interface Fields {
  readonly case: string | undefined
  readonly activity: string | undefined
  readonly time: string | undefined
  readonly resource: string | undefined
  readonly type: string | undefined
  readonly payload: ReadonlyArray<readonly [name: string, value: Json.Json]>
  readonly place: number
  readonly line: number
}

export const make = (names: Names, toInstant: EventTime, fields: Fields): Result.Result<ImportedRow, Problem> => {
  const { line, place, resource: user_id, type: event_type = defaultEventType } = fields
  const missing = (column: string): Result.Result<ImportedRow, Problem> =>
    Result.fail({ reason: "MissingValue", line, column, problem: "the value is missing: every row needs one" })

  if (fields.case === undefined) return missing(names.case)
  if (fields.activity === undefined) return missing(names.activity)
  if (fields.time === undefined) return missing(names.time)
  const unfit =
    findUnfit(line, names.case, fields.case) ??
    findUnfit(line, names.activity, fields.activity) ??
    findUnfit(line, names.type, event_type) ??
    (user_id === undefined ? undefined : findUnfit(line, names.resource, user_id))
  if (unfit !== undefined) return Result.fail(unfit)
  const created_at = toInstant(fields.time)
  if (Result.isFailure(created_at)) {
    return Result.fail({ reason: "InvalidTime", line, column: names.time, problem: created_at.failure })
  }
  return Result.succeed({
    execution_id: fields.case,
    event_name: fields.activity,
    event_type,
    ...(user_id === undefined ? {} : { user_id }),
    // `fromEntries` defines own members, so no key of a file reaches a setter.
    ...(fields.payload.length === 0 ? {} : { payload: Object.fromEntries(fields.payload) }),
    created_at: created_at.success,
    place,
    line
  })
}

const findUnfit = (line: number, column: string, text: string): Problem | undefined => {
  const problem = Identifier.problem(text)
  if (problem === undefined) return undefined
  const reason = text.length > Identifier.maxLength ? "InvalidValue" : "InvalidText"
  return { reason, line, column, problem: `${quote(text)} ${problem}` }
}

/** The problem of a name that a payload may not use. */
export const findBadKey = (line: number, key: string): Problem | undefined =>
  key === "__proto__"
    ? { reason: "InvalidText", line, column: key, problem: "the name __proto__ is not accepted: rename it" }
    : undefined
