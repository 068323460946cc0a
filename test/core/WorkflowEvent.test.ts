import { assert, describe, it } from "@effect/vitest"
import { WorkflowEvent } from "@refold/core"
import { Schema } from "effect"
import { eventAt } from "./Invoice.ts"

const isEvent = Schema.is(WorkflowEvent)

describe("WorkflowEvent", () => {
  it("is data that is checked when read: only the user and the payload may be missing", () => {
    const event = eventAt(1)
    assert.isTrue(isEvent(event))
    assert.isTrue(isEvent({ ...event, user_id: "ann", metadata: { correlation_id: "c", causation_id: "e" } }))
    for (const field of Object.keys(event)) {
      const rest = Object.fromEntries(Object.entries(event).filter(([name]) => name !== field))
      assert.strictEqual(isEvent(rest), field === "payload", field)
    }
  })

  it("counts places from 0 and versions of a payload from 1", () => {
    for (const field of ["position", "partition", "offset"]) {
      assert.isTrue(isEvent({ ...eventAt(1), [field]: 0 }), field)
      for (const place of [-1, 0.5]) assert.isFalse(isEvent({ ...eventAt(1), [field]: place }), field)
    }
    for (const version of [0, 1.5]) assert.isFalse(isEvent(eventAt(1, { schema_version: version })))
  })

  it("links to what caused it by ids and trace context that can be stored", () => {
    for (const link of ["correlation_id", "causation_id", "traceparent"]) {
      assert.isTrue(isEvent({ ...eventAt(1), metadata: { [link]: "id" } }), link)
      assert.isFalse(isEvent({ ...eventAt(1), metadata: { [link]: "\0" } }), link)
    }
  })
})
