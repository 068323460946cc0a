/** Sorts a stream of any length in bounded memory: writes sorted runs to temporary files, and merges them. */
import { Array, Cause, Effect, FileSystem, Order, Pull, Stream } from "effect"

export interface ExternalSortOptions<Row> {
  readonly order: Order.Order<Row>
  /** The approximate bytes of a row in memory. */
  readonly weigh: (row: Row) => number
  /** Maximum bytes of rows in memory, about; 4 MiB by default. A stream that fits is sorted without a file. */
  readonly maxBytes?: number
}

const defaultMaxBytes = 4 * 1024 * 1024

/** Maximum files of one merge; more files are merged in rounds. */
const maxFanIn = 128

/** Bytes of one read from a file. */
const chunkSize = 16 * 1024

/** Rows in one chunk of the merged stream. */
const batchSize = 250

/**
 * The rows in order; equal rows keep their order. Rows must be plain JSON.
 *
 * **Details**
 *
 * Reads the whole stream before it emits the first row. Removes the files when the scope closes.
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
  const open = (path: string) => fs.stream(path, { chunkSize }).pipe(Stream.decodeText, Stream.splitLines)

  let files: ReadonlyArray<string> = []
  let held: Array<Row> = []
  let heldBytes = 0
  const spillHeld = Effect.fnUntraced(function* () {
    files = [...files, yield* spill(Stream.fromIterable(held.toSorted(order)))]
    held = []
    heldBytes = 0
  })
  yield* Stream.runForEachArray(rows, (batch) => {
    for (const row of batch) {
      held.push(row)
      heldBytes += weigh(row)
    }
    return heldBytes < maxBytes ? Effect.void : spillHeld()
  })
  if (files.length === 0) return Stream.fromIterable(held.toSorted(order))
  // In a file, the last rows take no memory during the merge.
  if (held.length > 0) yield* spillHeld()
  // Merging neighbours keeps the order of equal rows in every round.
  while (files.length > maxFanIn) {
    const groups = Array.chunksOf(files, maxFanIn)
    files = yield* Effect.forEach(groups, (group) => spill(merge(group.map(open), order)))
  }
  return merge(files.map(open), order)
})

/** A sorted file that is being read. `next` is the index of its next line in `lines`. */
interface Source<E> {
  readonly index: number
  readonly pull: Pull.Pull<Array.NonEmptyReadonlyArray<string>, E>
  lines: ReadonlyArray<string>
  next: number
}

/** The next row of a file. Later rows stay text: parsed objects would live long enough to burden the garbage collector. */
interface Head<Row, E> {
  readonly row: Row
  readonly source: Source<E>
}

/** Merges sorted files of lines into one stream of rows. Among equal rows, those of an earlier file come first. */
const merge = <Row, E, R>(files: ReadonlyArray<Stream.Stream<string, E, R>>, order: Order.Order<Row>) =>
  Stream.fromPull(
    Effect.gen(function* () {
      const byRowThenFile = Order.combine(
        Order.mapInput(order, ({ row }: Head<Row, E>) => row),
        Order.mapInput(Order.Number, ({ source }: Head<Row, E>) => source.index)
      )
      const heads: Array<Head<Row, E>> = []
      const enter = (source: Source<E>): boolean => {
        const line = source.lines[source.next]
        if (line === undefined) return false
        source.next += 1
        // `spill` wrote this line.
        const row: Row = JSON.parse(line)
        insert(heads, { row, source }, byRowThenFile)
        return true
      }
      const refill = (source: Source<E>) =>
        Pull.catchDone(
          Effect.map(source.pull, (lines) => {
            source.lines = lines
            source.next = 0
            enter(source)
          }),
          () => Effect.void
        )
      for (const [index, file] of files.entries()) {
        yield* refill({ index, pull: yield* Stream.toPull(file), lines: [], next: 0 })
      }
      return Effect.gen(function* () {
        const merged: Array<Row> = []
        while (merged.length < batchSize) {
          const least = heads.shift()
          if (least === undefined) break
          merged.push(least.row)
          if (!enter(least.source)) yield* refill(least.source)
        }
        return Array.isArrayNonEmpty(merged) ? merged : yield* Cause.done()
      })
    })
  )

/** Inserts a value into a sorted array. */
const insert = <Value>(sorted: Array<Value>, value: Value, order: Order.Order<Value>): void => {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = sorted[middle]
    if (other !== undefined && order(other, value) < 0) low = middle + 1
    else high = middle
  }
  sorted.splice(low, 0, value)
}
