/** Event logs in XES, the XML of the IEEE standard 1849: a log of traces, a trace of events. */
import type { ImportedRow, Json } from "@refold/core"
import { Result, type Stream } from "effect"
import { SaxesParser } from "saxes"
import { type Problem, maxRowLength, quote } from "./EventLogError.ts"
import * as EventTime from "./EventTime.ts"
import * as LogRow from "./LogRow.ts"
import * as RowReader from "./RowReader.ts"

export interface Options {
  /** Values that mean "absent"; the empty one always does. */
  readonly missing?: ReadonlyArray<string> | undefined
}

/**
 * The rows of a log: an event per row, its trace's `concept:name` the execution.
 *
 * **Details**
 *
 * The payload is the event's own attributes beside the standard four, numbers and booleans as such; numbers that JSON
 * has no exact place for (`NaN`, beyond 2^53) stay text. Attributes of the log, of traces and of attributes, globals,
 * lists and containers are left out. Any DOCTYPE is refused, and with it entities of any kind.
 */
export const read = (text: Stream.Stream<string, Problem>, options: Options): Stream.Stream<ImportedRow, Problem> =>
  RowReader.run(text, () => open(new Set(options.missing).add("")))

const names: LogRow.Names = {
  case: "concept:name",
  activity: "concept:name",
  time: "time:timestamp",
  resource: "org:resource",
  type: "lifecycle:transition"
}
const standard: ReadonlySet<string> = new Set(Object.values(names))

/** Levels of elements: log, then trace, then event, then the event's attributes. */
const traceDepth = 2
const eventDepth = 3
const attributeDepth = 4
const maxDepth = 100

interface OpenEvent {
  readonly line: number
  readonly attributes: Map<string, Json.Json>
  length: number
}

const open = (missing: ReadonlySet<string>): RowReader.RowReader<string> => {
  const parser = new SaxesParser({ xmlns: false, position: false })
  let rows: Array<ImportedRow> = []
  let problem: Problem | undefined
  let depth = 0
  let tagLine = 1
  let lengthSinceTag = 0
  let isInTrace = false
  let caseId: string | undefined
  let event: OpenEvent | undefined
  let place = 0

  /** The first problem counts; what the parser finds after it may only follow from it. */
  const refuse = (found: Problem): void => {
    problem ??= found
  }

  const openTag = (name: string, attributes: Record<string, string>): void => {
    depth++
    lengthSinceTag = 0
    if (problem !== undefined) return
    if (depth === 1 && name !== "log") refuse(notXes(tagLine, name))
    if (depth === traceDepth) {
      isInTrace = name === "trace"
      caseId = undefined
      if (name === "event") refuse(outsideTrace(tagLine))
    }
    if (depth === eventDepth && isInTrace) {
      if (name === "event") event = { line: tagLine, attributes: new Map(), length: 0 }
      else if (attributes["key"] === names.case) caseId = attributes["value"]
    }
    if (depth === attributeDepth && event !== undefined && valueTypes.has(name)) {
      addAttribute(event, name, attributes["key"], attributes["value"] ?? "")
    }
    if (depth > maxDepth) refuse(tooDeep(tagLine))
  }

  const addAttribute = (event: OpenEvent, type: string, key: string | undefined, text: string): void => {
    if (key === undefined) return refuse(withoutKey(tagLine))
    if (event.attributes.has(key)) return refuse(keyTwice(tagLine, key))
    const bad = LogRow.findBadKey(tagLine, key)
    if (bad !== undefined) return refuse(bad)
    event.length += key.length + text.length
    if (event.length > maxRowLength) return refuse(tooLarge(event.line))
    if (missing.has(text)) return
    const value = standard.has(key) ? text : toValue(type, text)
    if (value === undefined) return refuse(notOfType(tagLine, key, type, text))
    event.attributes.set(key, value)
  }

  const closeTag = (): void => {
    if (depth === eventDepth && event !== undefined && problem === undefined) {
      const row = toRow(event)
      if (Result.isFailure(row)) refuse(row.failure)
      else {
        place++
        rows.push(row.success)
      }
      event = undefined
    }
    depth--
    lengthSinceTag = 0
  }

  const toRow = ({ attributes, line }: OpenEvent): Result.Result<ImportedRow, Problem> => {
    if (caseId === undefined || missing.has(caseId)) return Result.fail(traceWithoutName(line))
    const textOf = (key: string): string | undefined => {
      const value = attributes.get(key)
      return typeof value === "string" ? value : undefined
    }
    return LogRow.make(names, EventTime.iso, {
      case: caseId,
      activity: textOf(names.activity),
      time: textOf(names.time),
      resource: textOf(names.resource),
      type: textOf(names.type),
      payload: [...attributes].filter(([key]) => !standard.has(key)),
      place: place + 1,
      line
    })
  }

  parser.on("error", (error) => refuse(brokenXml(parser.line, error.message)))
  parser.on("doctype", () => refuse(forbidden(parser.line)))
  parser.on("xmldecl", ({ encoding = "UTF-8" }) => {
    if (!/^(utf-8|us-ascii|ascii)$/i.test(encoding)) refuse(otherEncoding(encoding))
  })
  parser.on("opentagstart", () => {
    // The parser reads one character past the name; a line feed there belongs to the next line.
    tagLine = parser.column === 0 ? parser.line - 1 : parser.line
  })
  parser.on("opentag", (tag) => openTag(tag.name, tag.attributes))
  parser.on("closetag", closeTag)

  const step = (run: () => void): RowReader.Step => {
    const ran = Result.try({ try: run, catch: (cause) => brokenXml(parser.line, String(cause)) })
    if (Result.isFailure(ran)) refuse(ran.failure)
    if (lengthSinceTag > maxRowLength) refuse(tooLarge(tagLine))
    const done = rows
    rows = []
    return { rows: done, problem }
  }

  return {
    write: (text) =>
      step(() => {
        lengthSinceTag += text.length
        parser.write(text)
      }),
    end: () => step(() => void parser.close())
  }
}

/** The attributes that have one value; lists and containers have none. */
const valueTypes: ReadonlySet<string> = new Set(["string", "date", "int", "float", "boolean", "id"])

/** The value as JSON; undefined if it is none of its type. */
const toValue = (type: string, text: string): Json.Json | undefined => {
  switch (type) {
    case "int":
      return /^\s*[+-]?\d+\s*$/.test(text) ? (Number.isSafeInteger(Number(text)) ? Number(text) : text) : undefined
    case "float":
      if (/^\s*[+-]?(?:INF|Infinity|NaN)\s*$/.test(text)) return text
      if (!/^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/.test(text)) return undefined
      return Number.isFinite(Number(text)) ? Number(text) : text
    case "boolean":
      return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : undefined
    default:
      return text
  }
}

const brokenXml = (line: number, detail: string): Problem => ({
  reason: "BrokenXml",
  line,
  problem: `the XML is damaged or cut off (${detail.replace(/\.$/, "")}): fetch or write the file again`
})

const forbidden = (line: number): Problem => ({
  reason: "ForbiddenXml",
  line,
  problem: "a DOCTYPE is not accepted, nor are entities of its own: remove it"
})

const otherEncoding = (encoding: string): Problem => ({
  reason: "InvalidText",
  line: 1,
  problem: `the file says that its encoding is ${quote(encoding)}: save it in UTF-8`
})

const notXes = (line: number, name: string): Problem => ({
  reason: "WrongFormat",
  line,
  problem: `the XML is no XES log, its outermost element is ${quote(name)}: give a file whose outermost element is "log"`
})

const outsideTrace = (line: number): Problem => ({
  reason: "MissingValue",
  line,
  column: names.case,
  problem: "the event stands outside any trace and so has no case: put it in one"
})

const traceWithoutName = (line: number): Problem => ({
  reason: "MissingValue",
  line,
  column: names.case,
  problem: "the trace of this event has no name before it: give the trace a concept:name"
})

const withoutKey = (line: number): Problem => ({
  reason: "BrokenXml",
  line,
  problem: "an attribute of the event has no key: give it one"
})

const keyTwice = (line: number, key: string): Problem => ({
  reason: "BrokenXml",
  line,
  column: key,
  problem: "the event has this key twice: keep one"
})

const notOfType = (line: number, key: string, type: string, text: string): Problem => ({
  reason: "InvalidValue",
  line,
  column: key,
  problem: `${quote(text)} is not of the type ${type}: correct it, or make it a string`
})

const tooLarge = (line: number): Problem => ({
  reason: "TooLarge",
  line,
  problem: `what starts here is longer than ${maxRowLength} characters: look for a tag or quote that is not closed`
})

const tooDeep = (line: number): Problem => ({
  reason: "TooLarge",
  line,
  problem: `elements are nested more than ${maxDepth} levels deep: flatten them`
})
