import { assert, describe, it } from "@effect/vitest"
import { Commit, ExecutionState, Replay, Step } from "@refold/core"
import { Result } from "effect"
import { Invoice, startedEvent } from "./Invoice.ts"

const started = startedEvent
const state = Result.getOrThrow(Replay.fold(Invoice, undefined, [started]))
const ref = { tenant: started.tenant, executionId: started.execution_id }
const at = "2025-03-01T13:00:00.000Z"
const added = { event_name: "Added", payload: { cents: 5, note: "a" } }

describe("Step.take", () => {
  it("gives the event its id and key, and the state that the store's own stamp would lead to", () => {
    assert(state !== undefined)
    const options = { eventId: "event-2", idempotencyKey: "k", at }
    const { events, state: after } = Result.getOrThrow(Step.take(Invoice, state, added, options))
    assert.deepStrictEqual(
      events.map(({ event_id, idempotency_key }) => [event_id, idempotency_key]),
      [["event-2", "k"]]
    )
    const stamp = { partition: 3, lastOffset: 7, stampedAt: at, now: at }
    const stamped = Commit.stamp({ ...ref, expectedPosition: state.position, events }, stamp)
    assert.deepStrictEqual(Replay.fold(Invoice, state, stamped), Result.succeed(after))
    assert.deepStrictEqual([after.position, after.updatedAt], [2, at])
  })

  it("never goes back in time: an instant before the last event counts as that event's", () => {
    assert(state !== undefined)
    const earlier = { eventId: "event-2", at: "2000-01-01T00:00:00.000Z" }
    const { state: after } = Result.getOrThrow(Step.take(Invoice, state, added, earlier))
    assert.strictEqual(after.updatedAt, state.updatedAt)
  })

  it("refuses what decide refuses, and changes nothing", () => {
    assert(state !== undefined)
    const before = structuredClone(state)
    const taken = Step.take(Invoice, state, { event_name: "Unknown" }, { eventId: "event-2", at })
    assert.strictEqual(Result.isFailure(taken) ? taken.failure._tag : "taken", "TransitionRejected")
    assert.deepStrictEqual(state, before)
  })
})

describe("Step.start", () => {
  it("gives the first event, and the state that the log then folds to", () => {
    const { events, state: after } = Result.getOrThrow(Step.start(Invoice, ref, {}, { eventId: "event-1", at }))
    const stamp = { partition: 3, lastOffset: 0, stampedAt: at, now: at }
    const stamped = Commit.stamp({ ...ref, expectedPosition: 0, events }, stamp)
    assert.deepStrictEqual(Replay.fold(Invoice, undefined, stamped), Result.succeed(after))
    assert.isTrue(ExecutionState.is(Invoice, after))
    assert.deepStrictEqual([after.position, after.startedAt, after.updatedAt], [1, at, at])
  })
})
