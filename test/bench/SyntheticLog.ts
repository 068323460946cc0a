/** A log of any length, generated while it is read. */
import type { ImportedRow } from "@refold/core"
import { Array, Effect, Option, Stream } from "effect"

const batchSize = 1000

/** Cases of 10 rows that are far apart in the file, so an import has to sort them. */
export const syntheticRows = (rowCount: number): Stream.Stream<ImportedRow> =>
  Stream.paginate(0, (from) =>
    Effect.sync(() => {
      const to = Math.min(from + batchSize, rowCount)
      return [
        Array.makeBy(to - from, (place) => rowAt(from + place, rowCount)),
        to < rowCount ? Option.some(to) : Option.none<number>()
      ] as const
    })
  )

const rowAt = (place: number, rowCount: number): ImportedRow => {
  const caseCount = Math.ceil(rowCount / 10)
  return {
    execution_id: `case ${place % caseCount}`,
    event_name: `activity ${Math.floor(place / caseCount)}`,
    event_type: "complete",
    user_id: `user ${place % 97}`,
    payload: { amount: place, note: "some words, as a log may have them in a column or two", country: "Belgium" },
    created_at: new Date(Date.UTC(2020, 0, 1) + place * 1000).toISOString(),
    place: place + 1,
    line: place + 2
  }
}
