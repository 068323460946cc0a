import { assert, describe, it } from "@effect/vitest"
import {
  type ExecutionState,
  QueuePass,
  type QueuedEvent,
  Replay,
  Workflow,
  type WorkflowEvent,
  type Submission
} from "@refold/core"
import { type DateTime, Result, Schema } from "effect"
import fc from "fast-check"

const Counter = Workflow.make({
  name: "counter",
  events: {
    Added: Schema.Struct({ by: Schema.Int }),
    Guarded: Schema.Struct({}),
    Burst: Schema.Struct({}),
    Ended: Schema.Struct({})
  },
  data: Schema.Struct({ sum: Schema.Int }),
  initial: { state: "Open", data: { sum: 0 } },
  states: {
    Open: {
      Added: { to: "Open", guard: (data, { by }) => data.sum + by >= 0 },
      Guarded: {
        to: "Open",
        guard: () => {
          throw new TypeError("the guard is broken")
        }
      },
      Burst: "Open",
      Ended: "Closed"
    },
    Closed: {}
  },
  final: ["Closed"],
  evolve: {
    Added: (data, { by }) => ({ sum: data.sum + by }),
    Burst: () => {
      throw new RangeError("evolve is broken")
    }
  }
})

const startedAt = "2025-03-01T12:00:00.000Z"
const claimedAt = "2025-03-01T12:00:05.000Z"

const opened: ExecutionState.ExecutionState<{ readonly sum: number }> = {
  tenant: "acme",
  executionId: "counter-1",
  workflow: Counter.ref,
  currentState: "Open",
  data: { sum: 0 },
  position: 1,
  isComplete: false,
  startedAt,
  updatedAt: startedAt
}

const queuedOf = (submission: Submission, queuePosition: number, idempotencyKey?: string): QueuedEvent.QueuedEvent => ({
  tenant: "acme",
  executionId: "counter-1",
  processingId: `processing-${queuePosition}`,
  eventId: `event-${queuePosition}`,
  submission,
  queuePosition,
  queuedAt: startedAt,
  attemptCount: 1,
  ...(idempotencyKey === undefined ? {} : { idempotencyKey })
})

const added = (by: number): Submission => ({ event_name: "Added", payload: { by } })
const ended: Submission = { event_name: "Ended", payload: {} }

const run = (submissions: ReadonlyArray<Submission>, options: Partial<Parameters<typeof QueuePass.run>[3]> = {}) =>
  QueuePass.run(
    Counter,
    opened,
    submissions.map((submission, place) => queuedOf(submission, place + 1)),
    { claimedAt, ...options }
  )

const tags = ({ settlements }: QueuePass.QueuePass) => settlements.map(({ _tag }) => _tag)
const namesOf = ({ events }: QueuePass.QueuePass) => events.map((event) => event.event_name)

/** The events of a pass as a store would stamp them. */
const stamped = (events: QueuePass.QueuePass["events"]): ReadonlyArray<WorkflowEvent> =>
  events.map(({ idempotency_key: _key, ...event }, place) => ({
    ...event,
    tenant: "acme",
    execution_id: "counter-1",
    position: place + 2,
    created_at: claimedAt,
    recorded_at: claimedAt,
    partition: 0,
    offset: place + 1
  }))

describe("QueuePass.run", () => {
  it("decides each event on the state that those before it lead to, and says where it will be", () => {
    const done = run([added(2), added(-2), added(5)])
    assert.deepStrictEqual(
      done.events.map(({ event_id, from_state, payload, to_state }) => [event_id, from_state, to_state, payload]),
      [
        ["event-1", "Open", "Open", { by: 2 }],
        ["event-2", "Open", "Open", { by: -2 }],
        ["event-3", "Open", "Open", { by: 5 }]
      ]
    )
    assert.deepStrictEqual(done.settlements, [
      { _tag: "Applied", position: 2, previousState: "Open", currentState: "Open", actionsExecuted: ["append"] },
      { _tag: "Applied", position: 3, previousState: "Open", currentState: "Open", actionsExecuted: ["append"] },
      { _tag: "Applied", position: 4, previousState: "Open", currentState: "Open", actionsExecuted: ["append"] }
    ])
    assert.deepStrictEqual([done.state.isComplete, "failure" in done], [false, false])
  })

  it("keeps what a guard says in the sentence of the rejection", () => {
    const Limited = Workflow.make({
      name: "counter",
      events: { Added: Schema.Struct({ by: Schema.Int }) },
      data: Schema.Struct({ sum: Schema.Int }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: { to: "Open", guard: (_, { by }) => by < 10 || `${by} is more than 9` } } }
    })
    const done = QueuePass.run(Limited, opened, [queuedOf(added(12), 1)], { claimedAt })
    assert.deepInclude(done.settlements[0], {
      _tag: "Rejected",
      reason: 'Execution "counter-1" in state "Open" accepts Added, but not with this data: 12 is more than 9'
    })
  })

  it("settles what the state refuses, appends nothing for it, and takes no position", () => {
    const done = run([added(-1), added(3), { event_name: "Unknown" }, { event_name: "Added" }, added(-3)])
    assert.deepStrictEqual(tags(done), ["Rejected", "Applied", "Rejected", "Rejected", "Applied"])
    assert.deepStrictEqual(done.settlements[0], {
      _tag: "Rejected",
      error: "TransitionRejected",
      reason: 'Execution "counter-1" in state "Open" accepts Added, but not with this data: no guard holds',
      currentState: "Open"
    })
    assert.deepInclude(done.settlements[2], { error: "TransitionRejected", currentState: "Open" })
    assert.deepInclude(done.settlements[3], { error: "PayloadInvalid", currentState: "Open" })
    assert.deepStrictEqual(
      done.settlements.flatMap((settled) => (settled._tag === "Applied" ? settled.position : [])),
      [2, 3]
    )
  })

  it("refuses everything behind the event that completes the execution", () => {
    const done = run([added(1), ended, added(1), ended])
    assert.deepStrictEqual(tags(done), ["Applied", "Applied", "Rejected", "Rejected"])
    assert.deepStrictEqual(done.settlements[1], {
      _tag: "Applied",
      position: 3,
      previousState: "Open",
      currentState: "Closed",
      actionsExecuted: ["append", "complete"]
    })
    assert.deepInclude(done.settlements[2], { error: "ExecutionComplete", currentState: "Closed" })
    assert.isTrue(done.state.isComplete)
    assert.strictEqual(done.events.length, 2)
  })

  it("refuses events for another workflow", () => {
    const done = run([
      { ...added(1), workflow: "invoice" },
      { ...added(1), workflow: "counter" }
    ])
    assert.deepStrictEqual(tags(done), ["Rejected", "Applied"])
    assert.deepInclude(done.settlements[0], {
      error: "WorkflowMismatch",
      reason: 'Execution "counter-1" runs workflow "counter", not "invoice"'
    })
  })

  it.each([
    ["a guard", { event_name: "Guarded", payload: {} }, "the guard is broken"],
    ["evolve", { event_name: "Burst", payload: {} }, "evolve is broken"]
  ])("stops at the event of which %s throws, and keeps what is before it", (_what, submission, message) => {
    const done = run([added(1), added(-9), submission, added(2)])
    assert.deepStrictEqual(tags(done), ["Applied", "Rejected"])
    assert.strictEqual(done.events.length, 1)
    assert.isTrue(done.failure instanceof Error && done.failure.message === message)
    const first = run([submission, added(1)])
    assert.deepStrictEqual([first.settlements, first.events], [[], []])
    assert.isDefined(first.failure)
  })

  it("stops as well at an event of which something else than an error is thrown, even undefined", () => {
    const Thrower = Workflow.make({
      name: "counter",
      events: { Burst: Schema.Struct({}) },
      data: Schema.Struct({ sum: Schema.Int }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Burst: "Open" } },
      evolve: {
        Burst: () => {
          throw undefined
        }
      }
    })
    const done = QueuePass.run(Thrower, opened, [queuedOf({ event_name: "Burst", payload: {} }, 1)], { claimedAt })
    assert.deepStrictEqual([done.settlements, done.events], [[], []])
    assert.isTrue("failure" in done)
  })

  it("stops as well at an event that its own evolve cannot read, and says why", () => {
    // A check that gives another answer the second time: the first is the decision, the second the fold.
    let checkCount = 0
    const isFirst = Schema.makeFilter((_at: DateTime.Utc) => (checkCount += 1) === 1, { expected: "the first look" })
    const Fickle = Workflow.make({
      name: "counter",
      events: { Seen: Schema.Struct({ at: Schema.DateTimeUtcFromString.check(isFirst) }) },
      data: Schema.Struct({ sum: Schema.Int }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Seen: "Open" } },
      evolve: { Seen: (data) => data }
    })
    const seen = { event_name: "Seen", payload: { at: claimedAt } }
    const done = QueuePass.run(Fickle, opened, [queuedOf(seen, 1), queuedOf(seen, 2)], { claimedAt })
    assert.deepStrictEqual([done.settlements, done.events, done.state.isComplete], [[], [], false])
    assert(done.failure instanceof Replay.CorruptHistory)
    assert.match(done.failure.message, /breaks at position 2: its payload\/at is refused by its schema: /)
  })

  it("says of a bound that it was passed, as of any other payload", () => {
    const done = run([added(1)], { maxPayloadBytes: 3 })
    assert.deepInclude(done.settlements[0], { _tag: "Rejected", error: "PayloadInvalid" })
  })

  it("hands the key of an event to the log, once", () => {
    const done = QueuePass.run(Counter, opened, [queuedOf(added(1), 1, "k"), queuedOf(added(1), 2)], { claimedAt })
    assert.deepStrictEqual(
      done.events.map((event) => event.idempotency_key),
      ["k", undefined]
    )
    assert.isFalse("idempotency_key" in (done.events[1] ?? {}))
  })

  it("gives an event whose key is in the log the result that this led to, or refuses it", () => {
    const [known] = stamped(run([added(7)]).events)
    assert(known !== undefined)
    const queued = [queuedOf(added(7), 1, "k"), queuedOf(added(8), 2, "k"), queuedOf(added(1), 3)]
    const done = QueuePass.run(Counter, opened, queued, {
      claimedAt,
      known: new Map([
        ["processing-1", known],
        ["processing-2", known]
      ])
    })
    assert.deepStrictEqual(done.settlements, [
      { _tag: "Applied", position: 2, previousState: "Open", currentState: "Open", actionsExecuted: [] },
      {
        _tag: "Rejected",
        error: "IdempotencyConflict",
        reason: 'The idempotency key "k" of execution "counter-1" was used for another request: use a new key',
        currentState: "Open"
      },
      { _tag: "Applied", position: 2, previousState: "Open", currentState: "Open", actionsExecuted: ["append"] }
    ])
    assert.strictEqual(done.events.length, 1)
  })

  it("shows evolve the event as it will be, at an instant that is never before the event it follows", () => {
    const seen: Array<WorkflowEvent> = []
    const Watched = Workflow.make({
      name: "counter",
      events: { Added: Schema.Struct({ by: Schema.Int }) },
      data: Schema.Struct({ sum: Schema.Int }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: {
        Added: (data, _payload, event) => {
          seen.push(event)
          return data
        }
      }
    })
    const before = "2000-01-01T00:00:00.000Z"
    for (const at of [claimedAt, before]) {
      QueuePass.run(Watched, opened, [queuedOf(added(1), 1, "k"), queuedOf(added(2), 2)], { claimedAt: at })
    }
    assert.deepStrictEqual(
      seen.map(({ created_at, event_id, position, recorded_at }) => [event_id, position, created_at, recorded_at]),
      [
        ["event-1", 2, claimedAt, claimedAt],
        ["event-2", 3, claimedAt, claimedAt],
        ["event-1", 2, opened.updatedAt, opened.updatedAt],
        ["event-2", 3, opened.updatedAt, opened.updatedAt]
      ]
    )
    assert.isFalse("idempotency_key" in (seen[0] ?? {}))
  })

  it("of any queue: settles a prefix, one event for each applied, and the log folds to what the settlements say", () => {
    const submission = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -4, max: 6 }).map(added) },
      { weight: 1, arbitrary: fc.constantFrom<Submission>(ended, { event_name: "Unknown" }) },
      { weight: 1, arbitrary: fc.constantFrom("Burst", "Guarded").map((name) => ({ event_name: name, payload: {} })) }
    )
    fc.assert(
      fc.property(fc.array(submission, { maxLength: 12 }), (submissions) => {
        // A simple model: one number, and whether it is closed.
        let sum = 0
        let isClosed = false
        const expected: Array<string> = []
        for (const { event_name: name, payload } of submissions) {
          if (!isClosed && (name === "Burst" || name === "Guarded")) break
          const by = Schema.is(Schema.Struct({ by: Schema.Int }))(payload) ? payload.by : 0
          const isAccepted = !isClosed && (name === "Ended" || (name === "Added" && sum + by >= 0))
          if (isAccepted) sum += by
          isClosed ||= name === "Ended"
          expected.push(isAccepted ? "Applied" : "Rejected")
        }
        const done = run(submissions)
        assert.deepStrictEqual(tags(done), expected)
        assert.strictEqual("failure" in done, expected.length < submissions.length)
        assert.strictEqual(namesOf(done).length, expected.filter((tag) => tag === "Applied").length)
        const after = Result.getOrThrow(Replay.fold(Counter, opened, stamped(done.events)))
        assert.deepStrictEqual([after?.data, after?.isComplete], [{ sum }, isClosed])
        assert.strictEqual(done.state.isComplete, isClosed)
      })
    )
  })
})
