/** Reads a query page by page, by the key of the last row: in constant memory, and without an open cursor. */
import { Array, Effect, Option, Stream } from "effect"

/** All rows, in the order of the pages. A page shorter than `batchSize` is the last. */
export const pages = <Row, Key, E>(options: {
  /** The key before all others. */
  readonly first: Key
  readonly batchSize: number
  /** At most `batchSize` rows after a key, in order. */
  readonly page: (after: Key) => Effect.Effect<ReadonlyArray<Row>, E>
  readonly next: (last: Row) => Key
  /** Whether no row can follow this one, so that no further page is asked for. */
  readonly isLast?: (row: Row) => boolean
}): Stream.Stream<Row, E> =>
  Stream.paginate(options.first, (after) =>
    Effect.map(options.page(after), (rows) => {
      const last = rows.length < options.batchSize ? Option.none<Row>() : Array.last(rows)
      const isLast = options.isLast ?? (() => false)
      return [
        rows,
        last.pipe(
          Option.filter((row) => !isLast(row)),
          Option.map(options.next)
        )
      ] as const
    })
  )
