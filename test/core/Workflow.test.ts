import { assert, describe, it } from "@effect/vitest"
import { DateTime, Predicate, Result, Schema } from "effect"
import { type Json, Upcast, Workflow } from "@refold/core"
import { oddNames } from "../arbitraries/Identifier.ts"
import { Invoice, eventAt, startedEvent } from "./Invoice.ts"

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
    const thrown = Result.try(make)
    assert.isTrue(Result.isFailure(thrown) && Predicate.isTagged(thrown.failure, "InvalidDefinition"))
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

describe("Workflow.fingerprint of what JSON cannot hold", () => {
  const allowing = (n: bigint) =>
    Workflow.make({
      name: "allowing",
      events: {},
      data: Schema.Struct({ n: Schema.BigIntFromString.pipe(Schema.decodeTo(Schema.Literals([9n, n]))) }),
      initial: { state: "Open", data: { n: 9n } },
      states: { Open: {} }
    }).fingerprint

  it("tells bigints in a schema apart", () => {
    assert.strictEqual(allowing(1n), allowing(1n))
    assert.notStrictEqual(allowing(1n), allowing(2n))
  })

  it("of open definitions differs by their name", () => {
    assert.strictEqual(Workflow.open("a").fingerprint, Workflow.open("a").fingerprint)
    assert.notStrictEqual(Workflow.open("a").fingerprint, Workflow.open("b").fingerprint)
  })
})

describe("Workflow.foldEvent", () => {
  const data = { cents: 10 }
  const reasonOf = (folded: unknown) => (folded instanceof Workflow.Unfoldable ? folded.reason : undefined)

  it("takes the first data from the event that starts the execution, and decodes it", () => {
    const payload = { cents: 7, paidAt: "2025-03-01T12:00:00.000Z" }
    const folded = Invoice.foldEvent(data, { ...startedEvent, payload })
    assert.deepStrictEqual(folded, { cents: 7, paidAt: DateTime.makeUnsafe(payload.paidAt) })
  })

  it("keeps the definition's data where the start brings none", () => {
    const { payload: _payload, ...started } = startedEvent
    assert.strictEqual(Invoice.foldEvent(data, started), data)
  })

  it("leaves the data as it was by an event without a handler, even one named like what every object inherits", () => {
    for (const name of oddNames) {
      const event = eventAt(2, { event_name: name, payload: {}, schema_version: 1 })
      assert.deepStrictEqual(named({ event: name }).foldEvent({}, event), {})
      assert.strictEqual(Invoice.foldEvent(data, event), data)
    }
  })

  it("reads an older payload as the current one, and checks what it became", () => {
    assert.deepStrictEqual(Invoice.foldEvent(data, eventAt(2, { payload: { euros: 2 }, schema_version: 1 })), {
      cents: 210
    })
    assert.match(
      reasonOf(Invoice.foldEvent(data, eventAt(2, { payload: { euros: 0.001 }, schema_version: 1 }))) ?? "",
      /^its payload\/cents is refused by its schema: /
    )
  })

  it("trusts what stands in the log in the shape that the handler wants: it was checked on its way in", () => {
    assert.deepStrictEqual(Invoice.foldEvent(data, eventAt(2, { payload: { cents: 0.5 } })), { cents: 10.5 })
    assert.deepStrictEqual(Workflow.make(base).foldEvent(data, { ...startedEvent, payload: { cents: 0.5 } }), {
      cents: 0.5
    })
  })

  it("gives the reason why an event cannot be folded: no version reads its payload, or the schema refuses it", () => {
    assert.strictEqual(
      reasonOf(Invoice.foldEvent(data, eventAt(2, { schema_version: 3 }))),
      "its payload has schema version 3, but this definition knows versions up to 2"
    )
    const paid = eventAt(2, { event_name: "Paid", payload: { at: "noon" }, schema_version: 1 })
    assert.match(reasonOf(Invoice.foldEvent(data, paid)) ?? "", /^its payload\/at is refused by its schema: /)
    const started = { ...startedEvent, payload: { cents: "7" } }
    assert.match(reasonOf(Invoice.foldEvent(data, started)) ?? "", /^its payload\/cents is refused by its schema: /)
  })
})

describe("Workflow.plainHandlers", () => {
  const isPlain = (payload: Upcast.PayloadSchema) =>
    Workflow.make({
      name: "sample",
      events: { Done: payload },
      data: Empty,
      initial: { state: "Open", data: {} },
      states: { Open: {} },
      evolve: { Done: (data) => data }
    }).plainHandlers.has("Done")

  it("names the events that have a handler and a payload stored as this wants it, with its version", () => {
    const versions = [...Invoice.plainHandlers].map(([name, { schemaVersion }]) => [name, schemaVersion])
    assert.deepStrictEqual(versions, [["Added", 2]])
  })

  it.each<[string, Upcast.PayloadSchema]>([
    ["text", Schema.String],
    ["a number", Schema.Int],
    ["a truth value", Schema.Boolean],
    ["null", Schema.Null],
    ["nothing", Schema.Undefined],
    ["a literal", Schema.Literal("a")],
    ["a template", Schema.TemplateLiteral(["a-", Schema.String])],
    ["an enumeration", Schema.Enum({ A: "a" })],
    ["an object", Schema.Struct({ a: Schema.optionalKey(Schema.String) })],
    ["a record", Schema.Record(Schema.String, Schema.Int)],
    ["an array", Schema.Array(Schema.Struct({ a: Schema.String }))],
    ["a tuple", Schema.Tuple([Schema.String, Schema.Int])],
    ["a union", Schema.Union([Schema.String, Schema.Struct({ a: Schema.Int })])]
  ])("trust %s of JSON's own kinds", (_what, payload) => {
    assert.isTrue(isPlain(payload))
  })

  const opaque = Schema.Json
  it.each<[string, Upcast.PayloadSchema]>([
    ["by itself", opaque],
    ["in an object", Schema.Struct({ a: Schema.String, b: opaque })],
    ["in a record", Schema.Record(Schema.String, opaque)],
    ["in an array", Schema.Array(opaque)],
    ["in a tuple", Schema.Tuple([Schema.String, opaque])],
    ["in a union", Schema.Union([Schema.String, opaque])],
    ["behind a transformation", Schema.Struct({ at: Schema.DateTimeUtcFromString })]
  ])("do not trust a kind that has code of its own: %s", (_where, payload) => {
    assert.isFalse(isPlain(payload))
  })
})

describe("Workflow.decodePayload", () => {
  it("says where in a payload the schema refuses it, as a JSON pointer", () => {
    const deep = Workflow.make({
      name: "deep",
      events: { Done: Schema.Struct({ rows: Schema.Array(Schema.Struct({ "unit price": Schema.Int })) }) },
      data: Empty,
      initial: { state: "Open", data: {} },
      states: { Open: { Done: "Open" } }
    })
    const rows = Array.from({ length: 11 }, (_, place) => ({ "unit price": place === 10 ? "x" : 1 }))
    const decoded = deep.decodePayload("Done", { rows })
    assert.deepStrictEqual(Result.getOrThrow(Result.flip(decoded)), {
      path: "/rows/10/unit price",
      problem: "is refused by its schema: Expected number"
    })
  })

  it("writes keys into the pointer as one writes them there", () => {
    const odd = Workflow.make({
      name: "odd",
      events: { Done: Schema.Struct({ "a/b": Schema.Struct({ 'say "~]"': Schema.Tuple([Schema.Int]) }) }) },
      data: Empty,
      initial: { state: "Open", data: {} },
      states: { Open: { Done: "Open" } }
    })
    const { path } = Result.getOrThrow(Result.flip(odd.decodePayload("Done", { "a/b": { 'say "~]"': ["x"] } })))
    assert.strictEqual(path, '/a~1b/say "~0]"/0')
  })
})

describe("Workflow.schemaVersion", () => {
  it("is that of the newest payload, and 1 for an event that the definition does not have", () => {
    assert.deepStrictEqual(
      ["Added", "Paid", "Unknown"].map((name) => Invoice.schemaVersion(name)),
      [2, 1, 1]
    )
    assert.strictEqual(Workflow.open("log").schemaVersion("Unknown"), 1)
  })
})

describe("Workflow.submission", () => {
  it("names the workflow that it is made for", () => {
    assert.deepStrictEqual(Workflow.submission(Invoice, { event_name: "Cancelled", payload: {}, user_id: "ann" }), {
      event_name: "Cancelled",
      payload: {},
      user_id: "ann",
      workflow: "invoice"
    })
  })
})

describe("Workflow.open", () => {
  const log = Workflow.open("log")
  const noted = (payload: Json.Json) => eventAt(2, { event_name: "Noted", payload, schema_version: 1 })

  it("starts with no data, accepts no event by name and ends nowhere", () => {
    assert.deepStrictEqual(log.initial, { state: "started", data: {} })
    assert.deepStrictEqual([log.ref, log.events], [{ name: "log", version: 0 }, {}])
    assert.deepStrictEqual([log.transitions.size, log.finalStates.size, log.plainHandlers.size], [0, 0, 0])
  })

  it("merges into data of its own, never into what it was given", () => {
    const given = Object.freeze({ a: 1, b: 2 })
    const stored = Result.getOrThrow(log.decodeData(given))
    for (const own of [log.ownData(given), stored]) {
      assert.deepStrictEqual(own, given)
      assert.deepStrictEqual(log.foldEvent(own, noted({ b: 3 })), { a: 1, b: 3 })
    }
    assert.deepStrictEqual(given, { a: 1, b: 2 })
  })

  it("leaves the data as it was by a payload that is no object, which only another writer can have stored", () => {
    for (const payload of [[1], "text", null]) assert.deepStrictEqual(log.foldEvent({ a: 1 }, noted(payload)), { a: 1 })
  })

  it("keeps a key __proto__ of a payload as a key like any other", () => {
    const folded = log.foldEvent({}, noted(JSON.parse(`{"__proto__":1}`)))
    assert.deepStrictEqual(Object.getOwnPropertyDescriptor(folded, "__proto__"), {
      value: 1,
      writable: true,
      enumerable: true,
      configurable: true
    })
  })

  it("reads and writes objects as data, and says of anything else what it must be", () => {
    assert.deepStrictEqual(log.encodeData({ a: [1] }), Result.succeed({ a: [1] }))
    const refused = { path: "", problem: "must be an object, since an open workflow merges it into its data" }
    assert.deepStrictEqual(log.decodeData({ a: [1] }), Result.succeed({ a: [1] }))
    assert.deepStrictEqual(log.checkData({ a: [1] }), Result.succeed({ a: [1] }))
    assert.deepStrictEqual(log.decodeData([1]), Result.fail(refused))
    assert.deepStrictEqual(log.checkData([1]), Result.fail(refused))
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
