/** Recorded runs, line by line: the outcome of an event, what is recorded of it, and which differences a check finds. */
import { assert, describe, it } from "@effect/vitest"
import {
  type ExecutionState,
  type Json,
  Replay,
  Upcast,
  Workflow,
  type WorkflowEvent,
  startedEventName,
  type Submission
} from "@refold/core"
import { RecordedRun } from "@refold/testing/recording"
import { Result, Schema } from "effect"
import fc from "fast-check"
import { json } from "../arbitraries/Json.ts"
import { eventAt } from "../core/Invoice.ts"

// --- A tab that guests run up -----------------------------------------------------------------------------------------

const data = Schema.Struct({ cents: Schema.Int })
type Data = typeof data.Type
const Added = Schema.Struct({ cents: Schema.Int, note: Schema.optionalKey(Schema.String) })

type Guard = (data: Data, payload: unknown, submission: Submission) => boolean

/** The guard belongs to `Added`. Splitting a tab may leave a fraction, and then its data is invalid. */
const tabWith = (guard: Guard): Workflow.Workflow =>
  Workflow.make({
    name: "tab",
    events: {
      Added: Upcast.to(Added, [(old) => ({ cents: Number(old) })]),
      Split: Schema.Struct({ ways: Schema.Int }),
      Noted: Schema.UndefinedOr(Schema.Struct({ note: Schema.String })),
      Closed: Schema.Undefined
    },
    data,
    initial: { state: "Open", data: { cents: 0 } },
    states: { Open: { Added: { to: "Open", guard }, Split: "Open", Noted: "Open", Closed: "Closed" }, Closed: {} },
    final: ["Closed"],
    evolve: {
      Added: (data, { cents }) => ({ cents: data.cents + cents }),
      Split: ({ cents }, { ways }) => ({ cents: cents / ways })
    }
  })

const Tab = tabWith(() => true)
const Refusing = tabWith(() => false)
const Throwing = tabWith(() => {
  throw new RangeError("no such guest")
})
const Log = Workflow.open("log")

const tabEvent = (position: number, fields: Partial<WorkflowEvent>): WorkflowEvent =>
  eventAt(position, { execution_id: "tab-1", from_state: "Open", to_state: "Open", schema_version: 1, ...fields })

const withoutPayload = (event: WorkflowEvent): WorkflowEvent => {
  const { payload: _, ...rest } = event
  return rest
}

const started = (payload: Json.Json, fields: Partial<WorkflowEvent> = {}): WorkflowEvent =>
  tabEvent(1, { event_name: startedEventName, from_state: "none", payload, ...fields })

const added = (position: number, cents: number, fields: Partial<WorkflowEvent> = {}): WorkflowEvent =>
  tabEvent(position, { event_name: "Added", payload: { cents }, schema_version: 2, ...fields })

const noted = (position: number): WorkflowEvent => withoutPayload(tabEvent(position, { event_name: "Noted" }))
const closed = (position: number): WorkflowEvent =>
  withoutPayload(tabEvent(position, { event_name: "Closed", to_state: "Closed" }))
const split = (position: number, ways: number): WorkflowEvent =>
  tabEvent(position, { event_name: "Split", payload: { ways } })

const stateAfter = (...events: ReadonlyArray<WorkflowEvent>): ExecutionState.ExecutionState | undefined =>
  Result.getOrThrow(Replay.fold(Tab, undefined, events))

/** The outcome of an event on a tab with this initial sum. */
const replayOn = (workflow: Workflow.Workflow, event: WorkflowEvent, cents = 0): RecordedRun.Outcome =>
  Result.getOrThrow(RecordedRun.replay(workflow, stateAfter(started({ cents })), event))

const start = (workflow: Workflow.Workflow, event: WorkflowEvent): RecordedRun.Outcome =>
  Result.getOrThrow(RecordedRun.replay(workflow, undefined, event))

const large = "x".repeat(300_000)

// --- Replaying --------------------------------------------------------------------------------------------------------

describe("RecordedRun.replay", () => {
  it("gives the state after an event and that it is accepted", () => {
    const [first, second] = [started({ cents: 7 }), added(2, 5)]
    assert.deepStrictEqual(replayOn(Tab, second, 7), {
      after: {
        tenant: "acme",
        executionId: "tab-1",
        workflow: { name: "tab", version: 1 },
        currentState: "Open",
        data: { cents: 12 },
        position: 2,
        isComplete: false,
        startedAt: first.created_at,
        updatedAt: second.created_at
      },
      verdict: { _tag: "Accepted", toState: "Open" },
      state: { currentState: "Open", isComplete: false, isValid: true, data: { cents: 12 } }
    })
    assert.deepInclude(replayOn(Tab, closed(2), 7), {
      verdict: { _tag: "Accepted", toState: "Closed" },
      state: { currentState: "Closed", isComplete: true, isValid: true, data: { cents: 7 } }
    })
  })

  it("folds what the definition refuses, and says why it does", () => {
    assert.deepInclude(replayOn(Refusing, added(2, 5)), {
      verdict: {
        _tag: "Refused",
        error: "TransitionRejected",
        reason: `Execution "tab-1" in state "Open" accepts Added, but not with this data: no guard holds`
      },
      state: { currentState: "Open", isComplete: false, isValid: true, data: { cents: 5 } }
    })
    const outcome = Result.getOrThrow(
      RecordedRun.replay(Tab, stateAfter(started({ cents: 0 }), closed(2)), added(3, 5))
    )
    assert.deepInclude(outcome, {
      verdict: {
        _tag: "Refused",
        error: "ExecutionComplete",
        reason: `Execution "tab-1" is complete, in state "Closed"; start another one`
      },
      state: { currentState: "Open", isComplete: false, isValid: true, data: { cents: 5 } }
    })
  })

  it("folds what a guard throws at, and says what it threw", () => {
    assert.deepInclude(replayOn(Throwing, added(2, 5)), {
      verdict: { _tag: "Threw", cause: "the definition threw RangeError: no such guest" },
      state: { currentState: "Open", isComplete: false, isValid: true, data: { cents: 5 } }
    })
  })

  it("shows the guard what was submitted, the payload in its current version, and nothing that was not", () => {
    const seen: Array<unknown> = []
    const watched = tabWith((...given) => seen.push(given) > 0)
    const metadata = { correlation_id: "table-4" }
    replayOn(watched, added(2, 5, { user_id: "ann", event_type: "order", metadata }), 7)
    replayOn(watched, tabEvent(2, { event_name: "Added", payload: 5 }), 7)
    assert.deepStrictEqual(seen, [
      [
        { cents: 7 },
        { cents: 5 },
        { event_name: "Added", event_type: "order", metadata, user_id: "ann", payload: { cents: 5 } }
      ],
      [{ cents: 7 }, { cents: 5 }, { event_name: "Added", event_type: "workflow", metadata: {}, payload: { cents: 5 } }]
    ])
  })

  it("does not make up a payload for an event that has none", () => {
    const seen: Array<Submission> = []
    const Doorbell = Workflow.make({
      name: "doorbell",
      events: { Rung: Schema.Undefined },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Rung: { to: "Open", guard: (_data, _payload, submission) => seen.push(submission) > 0 } } }
    })
    const before = Result.getOrThrow(Replay.fold(Doorbell, undefined, [started({})]))
    Result.getOrThrow(RecordedRun.replay(Doorbell, before, withoutPayload(tabEvent(2, { event_name: "Rung" }))))
    assert.deepStrictEqual(seen, [{ event_name: "Rung", event_type: "workflow", metadata: {} }])
  })

  it("decides a payload however large it is, which was accepted under another limit", () => {
    const accepted: RecordedRun.Verdict = { _tag: "Accepted", toState: "Open" }
    const note = added(2, 5, { payload: { cents: 5, note: large } })
    assert.deepStrictEqual(replayOn(Tab, note).verdict, accepted)
    assert.deepStrictEqual(start(Log, started({ note: large })).verdict, { _tag: "Accepted", toState: "started" })
  })

  it("takes an open workflow to the state that the event names", () => {
    const before = Result.getOrThrow(Replay.fold(Log, undefined, [started({})]))
    const event = tabEvent(2, { event_name: "Shelved", to_state: "Shelf", payload: { row: 3 } })
    const outcome = Result.getOrThrow(RecordedRun.replay(Log, before, event))
    assert.deepInclude(outcome, {
      verdict: { _tag: "Accepted", toState: "Shelf" },
      state: { currentState: "Shelf", isComplete: false, isValid: true, data: { row: 3 } }
    })
  })

  it("decides a payload of a version that it does not know as it stands, when folding needs none of it", () => {
    const note = { event_name: "Noted", schema_version: 9 }
    assert.deepStrictEqual(replayOn(Tab, tabEvent(2, { ...note, payload: { note: "corner table" } })).verdict, {
      _tag: "Accepted",
      toState: "Open"
    })
    const { verdict } = replayOn(Tab, tabEvent(2, { ...note, payload: { remark: "corner table" } }))
    assert.deepInclude(verdict, { _tag: "Refused", error: "PayloadInvalid" })
  })

  it("fails with the reason why an event cannot be folded", () => {
    const before = stateAfter(started({ cents: 0 }), added(2, 5))
    const reasonOf = (event: WorkflowEvent, workflow = Tab) => {
      const replayed = RecordedRun.replay(workflow, before, event)
      return Result.isFailure(replayed) ? replayed.failure : undefined
    }
    assert.strictEqual(
      reasonOf(added(3, 5, { schema_version: 9 })),
      "its payload has schema version 9, but this definition knows versions up to 2"
    )
    assert.strictEqual(reasonOf(added(4, 5)), "it follows position 2")
    assert.strictEqual(reasonOf(added(3, 5, { execution_id: "tab-2" })), "it is an event of another execution")
    assert.strictEqual(reasonOf(added(2, 5)), "it is in the run twice")
    assert.strictEqual(reasonOf(started({ cents: 0 })), "it is in the run twice")
  })

  it("decides a start once more: its data, or none, who asked, and under which ids", () => {
    const accepted: RecordedRun.Verdict = { _tag: "Accepted", toState: "Open" }
    assert.deepStrictEqual(start(Tab, started({ cents: 7 })).verdict, accepted)
    assert.deepStrictEqual(start(Tab, withoutPayload(started(null))).verdict, accepted)
    assert.deepStrictEqual(
      start(Tab, started({ cents: 7 }, { user_id: "ann", metadata: { causation_id: "door" } })).verdict,
      accepted
    )

    const unpaid = start(Tab, started({ cents: 0.5 })).verdict
    assert.deepInclude(unpaid, { _tag: "Refused", error: "PayloadInvalid" })
    assert.match(sentenceOf(unpaid), /^The payload of workflow\.started at \/cents is refused by its schema/)
    const long = "a".repeat(256)
    const problem = "is 256 characters long; at most 255 are accepted"
    for (const event of [{ user_id: long }, { metadata: { causation_id: long } }]) {
      const field = "user_id" in event ? "user_id" : "causation_id"
      assert.deepStrictEqual(start(Tab, started({ cents: 0 }, event)).verdict, {
        _tag: "Refused",
        error: "InvalidInput",
        reason: `${field} ${problem}`
      })
    }
  })

  it("has no verdict on the first event of an imported log, which nobody decided", () => {
    const outcome = start(Log, tabEvent(1, { event_name: "Shelved", to_state: "Shelf", payload: { row: 3 } }))
    assert.notProperty(outcome, "verdict")
    assert.deepStrictEqual(outcome.state, {
      currentState: "Shelf",
      isComplete: false,
      isValid: true,
      data: { row: 3 }
    })
  })

  it("says where data is not what its schema says, and keeps it", () => {
    const { problem, state } = replayOn(Tab, split(2, 2), 5)
    assert.deepStrictEqual(state, { currentState: "Open", isComplete: false, isValid: false, data: { cents: 2.5 } })
    assert.strictEqual(problem?.path, "/cents")
    assert.match(problem?.problem ?? "", /^is refused by its schema: ./)
  })

  it("says where data is none that a store could keep, and keeps none", () => {
    const { problem, state } = replayOn(Tab, split(2, 0))
    assert.deepStrictEqual(state, { currentState: "Open", isComplete: false, isValid: false })
    assert.deepStrictEqual(problem, { path: "/cents", problem: "must be a finite number" })
  })

  it("takes an imported text that no store keeps for invalid data", () => {
    const { problem, state } = start(Log, started({ note: "half\0" }))
    assert.deepInclude(state, { isValid: false, data: { note: "half\0" } })
    assert.deepStrictEqual(problem, { path: "", problem: "is refused by its schema" })
  })
})

const sentenceOf = (verdict: RecordedRun.Verdict | undefined): string =>
  verdict?._tag === "Refused" ? verdict.reason : ""

// --- Recording --------------------------------------------------------------------------------------------------------

/** The lines of events, each recorded by a build. */
const recordAll = (
  workflow: Workflow.Workflow,
  events: ReadonlyArray<WorkflowEvent>
): { readonly cursor: RecordedRun.Cursor; readonly lines: ReadonlyArray<RecordedRun.Line> } => {
  let cursor = RecordedRun.origin
  const lines: Array<RecordedRun.Line> = []
  for (const event of events) {
    const recorded = RecordedRun.record(
      cursor,
      event,
      Result.getOrThrow(RecordedRun.replay(workflow, cursor.state, event))
    )
    cursor = recorded.cursor
    lines.push(recorded.line)
  }
  return { cursor, lines }
}

/** The differences of a build in lines, up to the first line that it cannot read. */
const checkAll = (
  workflow: Workflow.Workflow,
  lines: ReadonlyArray<RecordedRun.Line>
): ReadonlyArray<RecordedRun.Difference> => {
  let cursor: RecordedRun.Cursor | undefined = RecordedRun.origin
  const differences: Array<RecordedRun.Difference> = []
  for (const line of lines) {
    if (cursor === undefined) break
    const checked: RecordedRun.Checked = RecordedRun.check(workflow, cursor, line)
    differences.push(...checked.differences)
    cursor = checked.cursor
  }
  return differences
}

describe("RecordedRun.record", () => {
  it("writes verdict and state, and the data only where it is not as before", () => {
    const [begun, five, note, zero, end] = [started({ cents: 0 }), added(2, 5), noted(3), added(4, 0), closed(5)]
    const open = { currentState: "Open", isComplete: false, isValid: true }
    const verdict: RecordedRun.Verdict = { _tag: "Accepted", toState: "Open" }
    assert.deepStrictEqual(recordAll(Tab, [begun, five, note, zero, end]).lines, [
      { event: begun, verdict, state: { ...open, data: { cents: 0 } } },
      { event: five, verdict, state: { ...open, data: { cents: 5 } } },
      { event: note, verdict, state: open },
      { event: zero, verdict, state: open },
      {
        event: end,
        verdict: { _tag: "Accepted", toState: "Closed" },
        state: { currentState: "Closed", isComplete: true, isValid: true }
      }
    ])
  })

  it("hands the state on to the next event", () => {
    const events = [started({ cents: 0 }), added(2, 5)]
    assert.deepStrictEqual(recordAll(Tab, events).cursor.state, stateAfter(...events))
  })

  it("writes no verdict where there is none, and no data that no store could keep", () => {
    const [imported] = recordAll(Log, [tabEvent(1, { event_name: "Shelved", payload: {} })]).lines
    assert.isDefined(imported)
    assert.notProperty(imported, "verdict")

    const { cursor, lines } = recordAll(Tab, [started({ cents: 0 }), split(2, 0)])
    const invalid = { currentState: "Open", isComplete: false, isValid: false }
    assert.deepStrictEqual(lines[1]?.state, invalid)
    // The last recorded data is still the reference: data that returns to it is no difference.
    const outcome = replayOn(Tab, noted(2))
    assert.notProperty(RecordedRun.record(cursor, noted(3), outcome).line.state, "data")

    for (const line of [imported, ...lines]) assert.isTrue(Schema.is(RecordedRun.Line)(line))
  })

  it("writes what the same build finds again", () =>
    fc.assert(
      fc.property(fc.array(json, { maxLength: 5 }), (values) => {
        const noting = values.map((value, place) => tabEvent(place + 2, { event_name: "Noted", payload: { value } }))
        const { lines } = recordAll(Log, [started({}), ...noting])
        assert.deepStrictEqual(checkAll(Log, lines), [])
      })
    ))
})

// --- Checking ---------------------------------------------------------------------------------------------------------

/** Checks a line on a tab with this initial sum. */
const checkOn = (workflow: Workflow.Workflow, line: RecordedRun.Line, cents = 0): RecordedRun.Checked => {
  const state = stateAfter(started({ cents }))
  return RecordedRun.check(workflow, { ...RecordedRun.origin, state, recordedData: { cents } }, line)
}

describe("RecordedRun.check, of decisions", () => {
  const failedGuard: RecordedRun.Verdict = {
    _tag: "Refused",
    error: "TransitionRejected",
    reason: `Execution "tab-1" in state "Open" accepts Added, but not with this data: no guard holds`
  }
  const acceptedInto = (toState: string): RecordedRun.Verdict => ({ _tag: "Accepted", toState })
  const threw: RecordedRun.Verdict = { _tag: "Threw", cause: "the definition threw RangeError: no such guest" }
  const found = [
    { workflow: Tab, verdict: acceptedInto("Open") },
    { workflow: Refusing, verdict: failedGuard },
    { workflow: Throwing, verdict: threw }
  ]
  const recorded: ReadonlyArray<
    readonly [title: string, RecordedRun.Verdict, same: RecordedRun.Verdict["_tag"] | undefined]
  > = [
    ["acceptance", acceptedInto("Open"), "Accepted"],
    ["acceptance into another state", acceptedInto("Closed"), undefined],
    ["refusal for another reason", { ...failedGuard, reason: "it is late" }, "Refused"],
    ["refusal with another error", { ...failedGuard, error: "PayloadInvalid" }, undefined],
    ["anything thrown", { _tag: "Threw", cause: "the definition threw TypeError: no such table" }, "Threw"]
  ]

  it.each(recorded)("is silent after a recorded %s only where the build does the same", (_title, before, same) => {
    for (const { verdict, workflow } of found) {
      const { cursor, differences } = checkOn(workflow, { event: added(2, 5), verdict: before })
      const at = { position: 2, eventName: "Added", _tag: "Decision" } as const
      const expected = verdict._tag === same ? [] : [{ ...at, recorded: before, found: verdict }]
      assert.deepStrictEqual(differences, expected)
      // A different decision does not end the check, because the event is in the log.
      assert.deepStrictEqual(cursor?.state?.data, { cents: 5 })
    }
  })

  it("expects an event without a recorded verdict to be accepted into the state that it names", () => {
    assert.deepStrictEqual(checkOn(Tab, { event: added(2, 5) }).differences, [])
    assert.deepStrictEqual(checkOn(Tab, { event: added(2, 5, { to_state: "Shelf" }) }).differences, [
      {
        position: 2,
        eventName: "Added",
        _tag: "Decision",
        recorded: acceptedInto("Shelf"),
        found: acceptedInto("Open")
      }
    ])
    assert.deepStrictEqual(checkOn(Refusing, { event: added(2, 5) }).differences, [
      { position: 2, eventName: "Added", _tag: "Decision", recorded: acceptedInto("Open"), found: failedGuard }
    ])
  })

  it("expects nothing of the first event of an imported log", () => {
    const event = tabEvent(1, { event_name: "Shelved", to_state: "Shelf", payload: {} })
    assert.deepStrictEqual(RecordedRun.check(Log, RecordedRun.origin, { event }).differences, [])
  })
})

describe("RecordedRun.check, of states", () => {
  it("shows another name or another end of the execution, each with both", () => {
    const state = { currentState: "Open", isComplete: false, isValid: true }
    const at = { position: 2, eventName: "Added", _tag: "State" } as const
    const found = { currentState: "Open", isComplete: false }
    const differencesTo = (recorded: RecordedRun.StateRecord) =>
      checkOn(Tab, { event: added(2, 0), state: recorded }).differences
    assert.deepStrictEqual(differencesTo(state), [])
    assert.deepStrictEqual(differencesTo({ ...state, currentState: "Shelf" }), [
      { ...at, recorded: { currentState: "Shelf", isComplete: false }, found }
    ])
    assert.deepStrictEqual(differencesTo({ ...state, isComplete: true }), [
      { ...at, recorded: { currentState: "Open", isComplete: true }, found }
    ])
  })
})

describe("RecordedRun.check, of data", () => {
  const state = { currentState: "Open", isComplete: false, isValid: true }
  const at = { position: 1, eventName: startedEventName, _tag: "Data" } as const

  /** The changes shown if the build finds another object than the recorded one. */
  const differencesOf = (recorded: Workflow.OpenData, found: Workflow.OpenData) =>
    RecordedRun.check(Log, RecordedRun.origin, {
      event: started(found, { to_state: "started" }),
      state: {
        ...state,
        currentState: "started",
        data: recorded
      }
    }).differences

  const cases: ReadonlyArray<
    readonly [title: string, Workflow.OpenData, Workflow.OpenData, ReadonlyArray<RecordedRun.Change>]
  > = [
    ["nothing where only the order of keys differs", { a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }, []],
    [
      "a value, wherever it stands",
      { a: { b: [{ c: 1 }] } },
      { a: { b: [{ c: 2 }] } },
      [{ path: "/a/b/0/c", recorded: 1, found: 2 }]
    ],
    [
      "a key that is gone and one that is new",
      { a: 1, b: { old: "x" } },
      { a: 1, b: { new: null } },
      [
        { path: "/b/old", recorded: "x" },
        { path: "/b/new", found: null }
      ]
    ],
    [
      "what a list has more or less of",
      { more: [1], less: [1, 2] },
      { more: [1, [3]], less: [1] },
      [
        { path: "/more/1", found: [3] },
        { path: "/less/1", recorded: 2 }
      ]
    ],
    [
      "a list in place of an object with the same keys",
      { a: { 0: "x" } },
      { a: ["x"] },
      [{ path: "/a", recorded: { 0: "x" }, found: ["x"] }]
    ],
    ["an object in place of a list without members", { a: [] }, { a: {} }, [{ path: "/a", recorded: [], found: {} }]],
    [
      "an object in place of a value",
      { a: 1, b: null },
      { a: { c: 1 }, b: [] },
      [
        { path: "/a", recorded: 1, found: { c: 1 } },
        { path: "/b", recorded: null, found: [] }
      ]
    ],
    [
      "a value in place of an object",
      { a: { c: 1 }, b: [1] },
      { a: "c", b: false },
      [
        { path: "/a", recorded: { c: 1 }, found: "c" },
        { path: "/b", recorded: [1], found: false }
      ]
    ],
    [
      "everything of an object that is empty now",
      { a: 1, b: 2 },
      {},
      [
        { path: "/a", recorded: 1 },
        { path: "/b", recorded: 2 }
      ]
    ],
    [
      "keys as a JSON pointer writes them",
      { "a/b": { "~": 1 }, "": 1 },
      { "a/b": { "~": 2 } },
      [
        { path: "/", recorded: 1 },
        { path: "/a~1b/~0", recorded: 1, found: 2 }
      ]
    ]
  ]

  it.each(cases)("shows %s", (_title, recorded, found, changes) => {
    const expected = changes.length === 0 ? [] : [{ ...at, changes, changeCount: changes.length }]
    assert.deepStrictEqual(differencesOf(recorded, found), expected)
  })

  it("shows as many changes as are read, and how many there are", () => {
    const numbered = (count: number, value: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, place) => [`key${place}`, value]))
    const shown = (count: number) =>
      Array.from({ length: count }, (_, place) => ({ path: `/key${place}`, recorded: 1, found: 2 }))
    const { maxChanges } = RecordedRun
    for (const count of [maxChanges, maxChanges + 1, 100]) {
      assert.deepStrictEqual(differencesOf(numbered(count, 1), numbered(count, 2)), [
        { ...at, changes: shown(maxChanges), changeCount: count }
      ])
    }
  })

  const lineOf = (event: WorkflowEvent, recorded: Json.Json | undefined, isValid = true): RecordedRun.Line => ({
    event,
    state: { ...state, isValid, ...(recorded === undefined ? {} : { data: recorded }) }
  })

  it("compares with the data recorded last where a line has none, and says the same only once", () => {
    const changes = [{ path: "/cents", recorded: 9, found: 5 }]
    const change = { eventName: "Added", _tag: "Data", changes, changeCount: 1 } as const
    const lines = [
      lineOf(started({ cents: 0 }), { cents: 0 }),
      lineOf(added(2, 5), { cents: 9 }),
      lineOf(noted(3), undefined),
      lineOf(added(4, 4), undefined),
      lineOf(added(5, -4), undefined)
    ]
    assert.deepStrictEqual(checkAll(Tab, lines), [
      { position: 2, ...change },
      // The data was as recorded in between, so this is a new change.
      { position: 5, ...change }
    ])
  })

  it("shows data that is no longer valid where it begins, but not where it was recorded so", () => {
    const invalid = { eventName: "Split", _tag: "InvalidData", path: "/cents" } as const
    const { problem = "" } = replayOn(Tab, split(2, 2), 5).problem ?? {}
    const first = lineOf(started({ cents: 5 }), { cents: 5 })
    const half = { cents: 2.5 }
    assert.deepStrictEqual(checkAll(Tab, [first, lineOf(split(2, 2), half), lineOf(noted(3), undefined)]), [
      { position: 2, ...invalid, problem }
    ])
    assert.deepStrictEqual(checkAll(Tab, [first, { event: split(2, 2) }]), [{ position: 2, ...invalid, problem }])
    assert.deepStrictEqual(checkAll(Tab, [first, lineOf(split(2, 2), half, false)]), [])
  })

  it("takes null for data that was recorded", () => {
    const Note = Workflow.make({
      name: "note",
      events: { Cleared: Schema.Undefined },
      data: Schema.NullOr(data),
      initial: { state: "Open", data: { cents: 0 } },
      states: { Open: { Cleared: "Open" } },
      evolve: { Cleared: () => null }
    })
    const cleared = withoutPayload(tabEvent(2, { event_name: "Cleared" }))
    const { lines } = recordAll(Note, [started({ cents: 5 }), cleared])
    assert.isNull(lines[1]?.state?.data)
    assert.deepStrictEqual(checkAll(Note, lines), [])
  })

  it("shows what is wrong with data that cannot be compared, and no change of it", () => {
    assert.deepStrictEqual(checkOn(Tab, lineOf(split(2, 0), { cents: 0 })).differences, [
      { position: 2, eventName: "Split", _tag: "InvalidData", path: "/cents", problem: "must be a finite number" }
    ])
  })
})

describe("RecordedRun.check, of events that end a run", () => {
  it("shows a payload of a version that is not known yet, though its fold would not need it", () => {
    for (const [event, knownVersion] of [
      [added(2, 5, { schema_version: 3 }), 2],
      [tabEvent(2, { event_name: "Noted", schema_version: 3 }), 1]
    ] as const) {
      assert.deepStrictEqual(checkOn(Tab, { event }), {
        differences: [{ position: 2, eventName: event.event_name, _tag: "NewerSchema", schemaVersion: 3, knownVersion }]
      })
    }
  })

  it("goes on after an event that the definition does not have, of whatever version", () => {
    const { cursor, differences } = checkOn(Tab, { event: tabEvent(2, { event_name: "toString", schema_version: 3 }) })
    assert.deepStrictEqual(
      differences.map(({ _tag }) => _tag),
      ["Decision"]
    )
    assert.strictEqual(cursor?.state?.position, 2)
  })

  it("shows why an event cannot be folded", () => {
    assert.deepStrictEqual(checkOn(Tab, { event: added(1, 5) }), {
      differences: [{ position: 1, eventName: "Added", _tag: "Unreadable", reason: "it is in the run twice" }]
    })
  })
})

describe("RecordedRun.Header", () => {
  const header = { history: 1, workflow: { name: "tab", version: 1 }, eventCount: 5, isRedacted: false }

  it.each([
    ["no workflow name", { ...header, workflow: { version: 1 } }],
    ["no workflow version", { ...header, workflow: { name: "tab" } }],
    ["a version that is none", { ...header, workflow: { name: "tab", version: -1 } }],
    ["no event", { ...header, eventCount: 0 }],
    ["no format version", { ...header, history: 0 }],
    ["nothing said of redaction", { ...header, isRedacted: undefined }]
  ])("is refused with %s", (_title, broken) => {
    assert.isTrue(Schema.is(RecordedRun.Header)(header))
    assert.isFalse(Schema.is(RecordedRun.Header)(broken))
  })
})

describe("RecordedRun.Line", () => {
  const state = { currentState: "Open", isComplete: false, isValid: true, data: { cents: 5 } }
  it.each([
    { verdict: { _tag: "Accepted", toState: "Open" }, state },
    { verdict: { _tag: "Refused", error: "TransitionRejected", reason: "no" }, state },
    {
      verdict: { _tag: "Threw", cause: "the definition threw" },
      state: { ...state, isComplete: true, isValid: false }
    },
    {}
  ])("is read with all that was written: %j", (said) => {
    const line = { event: tabEvent(2, {}), ...said }
    assert.deepStrictEqual<unknown>(Schema.decodeUnknownSync(RecordedRun.Line)(JSON.parse(JSON.stringify(line))), line)
  })
})
