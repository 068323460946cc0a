import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import fc from "fast-check"
import { Replay, Upcast } from "@refold/core"
import { json } from "../arbitraries/Json.ts"
import { Invoice, eventAt, startedEvent } from "./Invoice.ts"

const chain: ReadonlyArray<Upcast.Upcaster> = [
  (payload) => [payload ?? null, "1 to 2"],
  (payload) => [payload ?? null, "2 to 3"]
]

describe("Upcast", () => {
  it("applies the steps from the payload's version on, the oldest first", () => {
    assert.deepStrictEqual(Upcast.apply(chain, 1, "p"), Result.succeed([["p", "1 to 2"], "2 to 3"]))
    assert.deepStrictEqual(Upcast.apply(chain, 2, "p"), Result.succeed(["p", "2 to 3"]))
    assert.deepStrictEqual(Upcast.apply(chain, 3, "p"), Result.succeed("p"))
    assert.deepStrictEqual(Upcast.apply(chain, 1, undefined), Result.succeed([[null, "1 to 2"], "2 to 3"]))
  })

  it("refuses a version newer than it knows", () => {
    assert.deepStrictEqual(
      Upcast.apply(chain, 4, "p"),
      Result.fail("its payload has schema version 4, but this definition knows versions up to 3")
    )
  })

  it("is the same in one go and step by step", () =>
    fc.assert(
      fc.property(json, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), (payload, from, pause) => {
        const first = chain.slice(0, Math.max(from, pause) - 1)
        const paused = Result.getOrThrow(Upcast.apply(first, from, payload))
        assert.deepStrictEqual(Upcast.apply(chain, Math.max(from, pause), paused), Upcast.apply(chain, from, payload))
      }),
      { numRuns: 1000 }
    ))

  it("tells a schema with a history from one without", () => {
    const versioned = Upcast.to(Schema.Struct({}), chain)
    assert.strictEqual(Upcast.currentVersion(versioned), 3)
    assert.strictEqual(Upcast.currentVersion(Schema.Struct({})), 1)
    assert.deepStrictEqual(Upcast.upcastersOf(Schema.Struct({})), [])
    assert.strictEqual(Upcast.schemaOf(versioned), versioned.schema)
  })

  it("lets old and new events fold together, and leaves the stored ones as they are", () => {
    const old = Object.freeze({ euros: 2 })
    const events = [
      startedEvent,
      eventAt(2, { payload: old, schema_version: 1 }),
      eventAt(3, { payload: { cents: 5 } })
    ]
    assert.deepStrictEqual(Result.getOrThrow(Replay.fold(Invoice, undefined, events))?.data, { cents: 205 })
    assert.strictEqual(events[1]?.payload, old)
  })
})
