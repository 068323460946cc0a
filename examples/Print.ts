/** Prints headings and aligned columns for the examples. */
import { Console, Effect } from "effect"

export const heading = (title: string) => Console.log(`\n${title}\n${"-".repeat(title.length)}`)

/** Rows of texts, each column as wide as its widest text. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>) => {
  const widths = rows.reduce<ReadonlyArray<number>>(
    (widest, row) => row.map((text, column) => Math.max(text.length, widest[column] ?? 0)),
    []
  )
  return Effect.forEach(
    rows,
    (row) => Console.log(`  ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd()),
    { discard: true }
  )
}
