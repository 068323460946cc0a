/** Which format a log has: from its name, and from how its text begins. */
import { type Problem } from "./EventLogError.ts"

export type LogFormat = "csv" | "xes" | "jsonl"

/** The format the file's name promises, `.gz` left aside; undefined if it promises none. */
export const fromName = (path: string): LogFormat | undefined => {
  switch (/\.(csv|xes|jsonl|ndjson)(?:\.gz)?$/i.exec(path)?.[1]?.toLowerCase()) {
    case "csv":
      return "csv"
    case "xes":
      return "xes"
    case "jsonl":
    case "ndjson":
      return "jsonl"
    default:
      return undefined
  }
}

/** The format a text looks like; CSV has no marks of its own, so it is what remains. */
export const fromText = (head: string): LogFormat => {
  if (/^\s*</.test(head)) return "xes"
  return /^\s*[{[]\s*["{}\]]/.test(head) ? "jsonl" : "csv"
}

/** A text that cannot be of the format, as far as its beginning tells. */
export const findContradiction = (format: LogFormat, head: string): Problem | undefined => {
  const found = fromText(head)
  // A first line of JSON that is broken is for the JSON Lines reader to report.
  if (found === format || (format === "jsonl" && /^\s*[{[]/.test(head))) return undefined
  return {
    reason: "WrongFormat",
    line: 1,
    problem: `the content is not ${titles[format]}, it looks like ${titles[found]}: give the format ${found}, or another file`
  }
}

const titles = { csv: "CSV", xes: "XES (XML)", jsonl: "JSON Lines" }
