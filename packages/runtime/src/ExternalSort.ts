/**
 * Sorts a stream of any length in bounded memory: sorted runs go to temporary files, which are then merged.
 */
import { Array, Cause, Effect, FileSystem, type Order, Pull, Stream } from "effect"

export interface ExternalSortOptions<Row> {
  readonly order: Order.Order<Row>
  /** About how many bytes the row takes. */
  readonly weigh: (row: Row) => number
  /** Bytes of rows held at a time, about: 8 MiB by default. A stream that fits is sorted without a file. */
  readonly maxBytes?: number
}

const defaultMaxBytes = 8 * 1024 * 1024

/** Files merged at a time; more of them are merged in rounds. */
const maxFanIn = 64

/** Bytes read from a file at a time: few, so that the rows of many files die young. */
const chunkSize = 16 * 1024

/** Rows that a merge hands on at a time. */
const batchSize = 1000

/**
 * The rows, which must be plain JSON, in order; those that compare equal in the order in which they came.
 *
 * **Details**
 *
 * Reads all of the stream before the first row leaves. The files are removed when the scope closes.
 */
export const sort = Effect.fnUntraced(function* <Row, E, R>(
  rows: Stream.Stream<Row, E, R>,
  { maxBytes = defaultMaxBytes, order, weigh }: ExternalSortOptions<Row>
) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "refold-sort-" })
  let fileCount = 0

  const spill = <E2, R2>(sorted: Stream.Stream<Row, E2, R2>) => {
    fileCount += 1
    const path = `${directory}/${fileCount}`
    return sorted.pipe(
      Stream.mapArray((batch) => Array.of(batch.map((row) => `${JSON.stringify(row)}\n`).join(""))),
      Stream.encodeText,
      Stream.run(fs.sink(path)),
      Effect.as(path)
    )
  }
  const open = (path: string) =>
    fs.stream(path, { chunkSize }).pipe(Stream.decodeText, Stream.splitLines, Stream.mapArray(parseAll<Row>))

  let files: ReadonlyArray<string> = []
  let held: Array<Row> = []
  let heldBytes = 0
  yield* Stream.runForEachArray(
    rows,
    Effect.fnUntraced(function* (batch) {
      for (const row of batch) {
        held.push(row)
        heldBytes += weigh(row)
      }
      if (heldBytes < maxBytes) return
      files = [...files, yield* spill(Stream.fromIterable(held.toSorted(order)))]
      held = []
      heldBytes = 0
    })
  )
  const last = Stream.fromIterable(held.toSorted(order))
  if (files.length === 0) return last
  // Neighbours are merged, so that equal rows keep their order from round to round.
  while (files.length > maxFanIn) {
    const groups = Array.chunksOf(files, maxFanIn)
    files = yield* Effect.forEach(groups, (group) => spill(merge(group.map(open), order)))
  }
  return merge([...files.map(open), last], order)
})

const parseAll = <Row>(lines: Array.NonEmptyReadonlyArray<string>): Array.NonEmptyReadonlyArray<Row> =>
  Array.map(lines, (line) => {
    // Written by `spill` a moment ago.
    const row: Row = JSON.parse(line)
    return row
  })

/** A sorted stream being read: `rows` from `place` on are yet to be taken. Neither in use is empty, but for those at their end. */
interface Cursor<Row, E> {
  readonly pull: Pull.Pull<Array.NonEmptyReadonlyArray<Row>, E>
  rows: ReadonlyArray<Row>
  place: number
}

/** Sorted streams as one; of equal rows, those of an earlier stream first. */
const merge = <Row, E, R>(sorted: ReadonlyArray<Stream.Stream<Row, E, R>>, order: Order.Order<Row>) =>
  Stream.fromPull(
    Effect.gen(function* () {
      let cursors = yield* Effect.forEach(sorted, (stream) =>
        Effect.map(Stream.toPull(stream), (pull): Cursor<Row, E> => ({ pull, rows: [], place: 0 }))
      )
      return Effect.gen(function* () {
        const merged: Array<Row> = []
        while (merged.length < batchSize && cursors.length > 0) {
          cursors = yield* Effect.filter(cursors, refill)
          takeWhileAllHaveRows(cursors, order, merged)
        }
        return Array.isArrayNonEmpty(merged) ? merged : yield* Cause.done()
      })
    })
  )

/** Fetches more rows for a cursor that has none left. False at the end of its stream. */
const refill = <Row, E>(cursor: Cursor<Row, E>) =>
  cursor.place < cursor.rows.length
    ? Effect.succeed(true)
    : Pull.catchDone(
        Effect.map(cursor.pull, (rows) => {
          cursor.rows = rows
          cursor.place = 0
          return true
        }),
        () => Effect.succeed(false)
      )

/** Moves the least row, again and again, until a cursor has none: the rows after it are not known yet. */
const takeWhileAllHaveRows = <Row, E>(
  cursors: ReadonlyArray<Cursor<Row, E>>,
  order: Order.Order<Row>,
  merged: Array<Row>
): void => {
  for (;;) {
    let least: Cursor<Row, E> | undefined
    let leastRow: Row | undefined
    for (const cursor of cursors) {
      const row = cursor.rows[cursor.place]
      if (row === undefined) return
      if (leastRow === undefined || order(row, leastRow) < 0) {
        least = cursor
        leastRow = row
      }
    }
    if (least === undefined || leastRow === undefined) return
    merged.push(leastRow)
    least.place += 1
  }
}
