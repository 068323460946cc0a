import { assert, describe, it } from "@effect/vitest"
import { Request, type Submission } from "@refold/core"
import { eventAt } from "./Invoice.ts"

describe("Request.isSame", () => {
  const request: Submission = {
    event_name: "Added",
    event_type: "manual",
    to_state: "Draft",
    user_id: "ann",
    payload: { cents: 5, note: "a" }
  }
  const event = eventAt(2, { event_type: "manual", user_id: "ann", payload: { note: "a", cents: 5 } })
  const { payload: _payload, ...withoutPayload } = event

  it("is what the event holds, in any order of keys, wherever it came from", () => {
    assert.isTrue(Request.isSame(event, request))
    assert.isTrue(Request.isSame(event, { ...request, metadata: { correlation_id: "c" } }))
  })

  it("takes what the request leaves out as what it then stands for", () => {
    const { payload: _payload, to_state: _state, ...brief } = request
    assert.isTrue(Request.isSame(event, { ...brief, payload: { cents: 5, note: "a" } }))
    assert.isTrue(Request.isSame(withoutPayload, brief))
    const { event_type: _type, ...untyped } = request
    assert.isTrue(Request.isSame({ ...event, event_type: "workflow" }, untyped))
  })

  it("takes a workflow or a target that one of the two leaves out as that of the other", () => {
    const guarded = { ...request, workflow: "invoice" }
    const { to_state: _state, ...free } = guarded
    for (const [first, second] of [
      [guarded, request],
      [guarded, free],
      [request, free]
    ] as const) {
      assert.isTrue(Request.isSame(first, second))
      assert.isTrue(Request.isSame(second, first))
    }
    assert.isFalse(Request.isSame(guarded, { ...guarded, workflow: "order" }))
  })

  it.each<[string, Partial<Submission>]>([
    ["event", { event_name: "Removed" }],
    ["type", { event_type: "workflow" }],
    ["target", { to_state: "Paid" }],
    ["user", { user_id: "bob" }],
    ["payload", { payload: { cents: 6, note: "a" } }],
    ["payload, which none could store", { payload: "\0" }]
  ])("is not a request with another %s", (_what, change) => {
    assert.isFalse(Request.isSame(event, { ...request, ...change }))
  })

  it("is not a request that brings a payload where the event has none, or the other way round", () => {
    assert.isFalse(Request.isSame(withoutPayload, request))
    const { payload: _payload, ...brief } = request
    assert.isFalse(Request.isSame(event, brief))
  })
})

describe("Request.hash", () => {
  const submission: Submission = { event_name: "Added", event_type: "workflow", payload: { cents: 5, note: "a" } }

  it("is the same in another order of keys, from elsewhere, with the default type left out", () => {
    const { event_type: _type, ...untyped } = submission
    const expected = Request.hash(submission)
    assert.strictEqual(Request.hash({ ...submission, payload: { note: "a", cents: 5 } }), expected)
    assert.strictEqual(Request.hash(untyped), expected)
  })

  it.each<[string, Submission]>([
    ["event", { ...submission, event_name: "Removed" }],
    ["type", { ...submission, event_type: "manual" }],
    ["user", { ...submission, user_id: "bob" }],
    ["payload", { ...submission, payload: { cents: 6, note: "a" } }],
    ["order within a list", { ...submission, payload: [2, 1] }]
  ])("differs with another %s", (_what, other) => {
    assert.notStrictEqual(Request.hash(other), Request.hash(submission))
    assert.notStrictEqual(
      Request.hash({ ...submission, payload: [1, 2] }),
      Request.hash({ ...submission, payload: [2, 1] })
    )
  })

  it("keeps apart a field that is absent from one that moved", () => {
    const bare: Submission = { event_name: "Added" }
    assert.notStrictEqual(Request.hash({ ...bare, user_id: "x" }), Request.hash({ ...bare, payload: "x" }))
    assert.notStrictEqual(Request.hash({ ...bare, event_type: "x" }), Request.hash({ ...bare, user_id: "x" }))
  })
})
