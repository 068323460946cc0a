/**
 * A recorded run: the events of one execution, each with the decision and the state that the recording build replayed.
 * Another build replays the same events and reports where its decisions or states differ.
 *
 * A run is a header and one line per event, in order from the first event. It is a stored format: files of it outlive the
 * build that wrote them.
 */
import type { ExecutionState } from "@refold/core"
import {
  Decision,
  Identifier,
  Json,
  WorkflowRef,
  Replay,
  startedEventName,
  Upcast,
  Workflow,
  WorkflowEvent
} from "@refold/core"
import { JsonPointer, Result, Schema } from "effect"

/** Version of the file format. A reader refuses a newer one. */
export const formatVersion = 1

export const Header = Schema.Struct({
  /** The format version, under its first name: files outlive builds. */
  history: Schema.Int.check(Schema.isGreaterThan(0)),
  workflow: WorkflowRef,
  /** Number of lines that follow. A file with fewer lines is incomplete. */
  eventCount: Schema.Int.check(Schema.isGreaterThan(0)),
  isRedacted: Schema.Boolean
})
export type Header = typeof Header.Type

/** The result of `decide` for the event, submitted again on the state before it. */
export const Verdict = Schema.TaggedUnion({
  Accepted: { toState: Schema.String },
  /** `error` is the tag of the refusal, `reason` its sentence. */
  Refused: { error: Schema.String, reason: Schema.String },
  /** A guard or an upcaster threw. */
  Threw: { cause: Schema.String }
})
export type Verdict = typeof Verdict.Type

/** The state after an event. Its position and instants are those of the event. */
export const StateRecord = Schema.Struct({
  currentState: Identifier.Identifier,
  isComplete: Schema.Boolean,
  /** Whether the data matches its schema. */
  isValid: Schema.Boolean,
  /** The encoded data. Absent when it cannot be encoded; in a file also when the event did not change it. */
  data: Schema.optionalKey(Schema.Json)
})
export type StateRecord = typeof StateRecord.Type

/**
 * **Details**
 *
 * `verdict` and `state` are absent where the recording build had no definition, or could not fold the event. The check then
 * expects the event to be accepted and to lead to its `to_state`.
 */
export const Line = Schema.Struct({
  event: WorkflowEvent,
  verdict: Schema.optionalKey(Verdict),
  state: Schema.optionalKey(StateRecord)
})
export type Line = typeof Line.Type

/** A part of the data that differs from the recording. `path` is a JSON pointer. A side that lacks the part is absent. */
export interface Change {
  readonly path: string
  readonly recorded?: Json.Json
  readonly found?: Json.Json
}

/** How the replay of an event differs from the recording. */
export type Difference = { readonly position: number; readonly eventName: string } & (
  | { readonly _tag: "Decision"; readonly recorded: Verdict; readonly found: Verdict }
  | { readonly _tag: "State"; readonly recorded: StateName; readonly found: StateName }
  /** The first {@link maxChanges} changes, and how many there are. */
  | { readonly _tag: "Data"; readonly changes: ReadonlyArray<Change>; readonly changeCount: number }
  /** The data no longer matches its schema. */
  | { readonly _tag: "InvalidData"; readonly path: string; readonly problem: string }
  /** This build does not know the schema version of the payload yet. Ends the check of the run. */
  | { readonly _tag: "NewerSchema"; readonly schemaVersion: number; readonly knownVersion: number }
  /** The event cannot be folded. Ends the check of the run. */
  | { readonly _tag: "Unreadable"; readonly reason: string }
)

interface StateName {
  readonly currentState: string
  readonly isComplete: boolean
}

export const maxChanges = 20

/** The outcome of one event in this build. */
export interface Outcome {
  readonly after: ExecutionState.ExecutionState
  /** Absent for the first event of an imported log, which no decision made. */
  readonly verdict?: Verdict
  readonly state: StateRecord
  /** Why the data is not valid, if it is not. */
  readonly problem?: Json.JsonProblem
}

/**
 * Folds an event into the state before it, and decides it again. An exception of the definition is part of the outcome.
 *
 * **Details**
 *
 * Fails with the reason when the event cannot be folded. The decision gets the payload upcast to the current version, of any
 * size.
 */
export const replay = (
  workflow: Workflow.Workflow,
  before: ExecutionState.ExecutionState | undefined,
  event: WorkflowEvent
): Result.Result<Outcome, string> => {
  // First, because a faulty `evolve` might change data that the guards read.
  const verdict = decideAgain(workflow, before, event)
  return Result.flatMap(
    attempt(() => Replay.evolve(workflow, before, event)),
    (folded) => {
      if (Result.isFailure(folded)) return Result.fail(folded.failure.reason)
      const after = folded.success
      if (after === undefined || after === before) return Result.fail("it is in the run twice")
      return Result.map(
        attempt(() => examine(workflow, after)),
        (examined) => ({ after, ...(verdict === undefined ? {} : { verdict }), ...examined })
      )
    }
  )
}

const decideAgain = (
  workflow: Workflow.Workflow,
  before: ExecutionState.ExecutionState | undefined,
  event: WorkflowEvent
): Verdict | undefined => {
  const decided = attempt(() => {
    if (before !== undefined) return decide(workflow, before, event)
    return event.event_name === startedEventName ? start(workflow, event) : undefined
  })
  if (Result.isFailure(decided)) return { _tag: "Threw", cause: decided.failure }
  if (decided.success === undefined) return undefined
  return Result.match(decided.success, {
    onFailure: (rejection): Verdict => ({ _tag: "Refused", error: rejection._tag, reason: rejection.message }),
    onSuccess: ({ events: [{ to_state }] }) => ({ _tag: "Accepted", toState: to_state })
  })
}

const decide = (workflow: Workflow.Workflow, before: ExecutionState.ExecutionState, event: WorkflowEvent) => {
  const { event_name, event_type, metadata, user_id } = event
  const schema = workflow.events[event_name]
  // Without an upcaster for its version, the stored payload is decided as it is; the fold then reports why it fails.
  const payload =
    schema === undefined
      ? event.payload
      : Result.getOrElse(
          Upcast.apply(Upcast.upcastersOf(schema), event.schema_version, event.payload),
          () => event.payload
        )
  const submission = {
    event_name,
    event_type,
    metadata,
    ...(user_id === undefined ? {} : { user_id }),
    ...(payload === undefined ? {} : { payload }),
    // A typed workflow finds the target in its own table: exactly that is compared with the recording.
    ...(Workflow.isOpen(workflow) ? { to_state: event.to_state } : {})
  }
  return Decision.decide(workflow, before, submission, { maxPayloadBytes: Number.POSITIVE_INFINITY })
}

const start = (workflow: Workflow.Workflow, { metadata, payload, user_id }: WorkflowEvent) => {
  const data = Json.asObject(payload)
  const request = { metadata, ...(user_id === undefined ? {} : { user_id }), ...(data === undefined ? {} : { data }) }
  return Decision.start(workflow, request, { maxPayloadBytes: Number.POSITIVE_INFINITY })
}

const examine = (
  workflow: Workflow.Workflow,
  state: ExecutionState.ExecutionState
): Pick<Outcome, "state" | "problem"> => {
  const { currentState, isComplete } = state
  const encoded = workflow.encodeData(state.data)
  if (Result.isFailure(encoded)) {
    return { state: { currentState, isComplete, isValid: false }, problem: encoded.failure }
  }
  const data = encoded.success
  if (workflow.isData(state.data)) return { state: { currentState, isComplete, isValid: true, data } }
  const problem = Result.match(workflow.checkData(data), {
    onFailure: (failure) => failure,
    onSuccess: () => ({ path: "", problem: "is refused by its schema" })
  })
  return { state: { currentState, isComplete, isValid: false, data }, problem }
}

/** Runs code of a definition; its exception becomes a sentence. */
const attempt = <A>(run: () => A): Result.Result<A, string> =>
  Result.try({ try: run, catch: (cause) => `the definition threw ${String(cause)}` })

/** Progress of recording or checking a run: what the next line is compared with. */
export interface Cursor {
  readonly state: ExecutionState.ExecutionState | undefined
  /** The last data in the file. */
  readonly recordedData: Json.Json | undefined
  /** The last report about the data, as text: the same report is not repeated for each later event. */
  readonly reported: string
}

export const origin: Cursor = { state: undefined, recordedData: undefined, reported: "[]" }

/** The line of a replayed event. Leaves the data out when it equals that of the cursor. */
export const record = (
  cursor: Cursor,
  event: WorkflowEvent,
  { after, state, verdict }: Outcome
): { readonly cursor: Cursor; readonly line: Line } => {
  const { data, ...rest } = state
  const isAsBefore = data === undefined || isSameJson(data, cursor.recordedData)
  return {
    // Cloned, because a faulty handler may change the data that it gets for the next event.
    cursor: { ...cursor, state: after, recordedData: isAsBefore ? cursor.recordedData : structuredClone(data) },
    line: {
      event,
      ...(verdict === undefined ? {} : { verdict }),
      state: isAsBefore ? rest : { ...rest, data }
    }
  }
}

/** The check of one line: its differences, and the cursor for the next line. Without a cursor the run ends here. */
export interface Checked {
  readonly differences: ReadonlyArray<Difference>
  readonly cursor?: Cursor
}

/**
 * Replays an event with a definition, and compares the outcome with the recorded line.
 *
 * **Details**
 *
 * Data that differs in the same way as after the previous event is not reported again.
 */
export const check = (workflow: Workflow.Workflow, cursor: Cursor, line: Line): Checked => {
  const { event } = line
  const at = { position: event.position, eventName: event.event_name }
  const knownVersion = workflow.schemaVersion(event.event_name)
  if (Object.hasOwn(workflow.events, event.event_name) && event.schema_version > knownVersion) {
    return { differences: [{ ...at, _tag: "NewerSchema", schemaVersion: event.schema_version, knownVersion }] }
  }
  const replayed = replay(workflow, cursor.state, event)
  if (Result.isFailure(replayed)) {
    return { differences: [{ ...at, _tag: "Unreadable", reason: replayed.failure }] }
  }
  const { after, problem, state, verdict } = replayed.success
  const differences: Array<Difference> = []

  const expected: Verdict = line.verdict ?? { _tag: "Accepted", toState: event.to_state }
  if (verdict !== undefined && !isSameVerdict(expected, verdict)) {
    differences.push({ ...at, _tag: "Decision", recorded: expected, found: verdict })
  }
  const recorded = line.state
  if (recorded !== undefined && nameOf(recorded) !== nameOf(state)) {
    differences.push({ ...at, _tag: "State", recorded: toName(recorded), found: toName(state) })
  }
  // Not with `??`: null is valid data.
  const isAsBefore = recorded !== undefined && recorded.data === undefined
  const recordedData = isAsBefore ? cursor.recordedData : recorded?.data
  const changes = recordedData === undefined || state.data === undefined ? [] : changesBetween(recordedData, state.data)
  const invalid = problem !== undefined && recorded?.isValid !== false ? [problem] : []
  const reported = JSON.stringify([...changes, ...invalid])
  if (reported !== cursor.reported) {
    if (changes.length > 0) {
      differences.push({
        ...at,
        _tag: "Data",
        // Cloned, because a faulty handler may change the data that it gets for the next event.
        changes: structuredClone(changes.slice(0, maxChanges)),
        changeCount: changes.length
      })
    }
    for (const each of invalid) differences.push({ ...at, _tag: "InvalidData", ...each })
  }
  return { differences, cursor: { state: after, recordedData, reported } }
}

const isSameVerdict = (left: Verdict, right: Verdict): boolean => {
  if (left._tag === "Accepted") return right._tag === "Accepted" && left.toState === right.toState
  if (left._tag === "Refused") return right._tag === "Refused" && left.error === right.error
  return right._tag === "Threw"
}

const toName = ({ currentState, isComplete }: StateRecord): StateName => ({ currentState, isComplete })

const nameOf = (state: StateRecord): string => JSON.stringify(toName(state))

const isSameJson = (left: Json.Json, right: Json.Json | undefined): boolean =>
  right !== undefined && Json.canonical(left) === Json.canonical(right)

const changesBetween = (recorded: Json.Json, found: Json.Json, path = ""): ReadonlyArray<Change> => {
  const [left, right] = [membersOf(recorded), membersOf(found)]
  if (left === undefined || right === undefined || Array.isArray(recorded) !== Array.isArray(found)) {
    return isSameJson(recorded, found) ? [] : [{ path, recorded, found }]
  }
  const removed = [...left].filter(([key]) => !right.has(key))
  return [
    ...removed.map(([key, value]) => ({ path: `${path}/${JsonPointer.escapeToken(key)}`, recorded: value })),
    ...[...right].flatMap(([key, value]) => {
      const at = `${path}/${JsonPointer.escapeToken(key)}`
      const before = left.get(key)
      return before === undefined ? [{ path: at, found: value }] : changesBetween(before, value, at)
    })
  ]
}

/** The parts of an array or object; undefined for other values. */
const membersOf = (value: Json.Json): ReadonlyMap<string, Json.Json> | undefined => {
  if (Array.isArray(value)) return new Map(value.map((each, index) => [String(index), each]))
  const object = Json.asObject(value)
  return object === undefined ? undefined : new Map(Object.entries(object))
}
