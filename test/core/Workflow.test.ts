import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Upcast, Workflow } from "@refold/core"
import { oddNames } from "../arbitraries/Identifier.ts"
import { Invoice } from "./Invoice.ts"

const Empty = Schema.Struct({})

const named = (options: {
  readonly name?: string
  readonly version?: number
  readonly event?: string
  readonly state?: string
}) =>
  Workflow.make({
    name: options.name ?? "sample",
    ...(options.version === undefined ? {} : { version: options.version }),
    events: { [options.event ?? "Done"]: Empty },
    data: Empty,
    initial: { state: options.state ?? "Open", data: {} },
    states: { [options.state ?? "Open"]: {} }
  })

describe("Workflow.make", () => {
  it.each([
    ["an empty name", () => named({ name: "" }), `Workflow "": the name "" is empty; give it 1 to 255 characters`],
    [
      "a name with NUL",
      () => named({ name: "a\0" }),
      /the name "a\0" holds NUL or half a surrogate pair; leave those out$/
    ],
    [
      "an event name of 256 characters",
      () => named({ event: "e".repeat(256) }),
      /: the name "e{60}" is 256 characters long; at most 255 are accepted$/
    ],
    ["an empty state name", () => named({ state: "" }), /: the name "" is empty/],
    [
      "version 0, which is that of open definitions",
      () => named({ version: 0 }),
      /: version must be a whole number from 1, not 0$/
    ],
    ["half a version", () => named({ version: 1.5 }), /: version must be a whole number from 1, not 1.5$/],
    [
      "the event that starts every execution",
      () => named({ event: "workflow.started" }),
      /: "workflow.started" is the event that starts every execution$/
    ],
    [
      "an open definition without a name",
      () => Workflow.open(""),
      `Workflow "": the name is empty; give it 1 to 255 characters`
    ]
  ])("throws InvalidDefinition for %s", (_what, make, message) => {
    assert.throws(make, Workflow.InvalidDefinition)
    assert.throws(make, message)
  })

  it("throws InvalidDefinition for first data that its schema refuses", () => {
    const make = () =>
      Workflow.make({
        name: "sample",
        events: {},
        data: Schema.Struct({ count: Schema.Int.check(Schema.isGreaterThan(0)) }),
        initial: { state: "Open", data: { count: 0 } },
        states: { Open: {} }
      })
    assert.throws(make, Workflow.InvalidDefinition)
    assert.throws(make, /^Workflow "sample": the initial data\/count is refused by its schema: /)
  })

  it("takes any name that an object inherits", () => {
    for (const name of oddNames) {
      const workflow = named({ name, event: name, state: name })
      assert.isTrue(workflow.transitions.has(name))
      assert.strictEqual(workflow.schemaVersion(name), 1)
    }
  })
})

const base = {
  name: "base",
  events: { Added: Schema.Struct({ cents: Schema.Int }), Done: Empty },
  data: Schema.Struct({ cents: Schema.Int }),
  initial: { state: "Open", data: { cents: 0 } },
  states: { Open: { Added: "Open", Done: "Closed" }, Closed: {} },
  final: ["Closed"],
  evolve: {
    Added: (data: { readonly cents: number }, payload: { readonly cents: number }) => ({
      cents: data.cents + payload.cents
    })
  }
} as const

describe("Workflow.fingerprint", () => {
  const { fingerprint } = Workflow.make(base)

  it("is the same for the same fold, whatever guards and targets do", () => {
    assert.strictEqual(Workflow.make(base).fingerprint, fingerprint)
    assert.strictEqual(Workflow.make({ ...base, version: 1 }).fingerprint, fingerprint)
    const rerouted = { Open: { Added: { to: "Closed", guard: () => false } }, Closed: { Done: "Open" } } as const
    assert.strictEqual(Workflow.make({ ...base, states: rerouted }).fingerprint, fingerprint)
    assert.match(fingerprint, /^[0-9a-f]{64}$/)
  })

  it("changes with everything that a fold depends on, each time to another one", () => {
    const { events } = base
    const changed = {
      name: Workflow.make({ ...base, name: "other" }),
      version: Workflow.make({ ...base, version: 2 }),
      finalStates: Workflow.make({ ...base, final: [] }),
      firstData: Workflow.make({ ...base, initial: { state: "Open", data: { cents: 1 } } }),
      handler: Workflow.make({ ...base, evolve: { Added: (data) => ({ cents: data.cents + 1 }) } }),
      noHandler: Workflow.make({ ...base, evolve: {} }),
      dataKey: Workflow.make({
        ...base,
        data: Schema.Struct({ cents: Schema.Int, note: Schema.optionalKey(Schema.String) })
      }),
      dataCheck: Workflow.make({
        ...base,
        data: Schema.Struct({ cents: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) })
      }),
      dataBound: Workflow.make({
        ...base,
        data: Schema.Struct({ cents: Schema.Int.check(Schema.isGreaterThanOrEqualTo(-1)) })
      }),
      event: Workflow.make({ ...base, events: { ...events, Reopened: Empty } }),
      eventSchema: Workflow.make({ ...base, events: { ...events, Done: Schema.Struct({ by: Schema.String }) } }),
      upcaster: Workflow.make({ ...base, events: { ...events, Done: Upcast.to(Empty, [() => ({})]) } }),
      otherUpcaster: Workflow.make({ ...base, events: { ...events, Done: Upcast.to(Empty, [() => ({ by: 1 })]) } })
    }
    const fingerprints = [fingerprint, ...Object.values(changed).map((workflow) => workflow.fingerprint)]
    assert.strictEqual(new Set(fingerprints).size, fingerprints.length)
  })
})

describe("Workflow.check", () => {
  it("finds nothing in a sound definition, nor in an open one", () => {
    assert.deepStrictEqual(Workflow.check(Invoice), [])
    assert.deepStrictEqual(Workflow.check(Workflow.open("log")), [])
  })

  it("finds each thing that is surely not meant", () => {
    const odd = Workflow.make({
      name: "odd",
      events: { Go: Empty, Never: Empty, Late: Empty },
      data: Empty,
      initial: { state: "Open", data: {} },
      states: {
        Open: { Go: [{ to: "Closed", guard: () => true }, "Stuck", "Closed", { to: "Open", guard: () => true }] },
        Stuck: {},
        Closed: { Late: "Beyond" },
        Beyond: { Go: "Open" }
      },
      final: ["Closed"]
    })
    assert.sameDeepMembers(
      [...Workflow.check(odd)],
      [
        { _tag: "ShadowedTarget", state: "Open", eventName: "Go", to: "Closed" },
        { _tag: "ShadowedTarget", state: "Open", eventName: "Go", to: "Open" },
        { _tag: "DeadEnd", state: "Stuck" },
        { _tag: "LeavesFinalState", state: "Closed", eventName: "Late" },
        { _tag: "UnreachableState", state: "Beyond" },
        { _tag: "UnusedEvent", eventName: "Never" },
        { _tag: "UnusedEvent", eventName: "Late" }
      ]
    )
  })
})

describe("Workflow.toMermaid", () => {
  it("draws states, transitions, guards, the start and the ends", () => {
    assert.strictEqual(
      Workflow.toMermaid(Invoice),
      `stateDiagram-v2
  s0 : Draft
  s1 : Audited
  s2 : Paid
  s3 : Cancelled
  [*] --> s0
  s0 --> s0 : Added
  s0 --> s1 : Paid [guarded]
  s0 --> s2 : Paid [guarded]
  s0 --> s3 : Cancelled
  s1 --> s2 : Paid
  s2 --> [*]
  s3 --> [*]`
    )
  })

  it("draws any name: what Mermaid reads is escaped, and no line breaks", () => {
    const odd = Workflow.make({
      name: "odd",
      events: { "a:b\n--> s9": Empty },
      data: Empty,
      initial: { state: `"end"; %% 🙂`, data: {} },
      states: { [`"end"; %% 🙂`]: { "a:b\n--> s9": `"end"; %% 🙂` } }
    })
    assert.strictEqual(
      Workflow.toMermaid(odd),
      `stateDiagram-v2
  s0 : #34;end#34;#59; #37;#37; #128578;
  [*] --> s0
  s0 --> s0 : a#58;b#10;--#62; s9`
    )
  })

  it("draws an open definition as one state", () => {
    assert.strictEqual(
      Workflow.toMermaid(Workflow.open("log")),
      "stateDiagram-v2\n  [*] --> open\n  open --> open : any event"
    )
  })
})
