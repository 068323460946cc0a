/**
 * Instants as text: ISO 8601 in UTC with exactly three decimals, so that text order is time order.
 *
 * `2025-03-01T12:00:00.000Z` is the only spelling in events, states and snapshots. `parse` also reads the spellings that
 * people and other systems write.
 */
import { Array, Result, Schema } from "effect"

export const Instant = Schema.String.check(
  Schema.makeFilter((text) => isCanonical(text), {
    expected: "an instant such as 2025-03-01T12:00:00.000Z"
  })
)
export type Instant = typeof Instant.Type

/** The text is not an instant; nothing was read or written. */
export class InvalidInstant extends Schema.TaggedError<InvalidInstant>()("InvalidInstant", {
  text: Schema.String
}) {
  override get message(): string {
    return `"${this.text.slice(0, 60)}" is not an instant: write one like 2025-03-01T12:00:00Z or 2025-03-01T13:00:00.000+01:00`
  }
}

/**
 * Milliseconds since 1970 as an instant. Total for the years 0001 to 9999.
 *
 * Builds the text from parts that are computed once: every event that is read has two instants, and `Date.toISOString`
 * takes ten times as long.
 */
export const fromEpochMillis = (millis: number): Instant => {
  const whole = Math.trunc(millis)
  const day = Math.floor(whole / millisPerDay)
  const time = whole - day * millisPerDay
  const minute = minutes[Math.floor(time / 60_000)]
  return `${dayText(day)}${minute}${seconds[Math.floor(time / 1000) % 60]}${thousandths[time % 1000]}`
}

const millisPerDay = 86_400_000

/** The text of a day, up to and including the `T`. */
const dayText = (day: number): string => {
  const known = days.get(day)
  if (known !== undefined) return known
  const text = new Date(day * millisPerDay).toISOString().slice(0, -"00:00:00.000Z".length)
  if (days.size >= maxDays) days.clear()
  days.set(day, text)
  return text
}

/** Texts of recent days; emptied when full. */
const days = new Map<number, string>()
const maxDays = 4096

const digits = (value: number, length: number): string => String(value).padStart(length, "0")
const minutes = Array.makeBy(1440, (minute) => `${digits(Math.floor(minute / 60), 2)}:${digits(minute % 60, 2)}:`)
const seconds = Array.makeBy(60, (second) => `${digits(second, 2)}.`)
const thousandths = Array.makeBy(1000, (thousandth) => `${digits(thousandth, 3)}Z`)

export const toEpochMillis = (instant: Instant): number => Date.parse(instant)

const accepted =
  /^(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s?(Z|[+-]\d{2}(?::?\d{2})?)?$/

/**
 * Reads ISO 8601: a date, or a date and a time. A blank may replace the `T`, slashes the hyphens.
 *
 * **Details**
 *
 * A time without an offset is UTC. Digits after the millisecond are cut off. Impossible times are refused, not rolled over:
 * 30 February, 24:00, second 60.
 */
export const parse = (text: string): Result.Result<Instant, InvalidInstant> => {
  const match = accepted.exec(text)
  if (match === null) return Result.fail(new InvalidInstant({ text }))
  const [, year = "", month = "", day = "", hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = match
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, "0")}Z`
  if (!isCanonical(local)) return Result.fail(new InvalidInstant({ text }))
  const offset = offsetMinutes(zone)
  if (offset === 0) return Result.succeed(local)
  const millis = Date.parse(local) - offset * 60_000
  return isExpressible(millis) ? Result.succeed(fromEpochMillis(millis)) : Result.fail(new InvalidInstant({ text }))
}

/** Whether the time is a number, in a year from 0001 to 9999. Four digits make text order time order; PostgreSQL knows these years. */
const isExpressible = (millis: number): boolean => millis >= earliest && millis <= latest

const [earliest, latest] = [Date.parse("0001-01-01"), Date.parse("9999-12-31T23:59:59.999Z")]

/** Whether the text names a day that exists: JavaScript rolls 30 February over to March, so the round trip changes it. */
const isCanonical = (text: string): boolean => {
  const millis = Date.parse(text)
  return isExpressible(millis) && fromEpochMillis(millis) === text
}

/** The offset from UTC; 0 for `Z` and for no zone, NaN for an offset that no place has. */
const offsetMinutes = (zone: string): number => {
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(3).replace(":", ""))
  if (hours > 14 || minutes > 59) return Number.NaN
  return (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes)
}
