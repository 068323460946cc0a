/** The format of a log: by its name, and by the beginning of its text. */
import { type Problem } from "./EventLogError.ts"

export type LogFormat = "csv" | "xes" | "jsonl"

/** The format by the file's name, also before `.gz`; undefined if the name has none. */
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

/** The format that a text looks like. CSV has no marks of its own, so it is the rest. */
export const fromText = (head: string): LogFormat => {
  if (/^\s*</.test(head)) return "xes"
  return /^\s*[{[]\s*["{}\]]/.test(head) ? "jsonl" : "csv"
}

/** The problem of a text whose beginning cannot be of the format. */
export const findContradiction = (format: LogFormat, head: string): Problem | undefined => {
  const found = fromText(head)
  // The JSON Lines reader reports a first line of broken JSON.
  if (found === format || (format === "jsonl" && /^\s*[{[]/.test(head))) return undefined
  return {
    reason: "WrongFormat",
    line: 1,
    problem: `the content is not ${titles[format]}, it looks like ${titles[found]}: give the format ${found}, or another file`
  }
}

const titles = { csv: "CSV", xes: "XES (XML)", jsonl: "JSON Lines" }
