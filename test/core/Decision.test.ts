import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { Decision, type ExecutionState, Workflow, Identifier, type Submission } from "@refold/core"
import { Invoice } from "./Invoice.ts"

const stateOf = <Data>(
  workflow: Workflow.Workflow<string, Data>,
  currentState: string,
  data: Data
): ExecutionState.ExecutionState<Data> => ({
  tenant: "acme",
  executionId: "invoice-1",
  workflow: { name: workflow.name, version: workflow.version },
  currentState,
  data,
  position: 3,
  isComplete: workflow.finalStates.has(currentState),
  startedAt: "2025-03-01T12:00:00.000Z",
  updatedAt: "2025-03-01T12:00:00.000Z"
})

const rejection = <A>(decision: Result.Result<A, Decision.Rejection>): Decision.Rejection =>
  Result.getOrThrow(Result.flip(decision))

const onDraft = (submission: Submission, cents = 0) =>
  Decision.decide(Invoice, stateOf(Invoice, "Draft", { cents }), submission)

const paid: Submission = { event_name: "Paid", payload: { at: "2025-03-01T12:00:00.000Z" } }

describe("Decision.decide", () => {
  it("gives the event to append, with what the submission says and the current schema version", () => {
    const decision = onDraft({
      event_name: "Added",
      event_type: "manual",
      user_id: "ann",
      payload: { cents: 5 },
      metadata: { correlation_id: "c-1" },
      to_state: "Draft"
    })
    assert.deepStrictEqual(Result.getOrThrow(decision), {
      events: [
        {
          event_name: "Added",
          event_type: "manual",
          from_state: "Draft",
          to_state: "Draft",
          schema_version: 2,
          user_id: "ann",
          payload: { cents: 5 },
          metadata: { correlation_id: "c-1" }
        }
      ]
    })
  })

  it("refuses a payload with a key that the schema does not name", () => {
    const decision = onDraft({ event_name: "Added", payload: { cents: 5, stray: "lost" } })
    assert.match(rejection(decision).message, /^The payload of Added at \/stray is refused by its schema/)
  })

  it("gives guards the data, the payload and the submission", () => {
    const seen: Array<unknown> = []
    const Guarded = Workflow.make({
      name: "guarded",
      events: { Approved: Schema.Struct({ note: Schema.String }) },
      data: Schema.Struct({ cents: Schema.Int }),
      initial: { state: "Open", data: { cents: 7 } },
      states: {
        Open: {
          Approved: { to: "Done", guard: (data, payload, { user_id }) => seen.push(data, payload, user_id) > 0 }
        },
        Done: {}
      },
      final: ["Done"]
    })
    const submission = { event_name: "Approved", user_id: "ann", payload: { note: "fine" } }
    Decision.decide(Guarded, stateOf(Guarded, "Open", { cents: 7 }), submission)
    assert.deepStrictEqual(seen, [{ cents: 7 }, { note: "fine" }, "ann"])
  })

  it("leaves out what the submission does not say", () => {
    const [event] = Result.getOrThrow(onDraft({ event_name: "Cancelled", payload: {} })).events
    assert.deepStrictEqual(event, {
      event_name: "Cancelled",
      event_type: "workflow",
      from_state: "Draft",
      to_state: "Cancelled",
      schema_version: 1,
      payload: {},
      metadata: {}
    })
  })

  it("takes the first target whose guard holds", () => {
    const leadsTo = (cents: number) => Result.map(onDraft(paid, cents), ({ events }) => events[0].to_state)
    assert.strictEqual(Result.getOrThrow(leadsTo(1_000_000)), "Audited")
    assert.strictEqual(Result.getOrThrow(leadsTo(1)), "Paid")
  })

  it("rejects when no guard holds", () => {
    const rejected = rejection(onDraft(paid))
    assert.instanceOf(rejected, Decision.TransitionRejected)
    assert.strictEqual(rejected.reason, "GuardFailed")
    assert.strictEqual(
      rejected.message,
      `Execution "invoice-1" in state "Draft" accepts Paid, but not with this data: no guard holds`
    )
  })

  describe("with guards that say why", () => {
    const reasonOf = (...answers: ReadonlyArray<boolean | string>) => {
      const Guarded = Workflow.make({
        name: "guarded",
        events: { Approved: Schema.Struct({}) },
        data: Schema.Struct({}),
        initial: { state: "Open", data: {} },
        states: {
          Open: { Approved: answers.map((answer) => ({ to: "Done" as const, guard: () => answer })) },
          Done: {}
        }
      })
      const state = stateOf(Guarded, "Open", {})
      const rejected = rejection(Decision.decide(Guarded, state, { event_name: "Approved", payload: {} }))
      assert.instanceOf(rejected, Decision.TransitionRejected)
      assert.strictEqual(rejected.reason, "GuardFailed")
      assert.strictEqual("guardReason" in rejected, rejected.guardReason !== undefined)
      assert.strictEqual(
        rejected.message,
        `Execution "invoice-1" in state "Open" accepts Approved, but not with this data: ${rejected.guardReason ?? "no guard holds"}`
      )
      return rejected.guardReason
    }

    it("gives the reason, in the message too; of several the last, for the last target is the general one", () => {
      assert.strictEqual(reasonOf("the invoice has no lines"), "the invoice has no lines")
      assert.strictEqual(reasonOf("it is not large", "the invoice has no lines"), "the invoice has no lines")
      assert.strictEqual(reasonOf("it is not large", false), "it is not large")
      assert.isUndefined(reasonOf(false, false))
      assert.isUndefined(reasonOf(""))
    })

    it("does not take a target for a text that is not empty, but takes the next one that applies", () => {
      const Guarded = Workflow.make({
        name: "guarded",
        events: { Approved: Schema.Struct({}) },
        data: Schema.Struct({}),
        initial: { state: "Open", data: {} },
        states: {
          Open: { Approved: [{ to: "Audited", guard: () => "it is not large" }, "Done"] },
          Audited: {},
          Done: {}
        }
      })
      const decided = Decision.decide(Guarded, stateOf(Guarded, "Open", {}), { event_name: "Approved", payload: {} })
      assert.strictEqual(Result.getOrThrow(decided).events[0].to_state, "Done")
    })

    it("keeps 500 characters of the reason, all of which can be stored", () => {
      assert.strictEqual(reasonOf("x".repeat(501)), "x".repeat(500))
      assert.strictEqual(reasonOf(`${"x".repeat(499)}🙂`), `${"x".repeat(499)}\ufffd`)
      assert.strictEqual(reasonOf("a\0b\ud83dc"), "a\ufffdb\ufffdc")
    })
  })

  it("rejects an event that the state does not accept, and names those it does", () => {
    const rejected = rejection(
      Decision.decide(Invoice, stateOf(Invoice, "Audited", { cents: 1 }), { event_name: "Added" })
    )
    assert.instanceOf(rejected, Decision.TransitionRejected)
    assert.deepStrictEqual(
      { ...rejected },
      { ...rejected, reason: "NotAccepted", allowed: ["Paid"], eventName: "Added", currentState: "Audited" }
    )
    assert.strictEqual(
      rejected.message,
      `Execution "invoice-1" in state "Audited" does not accept Added; it accepts Paid`
    )
    assert.strictEqual(
      rejection(onDraft({ event_name: "constructor" })).message,
      `Execution "invoice-1" in state "Draft" does not accept constructor; it accepts Added, Paid, Cancelled`
    )
  })

  it("rejects every event in a state that leads nowhere, or that the definition does not have", () => {
    const Closing = Workflow.make({
      name: "closing",
      events: { Closed: Schema.Struct({}), Noted: Schema.Struct({}) },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Closed: "Stuck", Noted: [] }, Stuck: {} }
    })
    const decide = (currentState: string, eventName: string) =>
      rejection(Decision.decide(Closing, stateOf(Closing, currentState, {}), { event_name: eventName, payload: {} }))
    const nothing = (state: string) => `Execution "invoice-1" in state "${state}" does not accept Closed; it accepts`
    assert.strictEqual(decide("Stuck", "Closed").message, `${nothing("Stuck")} no event`)
    assert.strictEqual(decide("Removed", "Closed").message, `${nothing("Removed")} no event`)
    assert.strictEqual(
      decide("Open", "Noted").message,
      `Execution "invoice-1" in state "Open" does not accept Noted; it accepts Closed`
    )
  })

  it("rejects another target than the event leads to", () => {
    const rejected = rejection(onDraft({ ...paid, to_state: "Audited" }, 1))
    assert.instanceOf(rejected, Decision.TransitionRejected)
    assert.strictEqual(rejected.reason, "OtherTarget")
    assert.strictEqual(
      rejected.message,
      `Execution "invoice-1" in state "Draft" accepts Paid, but it does not lead to the state that was asked for`
    )
  })

  it("rejects everything on a complete execution, before it looks at the event", () => {
    const rejected = rejection(
      Decision.decide(Invoice, stateOf(Invoice, "Paid", { cents: 1 }), { event_name: "Unknown" })
    )
    assert.instanceOf(rejected, Decision.ExecutionComplete)
    assert.strictEqual(rejected.message, `Execution "invoice-1" is complete, in state "Paid"; start another one`)
  })

  it("rejects a payload that its schema refuses, and says where", () => {
    const rejected = rejection(onDraft({ event_name: "Added", payload: { cents: "5" } }))
    assert.instanceOf(rejected, Decision.PayloadInvalid)
    assert.strictEqual(rejected.path, "/cents")
    assert.match(rejected.message, /^The payload of Added at \/cents is refused by its schema: /)
    assert.instanceOf(rejection(onDraft({ event_name: "Added" })), Decision.PayloadInvalid)
  })

  it("checks the payload before a guard sees it", () => {
    assert.instanceOf(rejection(onDraft({ event_name: "Paid", payload: { at: "noon" } })), Decision.PayloadInvalid)
  })

  it("rejects a payload that cannot be stored, or is too big", () => {
    const note = (text: string): Submission => ({ event_name: "Added", payload: { cents: 1, note: text } })
    assert.strictEqual(
      rejection(onDraft(note("\0"))).message,
      "The payload of Added at /note must not hold NUL or half a surrogate pair"
    )
    assert.strictEqual(
      rejection(onDraft(note("x".repeat(300 * 1024)))).message,
      "The payload of Added is 307221 bytes of JSON; at most 262144 are accepted"
    )
    const state = stateOf(Invoice, "Draft", { cents: 0 })
    assert.isTrue(Result.isFailure(Decision.decide(Invoice, state, note("x".repeat(100)), { maxPayloadBytes: 100 })))
    assert.isTrue(
      Result.isSuccess(Decision.decide(Invoice, state, note("x".repeat(300 * 1024)), { maxPayloadBytes: 400 * 1024 }))
    )
  })

  it.each([
    ["event_name", { event_name: "" }, "event_name is empty; give it 1 to 255 characters"],
    ["event_type", { event_name: "Added", event_type: "" }, "event_type is empty; give it 1 to 255 characters"],
    [
      "to_state",
      { event_name: "Added", to_state: "x".repeat(256) },
      "to_state is 256 characters long; at most 255 are accepted"
    ],
    ["user_id", { event_name: "Added", user_id: "\0" }, "user_id holds NUL or half a surrogate pair; leave those out"],
    [
      "metadata",
      { event_name: "Added", metadata: { causation_id: "" } },
      "causation_id is empty; give it 1 to 255 characters"
    ]
  ])("refuses a name that cannot be stored: %s", (_field, submission, message) => {
    const rejected = rejection(onDraft(submission))
    assert.strictEqual(rejected._tag, "InvalidInput")
    assert.strictEqual(rejected.message, message)
  })
})

describe("Decision.decide on an event without a payload", () => {
  const bell = Workflow.make({
    name: "bell",
    events: { Rung: Schema.Undefined },
    data: Schema.Struct({}),
    initial: { state: "Open", data: {} },
    states: { Open: { Rung: "Open" } }
  })
  const decide = (submission: Submission) => Decision.decide(bell, stateOf(bell, "Open", {}), submission)

  it("accepts none, and refuses one", () => {
    assert.isFalse("payload" in Result.getOrThrow(decide({ event_name: "Rung" })).events[0])
    assert.instanceOf(rejection(decide({ event_name: "Rung", payload: null })), Decision.PayloadInvalid)
  })
})

describe("Decision.decide on an open definition", () => {
  const log = Workflow.open("log")
  const decide = (submission: Submission) => Decision.decide(log, stateOf(log, "started", {}), submission)

  it("accepts every event, and goes to the state it names or stays", () => {
    const moved = Result.getOrThrow(decide({ event_name: "toString", to_state: "constructor", payload: { a: 1 } }))
      .events[0]
    assert.deepStrictEqual([moved.from_state, moved.to_state, moved.schema_version], ["started", "constructor", 1])
    assert.strictEqual(Result.getOrThrow(decide({ event_name: "Noted" })).events[0].to_state, "started")
  })

  it("refuses a payload that is no object, since it could not be merged", () => {
    for (const payload of [[1], "text", null, 1]) {
      assert.match(
        rejection(decide({ event_name: "Noted", payload })).message,
        /^The payload of Noted must be an object/
      )
    }
  })
})

describe("Decision.allowedEvents", () => {
  it("names the events of a state, whatever their guards say; none in a final state or an open definition", () => {
    assert.deepStrictEqual(Decision.allowedEvents(Invoice, "Draft"), ["Added", "Paid", "Cancelled"])
    assert.deepStrictEqual(Decision.allowedEvents(Invoice, "Paid"), [])
    assert.deepStrictEqual(Decision.allowedEvents(Workflow.open("log"), "started"), [])
    const reopening = Workflow.make({
      name: "reopening",
      events: { Reopened: Schema.Struct({}) },
      data: Schema.Struct({}),
      initial: { state: "Closed", data: {} },
      states: { Closed: { Reopened: "Closed" } },
      final: ["Closed"]
    })
    assert.deepStrictEqual(Decision.allowedEvents(reopening, "Closed"), [])
  })
})

describe("Decision.start", () => {
  const startOf = (request: Decision.StartRequest) => Decision.start(Invoice, request)

  it("gives the first event, whose payload is the whole first data", () => {
    assert.deepStrictEqual(Result.getOrThrow(startOf({ data: { cents: 7 }, user_id: "ann" })).events, [
      {
        event_name: "workflow.started",
        event_type: "workflow",
        from_state: "none",
        to_state: "Draft",
        schema_version: 1,
        user_id: "ann",
        payload: { cents: 7 },
        metadata: {}
      }
    ])
    assert.deepStrictEqual(Result.getOrThrow(startOf({})).events[0].payload, { cents: 0 })
  })

  it("must bring the fields that the definition's initial data leaves out", () => {
    const Loan = Workflow.make({
      name: "loan",
      events: {},
      data: Schema.Struct({ customer: Schema.String, due: Schema.DateTimeUtcFromString, paid: Schema.Int }),
      initial: { state: "Open", data: { paid: 0 } },
      states: { Open: {} }
    })
    const due = "2025-03-01T12:00:00.000Z"
    const [started] = Result.getOrThrow(Decision.start(Loan, { data: { customer: "ann", due } })).events
    assert.deepStrictEqual(started.payload, { paid: 0, customer: "ann", due })
    for (const request of [{}, { data: { customer: "ann" } }]) {
      const refused = rejection(Decision.start(Loan, request))
      assert.instanceOf(refused, Decision.PayloadInvalid)
      assert.strictEqual(refused.path, request.data === undefined ? "/customer" : "/due")
      assert.match(refused.message, /^The payload of workflow.started at \/\w+ is refused by its schema: Missing key/)
    }
    const refused = rejection(Decision.start(Loan, { data: { customer: "ann", due: "noon" } }))
    assert.match(refused.message, /^The payload of workflow.started at \/due is refused by its schema: /)
  })

  it("takes first data that is no object as it is", () => {
    const Tally = Workflow.make({
      name: "tally",
      events: {},
      data: Schema.Array(Schema.Int),
      initial: { state: "Open", data: [1, 2] },
      states: { Open: {} }
    })
    assert.deepStrictEqual(Result.getOrThrow(Decision.start(Tally, {})).events[0].payload, [1, 2])
  })

  it("refuses keys that the schema does not name", () => {
    assert.match(rejection(startOf({ data: { note: "lost" } })).message, /at \/note is refused by its schema/)
  })

  it("refuses data that the schema refuses, that cannot be stored, or is too big", () => {
    assert.match(
      rejection(startOf({ data: { cents: 0.5 } })).message,
      /^The payload of workflow.started at \/cents is refused by its schema/
    )
    assert.match(
      rejection(startOf({ data: { note: "\ud800" } })).message,
      /at \/note must not hold NUL or half a surrogate pair$/
    )
    assert.match(
      rejection(startOf({ data: { note: "x".repeat(300 * 1024) } })).message,
      /bytes of JSON; at most 262144 are accepted$/
    )
    assert.instanceOf(rejection(startOf({ user_id: "" })), Identifier.InvalidInput)
  })
})

describe("Decision.checkSubmission", () => {
  const execution = { executionId: "1", workflow: Invoice.ref }

  it("asks the schema where there is a definition, whatever state the execution is in", () => {
    assert.isTrue(Result.isSuccess(Decision.checkSubmission(execution, Invoice, paid)))
    const refused = rejection(
      Decision.checkSubmission(execution, Invoice, { event_name: "Paid", payload: { at: "noon" } })
    )
    assert.match(refused.message, /^The payload of Paid at \/at is refused by its schema: /)
    assert.strictEqual(
      rejection(Decision.checkSubmission(execution, Invoice, { event_name: "Unknown", payload: {} })).message,
      `The payload of Unknown belongs to no event of workflow "invoice"`
    )
  })

  it("without a definition asks only whether the submission can be stored", () => {
    const check = (submission: Submission, options = {}) =>
      Decision.checkSubmission(execution, undefined, submission, options)
    assert.isTrue(Result.isSuccess(check({ event_name: "Unknown", payload: [1] })))
    assert.isTrue(Result.isSuccess(check({ event_name: "Unknown" })))
    assert.instanceOf(rejection(check({ event_name: "" })), Identifier.InvalidInput)
    assert.instanceOf(rejection(check({ event_name: "Unknown", payload: "\0" })), Decision.PayloadInvalid)
    assert.instanceOf(
      rejection(check({ event_name: "Unknown", payload: "long" }, { maxPayloadBytes: 5 })),
      Decision.PayloadInvalid
    )
  })
})
