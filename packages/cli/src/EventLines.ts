/** Reads events to queue from JSON Lines: one event per line, in constant memory. */
import { type SubmitOptions } from "@refold/runtime"
import { Result, Schema, SchemaIssue } from "effect"

export const EventLine = Schema.Struct({
  tenant: Schema.String,
  execution_id: Schema.String,
  event_name: Schema.String,
  to_state: Schema.optionalKey(Schema.String),
  payload: Schema.optionalKey(Schema.Json),
  user_id: Schema.optionalKey(Schema.String),
  idempotency_key: Schema.optionalKey(Schema.String)
})

/** An event and its line number. */
export interface Numbered {
  readonly line: number
  readonly event: SubmitOptions
}

/** A problem of a line. `problem` ends a sentence that begins with file and line. */
export interface Problem {
  readonly line: number
  readonly problem: string
}

/** The events of a piece of the file. A problem ends the reading. */
export interface Piece {
  readonly events: ReadonlyArray<Numbered>
  readonly problem?: Problem
}

/** Fits any payload of 256 KiB, even if every character is escaped, and keeps a file without line feeds from filling memory. */
const maxLineBytes = 4 * 1024 * 1024

const lineFeed = 0x0a

/** Opens a reader of one file. It cuts bytes into lines before it decodes them, so that every problem has a line number. */
export const open = () => {
  let rest: Uint8Array = new Uint8Array()
  let line = 0

  const readLines = (lines: ReadonlyArray<Uint8Array>): Piece => {
    const events: Array<Numbered> = []
    for (const bytes of lines) {
      line++
      if (bytes.length > maxLineBytes) return { events, problem: { line, problem: tooLong } }
      const event = decode(bytes)
      if (Result.isFailure(event)) return { events, problem: { line, problem: event.failure } }
      if (event.success !== undefined) events.push({ line, event: event.success })
    }
    return { events }
  }

  return {
    write: (bytes: Uint8Array): Piece => {
      const lines: Array<Uint8Array> = []
      let start = 0
      for (let end = bytes.indexOf(lineFeed); end !== -1; end = bytes.indexOf(lineFeed, start)) {
        const piece = bytes.subarray(start, end)
        lines.push(lines.length === 0 ? Buffer.concat([rest, piece]) : piece)
        start = end + 1
      }
      const last = bytes.subarray(start)
      rest = lines.length === 0 ? Buffer.concat([rest, last]) : last
      const piece = readLines(lines)
      return piece.problem === undefined && rest.length > maxLineBytes
        ? { ...piece, problem: { line: line + 1, problem: tooLong } }
        : piece
    },
    end: (): Piece => readLines([rest])
  }
}

const tooLong = `the line is longer than ${maxLineBytes} bytes: write one event per line`

const decodeText = (bytes: Uint8Array): Result.Result<string, string> =>
  Result.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => "the bytes are not UTF-8: save the file in that encoding"
  })

const parse = (text: string): Result.Result<unknown, string> =>
  Result.try({
    try: (): unknown => JSON.parse(text),
    catch: () => "the line is not JSON: write one complete object per line"
  })

const decodeLine = Schema.decodeUnknownResult(EventLine)

/** Names the wrong field, but never its value, which may be secret. */
const describe = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    switch (issue._tag) {
      case "MissingKey":
        return "is missing"
      case "UnexpectedKey":
        return `is not one of the fields ${Object.keys(EventLine.fields).join(", ")}`
      default:
        return "has the wrong type: names and ids are text, and a field without a value is left out"
    }
  }
})

const toProblem = ({ issue }: Schema.SchemaError): string => {
  const [first] = describe(issue).issues
  const field = first?.path?.[0]
  return first === undefined || typeof field !== "string"
    ? "the line is not an object: write {…}, one event per line"
    : `${JSON.stringify(field.slice(0, 60))} ${first.message}`
}

/** The event of a line; undefined for a blank line. */
const decode = (bytes: Uint8Array): Result.Result<SubmitOptions | undefined, string> =>
  Result.flatMap(decodeText(bytes), (text) => {
    if (text.trim() === "") return Result.succeed(undefined)
    return parse(text).pipe(
      Result.flatMap((value) => Result.mapError(decodeLine(value, { onExcessProperty: "error" }), toProblem)),
      Result.map(({ execution_id: executionId, idempotency_key: idempotencyKey, tenant, ...submission }) => ({
        tenant,
        executionId,
        submission,
        idempotencyKey
      }))
    )
  })
