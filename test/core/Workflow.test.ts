import { assert, describe, it } from "@effect/vitest"
import { DateTime, Predicate, Result, Schema } from "effect"
import { type Json, Upcast, Workflow, type WorkflowEvent } from "@refold/core"
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

  it("refuses a table with an event that the definition does not have, as reuse may leave it", () => {
    const { Done: _done, ...events } = base.events
    assert.throws(
      () => Workflow.make({ ...base, events }),
      /^Workflow "base": state "Open" accepts "Done", which is no event of the definition$/
    )
  })

  it("keeps its options, from which the next version is made", () => {
    const first = Workflow.make(base)
    assert.strictEqual(first.options, base)
    const second = Workflow.make({
      ...first.options,
      version: 2,
      events: { ...first.options.events, Reopened: Empty },
      states: { ...first.options.states, Closed: { Reopened: "Open" } }
    })
    assert.deepStrictEqual(Object.keys(second.events), ["Added", "Done", "Reopened"])
    assert.deepStrictEqual([...second.transitions.keys()], ["Open", "Closed"])
    const added = eventAt(2, { payload: { cents: 1 }, schema_version: 1 })
    assert.deepStrictEqual(second.foldEvent({ cents: 1 }, added), { cents: 2 })
    assert.strictEqual(Workflow.make({ ...first.options }).fingerprint, first.fingerprint)
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

describe("Workflow.make with a part of the initial data", () => {
  const Data = Schema.Struct({
    customer: Schema.String,
    due: Schema.DateTimeUtcFromString,
    paid: Schema.DateTimeUtcFromString,
    note: Schema.optionalKey(Schema.String)
  })
  const part = { name: "part", events: { Noted: Empty }, states: { Open: { Noted: "Open" } } } as const
  const paid = DateTime.makeUnsafe("2025-03-01T12:00:00.000Z")
  const Part = Workflow.make({ ...part, data: Data, initial: { state: "Open", data: { paid } } })
  const reason = "no data precedes it: the definition leaves customer, due to the event that starts the execution"

  it("merges a start over what it gives, as JSON", () => {
    assert.deepStrictEqual(Part.firstData(undefined), { paid: "2025-03-01T12:00:00.000Z" })
    assert.deepStrictEqual(Part.firstData({ customer: "ann", due: "soon", paid: "never" }), {
      customer: "ann",
      due: "soon",
      paid: "never"
    })
    assert.deepStrictEqual(Part.initial, { state: "Open", data: { paid } })
  })

  it("has no data before the start, and says which fields are missing", () => {
    assert.deepStrictEqual(Part.origin, new Workflow.Unfoldable(reason))
    assert.strictEqual(Part.foldEvent(Part.origin, eventAt(1, { event_name: "Noted" })), Part.origin)
    const { payload: _payload, ...bare } = startedEvent
    assert.strictEqual(Part.foldEvent(Part.origin, bare), Part.origin)
    const payload = { customer: "ann", due: "2025-03-01T12:00:00.000Z", paid: "2025-03-01T12:00:00.000Z" }
    const folded = Part.foldEvent(Part.origin, { ...startedEvent, payload })
    assert.deepStrictEqual(folded, { customer: "ann", due: paid, paid })
  })

  it("has the whole data where only optional fields are left out", () => {
    const data = { customer: "ann", due: paid, paid }
    assert.deepStrictEqual(Workflow.make({ ...part, data: Data, initial: { state: "Open", data } }).origin, data)
    assert.deepStrictEqual(Workflow.open("log").origin, {})
  })

  it("takes a part of a class's fields, and of data whose fields are checked together", () => {
    class Range extends Schema.Class<Range>("Range")({ from: Schema.Int, to: Schema.DateTimeUtcFromString }) {}
    const Ranged = Workflow.make({ ...part, data: Range, initial: { state: "Open", data: { from: 1 } } })
    assert.deepStrictEqual(Ranged.firstData({ to: "later" }), { from: 1, to: "later" })
    const Ordered = Schema.Struct({ from: Schema.Int, to: Schema.Int }).check(
      Schema.makeFilter(({ from, to }) => from <= to)
    )
    const Checked = Workflow.make({ ...part, data: Ordered, initial: { state: "Open", data: { from: 3 } } })
    assert.isTrue(Result.isSuccess(Checked.checkData({ from: 3, to: 4 })))
    assert.isTrue(Result.isFailure(Checked.checkData({ from: 3, to: 2 })))
    const inverted = () =>
      Workflow.make({ ...part, data: Ordered, initial: { state: "Open", data: { from: 3, to: 2 } } })
    assert.throws(inverted, Workflow.InvalidDefinition)
  })

  it("refuses a part that the schema refuses, a field it does not have, and a part of what is no struct", () => {
    const wrong = [
      [
        () => Workflow.make({ ...part, data: Data, initial: { state: "Open", data: unchecked({ note: 1 }) } }),
        "/note is"
      ],
      [
        () => Workflow.make({ ...part, data: Data, initial: { state: "Open", data: unchecked({ stray: 1 }) } }),
        "/stray is"
      ],
      [
        () =>
          Workflow.make({
            ...part,
            data: Schema.Union([Schema.Struct({ a: Schema.Int }), Schema.Struct({ b: Schema.Int })]),
            initial: { state: "Open", data: unchecked({}) }
          }),
        "/a is"
      ]
    ] as const
    for (const [make, where] of wrong) {
      assert.throws(make, Workflow.InvalidDefinition)
      assert.throws(make, `Workflow "part": the initial data${where} refused by its schema: `)
    }
  })
})

/** A value that the compiler does not look into, as a program without types would give. */
const unchecked = (value: unknown) => JSON.parse(JSON.stringify(value))

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

  it("names the first place where several members of a union are refused", () => {
    const either = Workflow.make({
      name: "either",
      events: { Done: Schema.Union([Schema.Struct({ a: Schema.Int }), Schema.Struct({ b: Schema.Int })]) },
      data: Empty,
      initial: { state: "Open", data: {} },
      states: { Open: { Done: "Open" } }
    })
    assert.deepStrictEqual(Result.getOrThrow(Result.flip(either.decodePayload("Done", {}))), {
      path: "/a",
      problem: "is refused by its schema: Missing key"
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

describe("Workflow.decodeEvent", () => {
  const decode = (event: WorkflowEvent) => Workflow.decodeEvent(Invoice, event)
  const reasonOf = (event: WorkflowEvent) => Result.getOrThrow(Result.flip(decode(event))).reason

  it("decodes the payload by its event, and keeps the rest", () => {
    const paid = eventAt(2, { event_name: "Paid", payload: { at: "2025-03-01T12:00:00.000Z" }, schema_version: 1 })
    const event = Result.getOrThrow(decode(paid))
    assert.deepStrictEqual<unknown>(event, {
      ...paid,
      payload: { at: DateTime.makeUnsafe("2025-03-01T12:00:00.000Z") }
    })
    assert.strictEqual(event.event_name === "Paid" ? event.payload.at.epochMilliseconds : 0, 1740830400000)
  })

  it("brings an older payload to the current version, and says which that is", () => {
    const added = eventAt(2, { payload: { euros: 2 }, schema_version: 1 })
    assert.deepStrictEqual<unknown>(Result.getOrThrow(decode(added)), {
      ...added,
      payload: { cents: 200 },
      schema_version: 2
    })
  })

  it("reads the event that starts an execution, whose payload is the first data", () => {
    const payload = { cents: 7, paidAt: "2025-03-01T12:00:00.000Z" }
    const started = Result.getOrThrow(decode({ ...startedEvent, payload }))
    assert.deepStrictEqual(started.payload, { cents: 7, paidAt: DateTime.makeUnsafe(payload.paidAt) })
    const { payload: _payload, ...bare } = startedEvent
    assert.deepStrictEqual(Result.getOrThrow(decode(bare)).payload, { cents: 0 })
  })

  it("checks what it reads, unlike a fold, and gives the reason why it cannot", () => {
    assert.match(reasonOf(eventAt(2, { payload: { cents: 0.5 } })), /^its payload\/cents is refused by its schema: /)
    assert.strictEqual(
      reasonOf(eventAt(2, { schema_version: 3 })),
      "its payload has schema version 3, but this definition knows versions up to 2"
    )
    assert.match(
      reasonOf({ ...startedEvent, payload: { cents: "7" } }),
      /^its payload\/cents is refused by its schema: /
    )
    assert.deepStrictEqual(
      Result.getOrThrow(Result.flip(decode(eventAt(2, { event_name: "toString" })))).message,
      `Workflow "invoice" cannot read event 2 of execution "invoice-1" (toString): it is no event of the definition`
    )
  })

  it("leaves an event without a payload without one", () => {
    const Bell = Workflow.make({
      name: "bell",
      events: { Rung: Schema.Undefined },
      data: Empty,
      initial: { state: "Open", data: {} },
      states: { Open: { Rung: "Open" } }
    })
    const { payload: _payload, ...rung } = eventAt(2, { event_name: "Rung", schema_version: 1 })
    assert.deepStrictEqual<unknown>(Result.getOrThrow(Workflow.decodeEvent(Bell, rung)), rung)
  })

  it("gives every event of an open definition as it is", () => {
    const noted = eventAt(2, { event_name: "Noted", payload: [1], schema_version: 1 })
    assert.deepStrictEqual(Result.getOrThrow(Workflow.decodeEvent(Workflow.open("log"), noted)), noted)
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
