/** Event logs in XES, the XML of the IEEE standard 1849: a log of traces, a trace of events. */
import type { ImportedRow, Json } from "@refold/core"
import { Result, type Stream } from "effect"
import { SaxesParser } from "saxes"
import { type Problem, maxRowLength, quote } from "./EventLogError.ts"
import * as EventTime from "./EventTime.ts"
import * as LogRow from "./LogRow.ts"
import * as RowReader from "./RowReader.ts"

export interface Options {
  /** Values that mean "absent", beside the empty one. */
  readonly missing?: ReadonlyArray<string> | undefined
}

/**
 * The rows of a log: one row per event. The `concept:name` of its trace is the execution id.
 *
 * **Details**
 *
 * The payload has the event's own attributes other than the standard four. Numbers and booleans stay what they are;
 * numbers that JSON cannot hold exactly (`NaN`, beyond 2^53) stay text. Attributes of the log, of traces and of
 * attributes, globals, lists and containers are left out. A DOCTYPE is refused, and so are its entities.
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

/** The depth of elements: the log is 1. */
const traceDepth = 2
const eventDepth = 3
const attributeDepth = 4
const maxDepth = 100

interface OpenEvent {
  readonly line: number
  readonly attributes: Map<string, Json.Json>
  length: number
}

/** Where the parser is in the file, and what it has found since the last step. */
interface State {
  readonly missing: ReadonlySet<string>
  rows: Array<ImportedRow>
  problem: Problem | undefined
  depth: number
  tagLine: number
  lengthSinceTag: number
  isInTrace: boolean
  caseId: string | undefined
  event: OpenEvent | undefined
  rowCount: number
}

const open = (missing: ReadonlySet<string>): RowReader.RowReader<string> => {
  const state: State = {
    missing,
    rows: [],
    problem: undefined,
    depth: 0,
    tagLine: 1,
    lengthSinceTag: 0,
    isInTrace: false,
    caseId: undefined,
    event: undefined,
    rowCount: 0
  }
  const parser = parserOf(state)

  const step = (run: () => void): RowReader.Step => {
    const ran = Result.try({ try: run, catch: (cause) => brokenXml(parser.line, String(cause)) })
    if (Result.isFailure(ran)) refuse(state, ran.failure)
    if (state.lengthSinceTag > maxRowLength) refuse(state, tooLarge(state.tagLine))
    const { problem, rows } = state
    state.rows = []
    return { rows, problem }
  }

  return {
    write: (text) =>
      step(() => {
        state.lengthSinceTag += text.length
        parser.write(text)
      }),
    end: () => step(() => void parser.close())
  }
}

const parserOf = (state: State): SaxesParser => {
  const parser = new SaxesParser({ xmlns: false, position: false })
  parser.on("error", (error) => refuse(state, brokenXml(parser.line, error.message)))
  parser.on("doctype", () => refuse(state, forbidden(parser.line)))
  parser.on("xmldecl", ({ encoding = "UTF-8" }) => {
    if (!/^(utf-8|us-ascii|ascii)$/i.test(encoding)) refuse(state, otherEncoding(encoding))
  })
  parser.on("opentagstart", () => {
    // The parser reads one character past the name; a line feed there belongs to the next line.
    state.tagLine = parser.column === 0 ? parser.line - 1 : parser.line
  })
  parser.on("opentag", (tag) => openTag(state, tag.name, tag.attributes))
  parser.on("closetag", () => closeTag(state))
  return parser
}

/** The first problem counts: later ones may only follow from it. */
const refuse = (state: State, problem: Problem): void => {
  state.problem ??= problem
}

const openTag = (state: State, name: string, attributes: Record<string, string>): void => {
  const depth = ++state.depth
  state.lengthSinceTag = 0
  if (state.problem !== undefined) return
  const { tagLine } = state
  if (depth === 1 && name !== "log") refuse(state, notXes(tagLine, name))
  if (depth === traceDepth) {
    state.isInTrace = name === "trace"
    state.caseId = undefined
    if (name === "event") refuse(state, outsideTrace(tagLine))
  }
  if (depth === eventDepth && state.isInTrace) {
    if (name === "event") state.event = { line: tagLine, attributes: new Map(), length: 0 }
    else if (attributes["key"] === names.case) state.caseId = attributes["value"]
  }
  if (depth === attributeDepth && state.event !== undefined && valueTypes.has(name)) {
    const problem = addAttribute(state, state.event, {
      type: name,
      key: attributes["key"],
      text: attributes["value"] ?? ""
    })
    if (problem !== undefined) refuse(state, problem)
  }
  if (depth > maxDepth) refuse(state, tooDeep(tagLine))
}

/** Adds the attribute to the event, unless it is missing; else what is wrong with it. */
const addAttribute = (
  { missing, tagLine }: State,
  event: OpenEvent,
  { key, text, type }: { readonly type: string; readonly key: string | undefined; readonly text: string }
): Problem | undefined => {
  if (key === undefined) return withoutKey(tagLine)
  if (event.attributes.has(key)) return keyTwice(tagLine, key)
  const bad = LogRow.findBadKey(tagLine, key)
  if (bad !== undefined) return bad
  event.length += key.length + text.length
  if (event.length > maxRowLength) return tooLarge(event.line)
  if (missing.has(text)) return undefined
  const value = standard.has(key) ? text : toValue(type, text)
  if (value === undefined) return notOfType(tagLine, key, type, text)
  event.attributes.set(key, value)
  return undefined
}

const closeTag = (state: State): void => {
  if (state.depth === eventDepth && state.event !== undefined && state.problem === undefined) {
    const row = toRow(state, state.event)
    if (Result.isFailure(row)) refuse(state, row.failure)
    else {
      state.rowCount++
      state.rows.push(row.success)
    }
    state.event = undefined
  }
  state.depth--
  state.lengthSinceTag = 0
}

const toRow = (
  { caseId, missing, rowCount }: State,
  { attributes, line }: OpenEvent
): Result.Result<ImportedRow, Problem> => {
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
    place: rowCount + 1,
    line
  })
}

/** The attributes that have one value; lists and containers have none. */
const valueTypes: ReadonlySet<string> = new Set(["string", "date", "int", "float", "boolean", "id"])

/** The value as JSON; undefined if the text is not of the type. */
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
  problem: "a DOCTYPE and its entities are not accepted: remove it"
})

const otherEncoding = (encoding: string): Problem => ({
  reason: "InvalidText",
  line: 1,
  problem: `the file says that its encoding is ${quote(encoding)}: save it in UTF-8`
})

const notXes = (line: number, name: string): Problem => ({
  reason: "WrongFormat",
  line,
  problem: `the XML is not an XES log, because its outermost element is ${quote(name)}: give a file whose outermost element is "log"`
})

const outsideTrace = (line: number): Problem => ({
  reason: "MissingValue",
  line,
  column: names.case,
  problem: "the event is outside any trace and so has no case: put it in one"
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
  problem: `the text that starts here is longer than ${maxRowLength} characters: look for a tag or quote that is not closed`
})

const tooDeep = (line: number): Problem => ({
  reason: "TooLarge",
  line,
  problem: `elements are nested more than ${maxDepth} levels deep: flatten them`
})
