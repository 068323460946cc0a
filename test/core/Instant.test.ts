import { assert, describe, it } from "@effect/vitest"
import { Array, Result, Schema } from "effect"
import fc from "fast-check"
import { Instant } from "@refold/core"

const parsed = (text: string) => Result.getOrElse(Instant.parse(text), ({ _tag }) => _tag)

const lastMillis = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const firstMillis = Date.parse("0001-01-01")
const millis = fc.integer({ min: firstMillis, max: lastMillis })
const millisPerDay = 86_400_000

describe("Instant.parse", () => {
  it.each([
    ["2025-03-01", "2025-03-01T00:00:00.000Z"],
    ["2025-03-01T12:30", "2025-03-01T12:30:00.000Z"],
    ["2025-03-01T12:30:05Z", "2025-03-01T12:30:05.000Z"],
    ["2025/03/01 12:30:05,5", "2025-03-01T12:30:05.500Z"],
    ["2025-03-01 12:30:05.123456789", "2025-03-01T12:30:05.123Z"],
    ["2025-03-01T12:30:05.999999Z", "2025-03-01T12:30:05.999Z"],
    ["2025-03-01T12:00:00+01:00", "2025-03-01T11:00:00.000Z"],
    ["2025-03-01T12:00:00.000-0130", "2025-03-01T13:30:00.000Z"],
    ["2025-03-01T12:00:00+01", "2025-03-01T11:00:00.000Z"],
    ["2025-03-01T00:30:00+01:00", "2025-02-28T23:30:00.000Z"],
    ["2025-12-31T23:59:59.999-14:00", "2026-01-01T13:59:59.999Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z"],
    ["2000-02-29", "2000-02-29T00:00:00.000Z"],
    ["2025-03-01T12:00:00.000+01:59", "2025-03-01T10:01:00.000Z"],
    ["2025-03-01T12:00 Z", "2025-03-01T12:00:00.000Z"],
    ["0001-01-01", "0001-01-01T00:00:00.000Z"],
    ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"]
  ])("reads %s as %s", (text, instant) => {
    assert.strictEqual(parsed(text), instant)
  })

  it.each([
    "",
    "yesterday",
    "2025-02-29",
    "2025-02-30",
    "1900-02-29",
    "2025-04-31",
    "2025-13-01",
    "2025-00-10",
    "2025-01-00",
    "2025-03-01T24:00:00Z",
    "2025-03-01T12:60:00Z",
    "2025-03-01T12:00:60Z",
    "2025-03-01T12:00:00+15:00",
    "2025-03-01T12:00:00+01:60",
    "2025-3-1",
    "25-03-01",
    "2025.03.01",
    "2025-03-01_12:00:00Z",
    "2025-03-01T12",
    "2025-03-01T12:00:00.",
    "2025-03-01T12:00:00.1234567890Z",
    "2025-03-01T12:00:00.xZ",
    "2025-03-01T12:00:00  Z",
    "2025-03-01T12:00:00+1",
    "2025-03-01T12:00:00+01:0",
    "2025-03-01T12:00:00+01::00",
    "2025-03-01T12:00:00+010",
    "+012025-03-01T12:00:00Z",
    "2025-03-01T12:00:00Z ",
    "2025-03-01T12:00:00Z\n",
    "0000-12-31",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "01/03/2025"
  ])("refuses %j and rolls nothing over", (text) => {
    assert.strictEqual(parsed(text), "InvalidInstant")
  })

  it("says how to write one, and quotes no more than 60 characters", () => {
    const error = Result.getOrThrow(Result.flip(Instant.parse("x".repeat(1000))))
    assert.strictEqual(
      error.message,
      `"${"x".repeat(60)}" is not an instant: write one like 2025-03-01T12:00:00Z or 2025-03-01T13:00:00.000+01:00`
    )
  })

  it("is the inverse of fromEpochMillis, and agrees with Date, at every offset", () =>
    fc.assert(
      fc.property(millis, fc.integer({ min: -14 * 60, max: 14 * 60 }), (at, offset) => {
        const instant = Instant.fromEpochMillis(at)
        assert.strictEqual(parsed(instant), instant)
        assert.strictEqual(Instant.toEpochMillis(instant), at)
        const local = at + offset * 60_000
        fc.pre(local >= firstMillis && local <= lastMillis)
        const size = Math.abs(offset)
        const zone = [Math.floor(size / 60), size % 60].map((part) => String(part).padStart(2, "0")).join(":")
        const text = `${new Date(local).toISOString().slice(0, -1)}${offset < 0 ? "-" : "+"}${zone}`
        assert.strictEqual(parsed(text), instant)
        assert.strictEqual(Date.parse(text), at)
      }),
      { numRuns: 1000 }
    ))

  it("gives of milliseconds the text that Date gives, also of fractions, around midnight and beyond the year 9999", () => {
    const maxDays = 1e8
    const maxMillis = maxDays * millisPerDay
    const aroundMidnight = fc
      .tuple(fc.integer({ min: 1 - maxDays, max: maxDays - 1 }), fc.integer({ min: -2, max: 2 }))
      .map(([day, offset]) => day * millisPerDay + offset)
    fc.assert(
      fc.property(fc.oneof(millis, aroundMidnight, fc.double({ min: -maxMillis, max: maxMillis, noNaN: true })), (at) =>
        assert.strictEqual(Instant.fromEpochMillis(at), new Date(at).toISOString())
      ),
      { numRuns: 1000, examples: [0, -0.5, -1, 59_999.9, firstMillis, lastMillis, lastMillis + 1].map((at) => [at]) }
    )
    assert.throws(() => Instant.fromEpochMillis(Number.NaN), RangeError)
    assert.throws(() => Instant.fromEpochMillis(maxMillis + millisPerDay), RangeError)
  })

  it("and where there are more days than are remembered", () => {
    const times = Array.makeBy(
      9000,
      (place) => firstMillis + Math.floor(place / 2) * 787 * millisPerDay + (place % 2) * 3_723_004
    )
    assert.deepStrictEqual(
      times.map(Instant.fromEpochMillis),
      times.map((at) => new Date(at).toISOString())
    )
  })

  it("keeps text order and time order the same", () =>
    fc.assert(
      fc.property(millis, millis, (left, right) =>
        assert.strictEqual(Instant.fromEpochMillis(left) < Instant.fromEpochMillis(right), left < right)
      ),
      { numRuns: 1000 }
    ))

  it("reads what Date reads of an ISO text, or refuses it; never another instant", () => {
    const digits = (count: number, max: number) => fc.nat({ max }).map((number) => String(number).padStart(count, "0"))
    fc.assert(
      fc.property(
        digits(4, 9999),
        digits(2, 14),
        digits(2, 33),
        digits(2, 25),
        digits(2, 61),
        (year, month, day, hour, minute) => {
          const text = `${year}-${month}-${day}T${hour}:${minute}:00.000Z`
          const date = new Date(text)
          const exists = date.getTime() >= firstMillis && date.toISOString() === text
          assert.strictEqual(parsed(text), exists ? text : "InvalidInstant")
        }
      ),
      { numRuns: 1000 }
    )
  })
})

describe("Instant", () => {
  it("holds one spelling only", () => {
    const isInstant = Schema.is(Instant.Instant)
    assert.isTrue(isInstant("2025-03-01T12:00:00.000Z"))
    for (const text of [
      "",
      "noon",
      "2025-03-01",
      " 2025-03-01T12:00:00.000Z",
      "2025-03-01T12:00:00.000Z\n",
      "2025-03-01T12:00:00.000+00:00",
      "0000-12-31T23:59:59.999Z",
      "+010000-01-01T00:00:00.000Z",
      "2025-03-01T12:00:00Z",
      "2025-03-01T12:00:00.0000Z",
      "2025-02-30T12:00:00.000Z",
      "2025-03-01T24:00:00.000Z"
    ]) {
      assert.isFalse(isInstant(text), text)
    }
  })

  it("says by its schema how to write one", () => {
    const refused = Schema.decodeUnknownResult(Instant.Instant)("noon")
    assert.include(Result.getOrThrow(Result.flip(refused)).message, "an instant such as 2025-03-01T12:00:00.000Z")
  })
})
