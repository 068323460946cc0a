/** Turns the text of a time into an instant: ISO 8601, or a format of Unicode tokens. */
import { utc } from "@date-fns/utc"
import { Instant } from "@refold/core"
// By path: loading the index takes most of the time of a short command, for its three hundred modules.
import { format } from "date-fns/format"
import { parse } from "date-fns/parse"
import { Result } from "effect"
import { type Problem, quote } from "./EventLogError.ts"

/** The instant, or what is wrong with the text: the end of a sentence. */
export type EventTime = (text: string) => Result.Result<Instant.Instant, string>

export const iso: EventTime = (text) => Result.mapError(Instant.parse(text), (invalid) => invalid.message)

/**
 * Times written in a format of Unicode tokens such as `dd-MM-yyyy HH:mm`.
 *
 * **Details**
 *
 * UTC unless the format has an offset (`XXX`). Two-digit years (`yy`) are 1950 to 2049. English names only.
 *
 * **Errors**
 *
 * `InvalidOption` if the tokens are unknown, or do not name year, month and day.
 */
export const fromFormat = (timeFormat: string): Result.Result<EventTime, Problem> => {
  const refuse = (cause?: unknown): Problem => ({
    reason: "InvalidOption",
    problem: `the time format ${quote(timeFormat)} does not name a day: write Unicode tokens, where yyyy is the year and dd the day, as in dd-MM-yyyy HH:mm`,
    cause
  })
  if (!withoutWeekYear.test(timeFormat)) return Result.fail(refuse())
  const instantOf = (text: string): string | null =>
    new Date(parse(text, timeFormat, reference, { in: utc }).getTime()).toJSON()
  return Result.try({
    try: () => instantOf(format(sample, timeFormat, { in: utc })),
    catch: (cause) => cause
  }).pipe(
    Result.filterOrFail(
      (again) => again?.slice(0, 10) === sample.toJSON().slice(0, 10),
      () => undefined
    ),
    Result.mapBoth({
      onSuccess: (): EventTime => (text) =>
        Result.mapError(
          Result.filterOrFail(Instant.parse(instantOf(text) ?? ""), isFullYear, () => undefined),
          () =>
            `${quote(text)} is not a time of the format ${quote(timeFormat)}: correct it, or give another time format`
        ),
      onFailure: refuse
    })
  )
}

/**
 * Y is the year of a week, and D the day of a year. Nobody who writes them means that, and date-fns prints a warning.
 */
const withoutWeekYear = /^(?:'[^']*'|[^'YD])*$/

/** Supplies the parts that a format leaves out, and the century of `yy`. */
const reference = new Date("2000-01-01T00:00:00.000Z")

const sample = new Date("2001-02-03T16:05:06.789Z")

/** `yyyy` also accepts the two digits of 28-02-14, as the year 14. */
const isFullYear = (instant: Instant.Instant): boolean => instant >= "0100"
