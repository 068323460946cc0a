import { assert, describe, it } from "@effect/vitest"
import { Commit, Decision } from "@refold/core"
import { Result } from "effect"
import { Invoice } from "./Invoice.ts"

const [started] = Result.getOrThrow(Decision.start(Invoice, {})).events

const commit = {
  tenant: "acme",
  executionId: "invoice-1",
  workflow: { name: "invoice", version: 1 },
  expectedPosition: 7,
  isComplete: false
}

const imported = (...[first, ...rest]: readonly [string, ...Array<string>]): Commit.Commit => {
  const event = (createdAt: string): Commit.ImportedEvent => ({ ...started, event_id: "event", created_at: createdAt })
  return { ...commit, events: [event(first), ...rest.map(event)] }
}

const noon = "2025-03-01T12:00:00.000Z"
const later = "2025-03-01T12:00:00.001Z"

describe("Commit.findTimeReversal", () => {
  it("finds nothing where time stands still, goes on, or is left to the store", () => {
    assert.isUndefined(Commit.findTimeReversal(imported(noon, noon, later), noon))
    assert.isUndefined(Commit.findTimeReversal(imported(noon, later), undefined))
    assert.isUndefined(Commit.findTimeReversal({ ...commit, events: [{ ...started, event_id: "event" }] }, later))
  })

  it("finds the first event that is before the one it follows", () => {
    const error = Commit.findTimeReversal(imported(later, later, noon, noon), undefined)
    assert.strictEqual(error?._tag, "TimeReversed")
    assert.strictEqual(
      error?.message,
      `Event 10 of execution "invoice-1" is of ${noon}, before the event it follows (${later}): import the events of an execution in the order of time`
    )
  })

  it("compares the first event with the log's last", () => {
    assert.strictEqual(Commit.findTimeReversal(imported(noon), later)?.position, 8)
    assert.isUndefined(Commit.findTimeReversal(imported(later), noon))
  })
})

describe("PositionConflict", () => {
  it("says what to do", () => {
    const conflict = new Commit.PositionConflict({ tenant: "acme", executionId: "invoice-1", expected: 7, actual: 8 })
    assert.strictEqual(conflict._tag, "PositionConflict")
    assert.strictEqual(conflict.message, `Execution "invoice-1" is at position 8, not 7: load it and try again`)
  })

  it("says so where it was the queue that moved", () => {
    const conflict = new Commit.PositionConflict({ tenant: "acme", executionId: "invoice-1", expected: 7, actual: 7 })
    assert.strictEqual(
      conflict.message,
      `Execution "invoice-1" has settled the queued events already: load it and try again`
    )
  })
})
