import { assert, describe, it } from "@effect/vitest"
import { QueuedEvent, Submission, Settlement } from "@refold/core"
import { Array, Result, Schema } from "effect"
import fc from "fast-check"

const submission: Submission = {
  event_name: "Added",
  event_type: "workflow",
  to_state: "Draft",
  user_id: "ann",
  payload: { cents: 5, note: "a" },
  workflow: "invoice"
}

describe("Submission", () => {
  it("is data that is checked when read: an event by name, and nothing that cannot be stored", () => {
    const isSubmission = Schema.is(Submission)
    assert.isTrue(isSubmission(submission))
    assert.isTrue(isSubmission({ event_name: "Added" }))
    assert.isFalse(isSubmission({}))
    for (const field of ["event_name", "event_type", "to_state", "user_id", "workflow"]) {
      assert.isFalse(isSubmission({ ...submission, [field]: "\0" }), field)
    }
    assert.isFalse(isSubmission({ ...submission, payload: 1n }))
    assert.isFalse(isSubmission({ ...submission, metadata: { correlation_id: "\0" } }))
  })
})

describe("Settlement", () => {
  it.each<[Settlement]>([
    [{ _tag: "Applied", position: 2, previousState: "Open", currentState: "Open", actionsExecuted: ["append"] }],
    [{ _tag: "Rejected", error: "PayloadInvalid", reason: "no", currentState: "Open" }],
    [{ _tag: "Skipped", cause: "boom" }],
    [{ _tag: "Discarded", cause: "boom" }]
  ])("is data that is checked when read: nothing of it may be missing: %j", (settlement) => {
    const isSettlement = Schema.is(Settlement)
    assert.isTrue(isSettlement(settlement))
    for (const field of Object.keys(settlement)) {
      assert.isFalse(isSettlement({ ...settlement, [field]: undefined }), field)
    }
  })
})

describe("QueuedEvent.QueueClosed", () => {
  it("says whether there is no such execution, or where it ended", () => {
    const ref = { tenant: "acme", executionId: "1" }
    assert.strictEqual(
      new QueuedEvent.QueueClosed(ref).message,
      'There is no execution "1": check the id and the tenant'
    )
    const ended = new QueuedEvent.QueueClosed({ ...ref, finalState: "Paid" })
    assert.strictEqual(ended.message, 'Execution "1" is complete, in state "Paid"; start another one')
    assert.strictEqual(ended._tag, "QueueClosed")
  })
})

const eventOf = (place: number, fields: Partial<QueuedEvent.NewQueuedEvent> = {}): QueuedEvent.NewQueuedEvent => ({
  tenant: "acme",
  executionId: "1",
  processingId: `p-${place}`,
  eventId: `e-${place}`,
  submission,
  ...fields
})

describe("QueuedEvent.dedupeByKey", () => {
  it("takes no request for a repetition that leaves out what the other says, since a third one may say otherwise", () => {
    const { to_state: _state, ...brief } = submission
    const [full, short] = [eventOf(0, { idempotencyKey: "a" }), eventOf(1, { idempotencyKey: "a", submission: brief })]
    for (const events of [
      [full, short],
      [short, full]
    ] as const) {
      const deduped = QueuedEvent.dedupeByKey(events)
      assert.deepInclude(Result.isFailure(deduped) ? deduped.failure : {}, { _tag: "IdempotencyConflict" })
    }
  })

  it("leaves out what repeats a key, and says which event stands for it", () => {
    const events = [
      eventOf(0, { idempotencyKey: "a" }),
      eventOf(1),
      eventOf(2, { idempotencyKey: "a" }),
      eventOf(3, { idempotencyKey: "b" }),
      eventOf(4),
      eventOf(5, { idempotencyKey: "a" })
    ] as const
    const { firsts, placeOf } = Result.getOrThrow(QueuedEvent.dedupeByKey(events))
    assert.deepStrictEqual(
      firsts.map((event) => event.eventId),
      ["e-0", "e-1", "e-3", "e-4"]
    )
    assert.deepStrictEqual(placeOf, [0, 1, 0, 2, 3, 0])
  })

  it("refuses a key with other contents, by its name", () => {
    const other = eventOf(1, { idempotencyKey: "a", submission: { event_name: "Removed" } })
    const refused = QueuedEvent.dedupeByKey([eventOf(0, { idempotencyKey: "a" }), other])
    assert(Result.isFailure(refused))
    assert.deepInclude(refused.failure, { _tag: "IdempotencyConflict", executionId: "1", idempotencyKey: "a" })
    assert.strictEqual(
      refused.failure.message,
      'The idempotency key "a" of execution "1" was used for another request: use a new key'
    )
  })

  it("of any events: as if each were looked up among those before it", () => {
    const event = fc.record({
      tenant: fc.constantFrom("a", "b"),
      executionId: fc.constantFrom("1", "2"),
      idempotencyKey: fc.constantFrom(undefined, "k", "l"),
      name: fc.constantFrom("Added", "Added", "Added", "Removed")
    })
    fc.assert(
      fc.property(fc.array(event, { minLength: 1, maxLength: 8 }), (drawn) => {
        if (!Array.isReadonlyArrayNonEmpty(drawn)) return
        const events = Array.map(drawn, ({ executionId, idempotencyKey, name, tenant }, place) =>
          eventOf(place, {
            tenant,
            executionId,
            submission: { event_name: name },
            ...(idempotencyKey === undefined ? {} : { idempotencyKey })
          })
        )
        const result = QueuedEvent.dedupeByKey(events)
        const firstOf = (event: QueuedEvent.NewQueuedEvent) =>
          events.find(
            (other) =>
              other === event ||
              (event.idempotencyKey !== undefined &&
                other.idempotencyKey === event.idempotencyKey &&
                other.tenant === event.tenant &&
                other.executionId === event.executionId)
          )
        const isRefused = events.some((event) => firstOf(event)?.submission.event_name !== event.submission.event_name)
        assert.strictEqual(Result.isFailure(result), isRefused)
        if (Result.isFailure(result)) return
        const { firsts, placeOf } = result.success
        assert.deepStrictEqual(
          placeOf.map((place) => firsts[place]),
          events.map(firstOf)
        )
        assert.deepStrictEqual(
          [...firsts],
          events.filter((event) => firstOf(event) === event)
        )
      })
    )
  })
})
