/** A log reader as a machine fed piece by piece, and the stream of what it yields. */
import type { ImportedRow } from "@refold/core"
import { Stream } from "effect"
import type { Problem } from "./EventLogError.ts"

/** The rows that one piece of input completed, and the problem that ended the log after them, if one did. */
export interface Step {
  readonly rows: ReadonlyArray<ImportedRow>
  readonly problem?: Problem | undefined
}

/** Holds the rest of what it was fed; nothing is fed after a problem. */
export interface RowReader<Input> {
  readonly write: (input: Input) => Step
  /** The input is over. */
  readonly end: () => Step
}

/** Opens a reader per run and emits its rows; rows before a problem come through. A log without rows is a problem. */
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
