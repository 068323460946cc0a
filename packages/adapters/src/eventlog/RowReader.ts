/** A log reader that takes its input piece by piece, and the stream of its rows. */
import type { ImportedRow } from "@refold/core"
import { Stream } from "effect"
import type { Problem } from "./EventLogError.ts"

/** The rows that one piece of input completed, and the problem after them that ends the log, if there is one. */
export interface Step {
  readonly rows: ReadonlyArray<ImportedRow>
  readonly problem?: Problem | undefined
}

/** Keeps the incomplete end of its input. Gets no input after a problem. */
export interface RowReader<Input> {
  readonly write: (input: Input) => Step
  /** For the end of the input. */
  readonly end: () => Step
}

/** Opens a reader for each run, and emits its rows up to a problem. A log without rows is a problem. */
export const run = <Input>(
  input: Stream.Stream<Input, Problem>,
  open: () => RowReader<Input>
): Stream.Stream<ImportedRow, Problem> =>
  Stream.suspend(() => {
    const reader = open()
    let isEmpty = true
    const emit = ({ problem, rows }: Step): Stream.Stream<ImportedRow, Problem> => {
      if (rows.length > 0) isEmpty = false
      return problem === undefined
        ? Stream.fromArray(rows)
        : Stream.concat(Stream.fromArray(rows), Stream.fail(problem))
    }
    const end = (): Step => {
      const last = reader.end()
      return isEmpty && last.rows.length === 0 && last.problem === undefined ? { rows: [], problem: noEvents } : last
    }
    return input.pipe(
      Stream.map((piece) => reader.write(piece)),
      Stream.concat(Stream.sync(end)),
      Stream.flatMap(emit)
    )
  })

export const noEvents: Problem = {
  reason: "EmptyLog",
  problem: "the log holds no events: check that this is the file you meant"
}
