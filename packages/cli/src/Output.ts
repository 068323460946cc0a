/** Prints results on standard output: tables for people, JSON for programs. */
import Table from "cli-table3"
import { Effect, Stdio, Stream } from "effect"
import { styleText } from "node:util"

/** Maximum rows of a table; `--jsonl` prints all of them. */
const maxTableRows = 1000

/** Maximum characters of a cell. */
const maxCellLength = 60

const write = (lines: Stream.Stream<string>) =>
  Effect.flatMap(Stdio.Stdio, (stdio) => Stream.run(lines, stdio.stdout({ endOnDone: false })))

/** Lines of text. */
export const printLines = (...lines: ReadonlyArray<string>) => write(Stream.make(`${lines.join("\n")}\n`))

/** One JSON value, indented. */
export const printJson = (value: unknown) => printLines(JSON.stringify(value, null, 2))

/** One JSON value, on a line of its own. */
export const printJsonLine = (value: unknown) => printLines(JSON.stringify(value))

/** One JSON value per line, as soon as the stream emits it. */
export const printJsonLines = <A, E, R>(values: Stream.Stream<A, E, R>) =>
  Effect.flatMap(Stdio.Stdio, (stdio) =>
    values.pipe(
      Stream.mapArray((batch) => [`${batch.map((value) => JSON.stringify(value)).join("\n")}\n`] as const),
      Stream.run(stdio.stdout({ endOnDone: false }))
    )
  )

/** A table of the first rows of a stream, and a last line with their number, or a note that there are more. */
export const printTable = <A, E, R>(
  rows: Stream.Stream<A, E, R>,
  options: {
    readonly head: ReadonlyArray<string>
    readonly cells: (row: A) => ReadonlyArray<string>
    /** Word for a row in the last line: singular and plural. */
    readonly noun: readonly [one: string, many: string]
  }
) =>
  Effect.gen(function* () {
    const shown = yield* Stream.runCollect(Stream.take(rows, maxTableRows + 1))
    const isCut = shown.length > maxTableRows
    const table = new Table({
      head: options.head.map((text) => styled("bold", text)),
      chars: borderless,
      style: { head: [], border: [], "padding-left": 0, "padding-right": 2 }
    })
    for (const row of shown.slice(0, maxTableRows)) table.push(options.cells(row).map(toCell))
    const [one, many] = options.noun
    const count = isCut
      ? `the first ${maxTableRows} ${many}; --jsonl prints them all`
      : `${shown.length} ${shown.length === 1 ? one : many}`
    const lines =
      shown.length === 0
        ? []
        : table
            .toString()
            .split("\n")
            .map((line) => line.trimEnd())
    yield* printLines(...lines, styled("dim", count))
  })

/** Names and values, one pair per line, aligned. */
export const pairs = (entries: ReadonlyArray<readonly [name: string, value: string]>): ReadonlyArray<string> => {
  const width = Math.max(...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${styled("dim", name.padEnd(width))}  ${printable(value)}`)
}

/** Emphasis, only on a terminal that shows colours. */
export const styled = (style: "bold" | "dim" | "green" | "red", text: string): string =>
  styleText(style, text, { stream: process.stdout })

/** Text with its control characters escaped, so that stored text cannot control the terminal. */
export const printable = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (control) => JSON.stringify(control).slice(1, -1))

const toCell = (text: string): string => {
  const cell = printable(text)
  return cell.length > maxCellLength ? `${cell.slice(0, maxCellLength - 1)}…` : cell
}

const borderless = Object.fromEntries(
  [
    "top",
    "top-mid",
    "top-left",
    "top-right",
    "bottom",
    "bottom-mid",
    "bottom-left",
    "bottom-right",
    "left",
    "left-mid",
    "mid",
    "mid-mid",
    "right",
    "right-mid",
    "middle"
  ].map((part) => [part, ""])
)
