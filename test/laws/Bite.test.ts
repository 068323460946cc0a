/** The laws find each planted mistake: the error names the broken law and shows a small history. */
import { assert, describe, it } from "@effect/vitest"
import { Schema, SchemaTransformation } from "effect"
import fc from "fast-check"
import { Json, Replay, Upcast, Workflow, WorkflowEvent } from "@refold/core"
import { CannotGenerate, type LawName, LawBroken, NotCovered, checkWorkflow } from "@refold/testing/laws"
import { Invoice } from "../core/Invoice.ts"

const Added = Schema.Struct({ amount: Schema.Int })
const settings = { seed: 20_250_301, numRuns: 100 }
/** For laws that should hold: a few runs are enough to notice a violation. */
const holding = { ...settings, numRuns: 30 }
const only = (law: LawName) => ({ ...settings, laws: [law] })

interface Counts {
  readonly counts: { [key: string]: number }
}

const counter = (evolve: (data: Counts, amount: number, event: WorkflowEvent) => Counts) =>
  Workflow.make({
    name: "counter",
    events: { Added },
    data: Schema.Struct({ counts: Schema.Record(Schema.String, Schema.Finite) }),
    initial: { state: "Open", data: { counts: {} } },
    states: { Open: { Added: "Open" } },
    evolve: { Added: (data, { amount }, event) => evolve(data, amount, event) }
  })

/** A workflow that counts; its only event has a guard. */
const guarded = (guard: Workflow.Target<string, { readonly count: number }, { readonly amount: number }>["guard"]) =>
  Workflow.make({
    name: "guarded",
    events: { Added },
    data: Schema.Struct({ count: Schema.Int }),
    initial: { state: "Open", data: { count: 0 } },
    states: { Open: { Added: { to: "Open", ...(guard === undefined ? {} : { guard }) } } },
    evolve: { Added: ({ count }) => ({ count: count + 1 }) }
  })

const thrown = (check: () => unknown): unknown => {
  try {
    check()
  } catch (error) {
    return error
  }
  return assert.fail("every law held")
}

const broken = (check: () => unknown): LawBroken => {
  const error = thrown(check)
  assert.instanceOf(error, LawBroken)
  return error
}

const problemsOf = (check: () => unknown): ReadonlyArray<string> => {
  const error = thrown(check)
  assert.instanceOf(error, CannotGenerate)
  return error.problems
}

const gapsOf = (check: () => unknown): ReadonlyArray<string> => {
  const error = thrown(check)
  assert.instanceOf(error, NotCovered)
  return error.gaps
}

const keyOrder = counter(({ counts }, amount) => ({
  counts: { ...counts, [amount % 2 === 0 ? "a" : "z"]: amount, first: (Object.keys(counts)[0] ?? "z").charCodeAt(0) }
}))

describe("A counterexample", () => {
  it("is small: the events it takes, with the smallest payloads", () => {
    const { cuts, history } = broken(() => checkWorkflow(keyOrder, only("snapshots")))

    const amounts = history.slice(1).map(({ payload }) => Json.canonical(payload ?? null))
    assert.isAtMost(amounts.length, 3)
    assert.isTrue(amounts.every((amount) => [`{"amount":0}`, `{"amount":1}`].includes(amount)))
    assert.strictEqual(cuts.length, 1)
  })

  it("names law, assertion, both states, and each place where they differ", () => {
    const { actual, assertion, differences, expected, law, message } = broken(() =>
      checkWorkflow(keyOrder, only("snapshots"))
    )

    assert.strictEqual(law, "snapshots")
    assert.match(assertion, /^replay \{.*\} from the snapshot at \d \(policy/)
    assert.match(differences.join(), /^\/data\/counts\/first {2}expected \d+, not \d+$/)
    for (const part of [assertion, ...differences, `expected ${expected}`, `actual   ${actual}`, "-- cut --"]) {
      assert.include(message, part)
    }
  })

  it("can be replayed from what is printed", () => {
    const { history, message } = broken(() => checkWorkflow(keyOrder, only("snapshots")))
    const [, code = ""] = /Replay\.fold\(definition, undefined, (\[[^]*?\n\])\)/.exec(message) ?? []
    const events = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(WorkflowEvent)))(code)

    assert.deepStrictEqual(events, history)
    assert.deepStrictEqual(Replay.fold(keyOrder, undefined, events), Replay.fold(keyOrder, undefined, history))
  })

  it("is found again by the seed and path that are printed, without looking further", () => {
    const first = broken(() => checkWorkflow(keyOrder, { numRuns: 1000, laws: ["snapshots"] }))
    const [, options = ""] = /checkWorkflow\(definition, \{ laws: \["snapshots"\], (.*) \}\)/.exec(first.message) ?? []

    assert.strictEqual(options, `seed: ${first.seed}, path: ${JSON.stringify(first.path)}`)
    const { path = "", seed = 0 } = first
    const again = broken(() => checkWorkflow(keyOrder, { laws: ["snapshots"], seed, path }))

    assert.deepStrictEqual(again.history, first.history)
  })
})

describe("Purity finds", () => {
  it("a handler that changes what it is given", () => {
    const { actual, assertion, history, law } = broken(() =>
      checkWorkflow(
        counter((data, amount) => {
          data.counts["total"] = amount
          return data
        }),
        settings
      )
    )

    assert.strictEqual(law, "purity")
    assert.strictEqual(assertion, "evolve of Added at position 2: the arguments do not change")
    assert.match(actual, /TypeError/)
    assert.strictEqual(history.length, 2)
  })

  it("a handler that changes an instance, which cannot be frozen", () => {
    const Tags = Schema.Array(Schema.Int).pipe(
      Schema.decodeTo(
        Schema.instanceOf<typeof Set<number>>(Set),
        SchemaTransformation.transform({ decode: (list) => new Set<number>(list), encode: (set) => [...set] })
      )
    )
    const tagging = Workflow.make({
      name: "tagging",
      events: { Added },
      data: Schema.Struct({ tags: Tags }),
      initial: { state: "Open", data: { tags: new Set<number>() } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: ({ tags }, { amount }) => ({ tags: tags.add(amount) }) }
    })
    const { assertion, law } = broken(() => checkWorkflow(tagging, settings))

    assert.strictEqual(law, "purity")
    assert.match(assertion, /^evolve of Added at position 2/)
  })

  it("a guard that changes the data", () => {
    const { assertion } = broken(() =>
      checkWorkflow(
        guarded((data) => Object.assign(data, { count: 1 }).count === 1),
        settings
      )
    )

    assert.strictEqual(assertion, "the guards of Added at position 2: the arguments do not change")
  })

  it("a handler, and a guard, with a memory of their own", () => {
    let calls = 0
    const handler = broken(() =>
      checkWorkflow(
        counter(() => ({ counts: { calls: ++calls } })),
        settings
      )
    )
    assert.strictEqual(handler.assertion, "evolve of Added at position 2 returns the same state again")

    const guard = broken(() =>
      checkWorkflow(
        guarded(() => ++calls % 3 !== 0),
        settings
      )
    )
    assert.match(guard.assertion, /^the guards of Added at position \d+ return the same result again$/)
  })

  it.each([
    ["Date.now()", () => Date.now()],
    ["new Date()", () => new Date().getTime()],
    ["new Date()", () => Date().length],
    ["performance.now()", () => performance.now()],
    ["Math.random()", () => Math.random()],
    ["crypto.randomUUID()", () => crypto.randomUUID().length],
    ["crypto.getRandomValues()", () => crypto.getRandomValues(new Uint8Array(1)).length]
  ])("%s, in a handler and in a guard", (name, ask) => {
    // The result does not depend on it here, but elsewhere it might.
    const inHandler = counter(({ counts }) => ({ counts: { ...counts, a: ask() > -1 ? 1 : 2 } }))
    const inGuard = guarded(() => ask() > -1)

    for (const workflow of [inHandler, inGuard]) {
      assert.match(
        broken(() => checkWorkflow<string, unknown, Workflow.EventSchemas>(workflow, settings)).actual,
        new RegExp(`^${name.replaceAll(/[.()]/g, "\\$&")} is called`)
      )
    }
  })

  it("no clock where a handler reads the instant of its event, or a date from text", () => {
    const sound = counter((_data, amount, event) => ({
      counts: {
        at: new Date(event.created_at).getTime(),
        amount: Date.parse(event.created_at) + Date.UTC(2025) + amount
      }
    }))

    assert.doesNotThrow(() => checkWorkflow(sound, holding))
  })

  it("the clock, and leaves it as it was, also after a handler that throws", () => {
    const sources = (): ReadonlyArray<unknown> => [
      Date,
      Reflect.get(Date, "now"),
      Reflect.get(Math, "random"),
      Reflect.get(performance, "now"),
      Reflect.get(crypto, "randomUUID"),
      Reflect.get(crypto, "getRandomValues")
    ]
    const before = sources()
    broken(() =>
      checkWorkflow(
        counter(() => {
          throw new RangeError(`at ${Date.now()}`)
        }),
        settings
      )
    )

    assert.isTrue(sources().every((source, place) => source === before[place]))
  })

  it("what a handler, or a guard, throws, with the history it throws on", () => {
    const inHandler = broken(() =>
      checkWorkflow(
        counter(({ counts }, amount) => {
          if (amount < 0) throw new RangeError("negative")
          return { counts }
        }),
        settings
      )
    )
    assert.strictEqual(inHandler.actual, "it throws RangeError: negative")
    assert.instanceOf(inHandler.cause, RangeError)
    assert.deepStrictEqual(inHandler.history.at(-1)?.payload, { amount: -1 })

    const inGuard = guarded(() => {
      throw new RangeError("unknown")
    })
    for (const law of ["purity", "decisions"] as const) {
      const { actual, history } = broken(() => checkWorkflow(inGuard, only(law)))
      assert.strictEqual(actual, "it throws RangeError: unknown")
      assert.strictEqual(history.length, 1)
    }
  })
})

describe("The round trip finds", () => {
  it("data that its encoding rounds", () => {
    const Cents = Schema.String.pipe(
      Schema.decodeTo(
        Schema.Finite,
        SchemaTransformation.transform({ decode: (text) => Number(text), encode: (number) => number.toFixed(2) })
      )
    )
    const rounding = Workflow.make({
      name: "rounding",
      events: { Added },
      data: Schema.Struct({ sum: Cents }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, { amount }) => ({ sum: data.sum + amount / 1000 }) }
    })
    const { differences, law } = broken(() => checkWorkflow(rounding, settings))

    assert.strictEqual(law, "round-trip")
    assert.deepStrictEqual(differences, ["/data/sum  expected 0.001, not 0"])
  })

  it("a field that the stored form forgets", () => {
    const Whole = Schema.Struct({ sum: Schema.Int, note: Schema.String })
    const forgetful = Workflow.make({
      name: "forgetful",
      events: { Added },
      data: Schema.Struct({ sum: Schema.Int }).pipe(
        Schema.decodeTo(
          Whole,
          SchemaTransformation.transform({ decode: ({ sum }) => ({ sum, note: "" }), encode: ({ sum }) => ({ sum }) })
        )
      ),
      initial: { state: "Open", data: { sum: 0, note: "" } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, { amount }) => ({ sum: data.sum + 1, note: amount > 5 ? "large" : data.note }) }
    })

    for (const law of ["round-trip", "snapshots"] as const) {
      assert.deepStrictEqual(broken(() => checkWorkflow(forgetful, only(law))).differences, [
        `/data/note  expected "large", not ""`
      ])
    }
  })

  it("data that leaves its schema", () => {
    const leaving = Workflow.make({
      name: "leaving",
      events: { Added },
      data: Schema.Struct({ sum: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, { amount }) => ({ sum: data.sum + amount }) }
    })

    assert.strictEqual(
      broken(() => checkWorkflow(leaving, settings)).assertion,
      "the data at position 2 matches its schema"
    )
  })

  it("data with a key that its schema does not name", () => {
    const spreading = Workflow.make({
      name: "spreading",
      events: { Added },
      data: Schema.Struct({ count: Schema.Int }),
      initial: { state: "Open", data: { count: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: (data, payload) => ({ ...data, ...payload }) }
    })

    assert.match(broken(() => checkWorkflow(spreading, settings)).actual, /at \/amount is refused by its schema/)
  })
})

describe("Upcasts finds", () => {
  const versioned = (upcaster: Upcast.Upcaster) =>
    Workflow.make({
      name: "versioned",
      events: { Added: Upcast.to(Schema.Struct({ amount: Schema.Int, note: Schema.String }), [upcaster]) },
      data: Schema.Struct({ sum: Schema.Int }),
      initial: { state: "Open", data: { sum: 0 } },
      states: { Open: { Added: "Open" } },
      evolve: { Added: ({ sum }) => ({ sum }) }
    })
  const V1 = Schema.Struct({ value: Schema.Int, note: Schema.String, more: Schema.Struct({ a: Schema.Boolean }) })
  const oldPayloads = { Added: [V1] }
  const read = (old: unknown) => (Schema.is(V1)(old) ? old : { value: 0, note: "", more: { a: false } })

  it("an upcaster that yields what the current schema refuses", () => {
    const { actual, assertion } = broken(() =>
      checkWorkflow(
        versioned(() => ({ amount: "many", note: "" })),
        { ...settings, oldPayloads }
      )
    )

    assert.match(assertion, /^a payload of Added, version 1, upcast to \{"amount":"many"/)
    assert.match(actual, /is refused by its schema/)
  })

  it("an upcaster that drops a part, deep inside too, by the two smallest payloads it confuses", () => {
    const dropping = versioned((old) => ({ amount: read(old).value, note: read(old).note }))
    const { actual, assertion, expected, law } = broken(() => checkWorkflow(dropping, { ...settings, oldPayloads }))

    assert.strictEqual(law, "upcasts")
    assert.match(assertion, /^\/more of Added, version 1, makes a difference/)
    assert.match(expected, /^\{"value":0,"note":"","more":\{"a":(true|false)\}\} and \{.*\} become different payloads$/)
    assert.strictEqual(actual, `both become {"amount":0,"note":""}`)
  })

  it("nothing in a part that is dropped on purpose, or that matters now and then", () => {
    const rounding = versioned((old) => ({ amount: Math.trunc(read(old).value / 10), note: `${read(old).more.a}` }))
    const options = { ...holding, oldPayloads }

    assert.match(broken(() => checkWorkflow(rounding, options)).assertion, /^\/note of Added/)
    assert.doesNotThrow(() => checkWorkflow(rounding, { ...options, dropped: { Added: ["/note"] } }))
    const shorter = versioned((old) => ({ amount: read(old).value, note: read(old).note }))
    assert.doesNotThrow(() => checkWorkflow(shorter, { ...options, dropped: { Added: ["/more"] } }))
  })

  it("an upcaster that changes the stored payload", () => {
    const { assertion } = broken(() =>
      checkWorkflow(
        versioned((old) => Object.assign(old ?? {}, { amount: 1, note: "" })),
        { ...settings, oldPayloads }
      )
    )

    assert.strictEqual(
      assertion,
      "the upcasters of Added from version 1, after position 1: the arguments do not change"
    )
  })
})

describe("By itself", () => {
  let calls = 0
  const remembering = counter(({ counts }) => ({ counts: { ...counts, calls: ++calls } }))

  it.each(["purity", "fold", "idempotence", "snapshots", "temporal", "decisions", "upcasts", "round-trip"] as const)(
    "%s finds a handler that remembers the last replay",
    (law) => assert.strictEqual(broken(() => checkWorkflow(remembering, only(law))).law, law)
  )
})

describe("Generated logs", () => {
  it("find nothing in a definition that is sound, and tell what they reached", () => {
    const report = checkWorkflow(Invoice, {
      ...holding,
      oldPayloads: { Added: [Schema.Struct({ euros: Schema.Int })] }
    })

    assert.deepStrictEqual([...report.states.keys()].toSorted(), ["Audited", "Cancelled", "Draft", "Paid"])
    assert.deepStrictEqual(report.gaps, [])
    assert.isAbove(report.completeCount, report.logCount / 2)
  })

  it("reach the end of a long workflow, and the guards on the way", () => {
    const stepCount = 40
    const names = Array.from({ length: stepCount + 1 }, (_, place) => `S${place}`)
    const long = Workflow.make({
      name: "long",
      events: { Next: Schema.Struct({ amount: Schema.Int.check(Schema.isGreaterThan(0)) }), Back: Schema.Undefined },
      data: Schema.Struct({ total: Schema.Int }),
      initial: { state: "S0", data: { total: 0 } },
      states: Object.fromEntries(
        names.map((name, place) => [
          name,
          place === stepCount
            ? {}
            : {
                Next: {
                  to: names[place + 1] ?? name,
                  guard: ({ total }: { total: number }) => place < 20 || total > 100
                },
                Back: "S0"
              }
        ])
      ),
      final: [`S${stepCount}`],
      evolve: { Next: ({ total }, { amount }) => ({ total: (total + amount) % 1e9 }) }
    })
    const report = checkWorkflow(long, { ...settings, numRuns: 40, laws: ["fold"], coverage: "report" })

    assert.isAbove(report.completeCount, 0)
    assert.deepStrictEqual(report.unreachedStates, [])
  })

  it("satisfy a guard that asks for a large number, and one that asks for what the data holds", () => {
    const picky = Workflow.make({
      name: "picky",
      events: {
        Opened: Schema.Struct({ id: Schema.String, cents: Schema.Int }),
        Closed: Schema.Struct({ id: Schema.String })
      },
      data: Schema.Struct({ id: Schema.String }),
      initial: { state: "New", data: { id: "" } },
      states: {
        New: { Opened: { to: "Open", guard: (_data, { cents, id }) => cents >= 1_000_000 && id.length > 3 } },
        Open: { Closed: { to: "Closed", guard: (data, { id }) => id === data.id } },
        Closed: {}
      },
      final: ["Closed"],
      evolve: { Opened: (_data, { id }) => ({ id }) }
    })

    assert.deepStrictEqual(checkWorkflow(picky, holding).gaps, [])
  })

  it("take payloads, first data and senders of the user's", () => {
    const report = checkWorkflow(
      guarded((data, { amount }, { user_id }) => data.count >= 7 && amount === 123_456_789 && user_id === "chief"),
      {
        ...holding,
        payloads: { Added: fc.constantFrom({ amount: 0 }, { amount: 123_456_789 }) },
        starts: fc.constant({ data: { count: 7 } }),
        senders: fc.constantFrom({ user_id: "clerk" }, { user_id: "chief" })
      }
    )

    assert.deepStrictEqual(report.neverAccepted, [])
  })

  it("of one seed are the same", () => {
    const [first, second] = [1, 1].map((seed) =>
      checkWorkflow(Invoice, { seed, numRuns: 5, laws: ["fold"], coverage: "report", oldPayloads: { Added: [] } })
    )

    assert.deepStrictEqual(first, second)
  })
})

describe("What cannot be generated is said", () => {
  it("of a schema that Effect draws no values of, by event, and whether they can be stored", () => {
    const Secret = Schema.declare((value): value is "secret" => value === "secret")
    const unknown = Workflow.make({
      name: "unknown",
      events: { Added, Told: Secret, Written: Schema.Struct({ text: Schema.Literal("\0") }) },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Added: "Open", Told: "Open", Written: "Open" } }
    })
    const problems = problemsOf(() => checkWorkflow(unknown, holding))

    assert.strictEqual(problems.length, 2)
    assert.match(
      problems[0] ?? "",
      /^Told, version 1: its schema yields no payload \(.*\)\. Give some, as `payloads: \{ "Told": … \}`/
    )
    assert.match(problems[1] ?? "", /^Written, version 1: its schema yields no payload \(no value drawn from it/)
    assert.doesNotThrow(() =>
      checkWorkflow(unknown, {
        ...holding,
        coverage: "report",
        payloads: { Told: fc.constant("secret"), Written: fc.constant({ text: "\0" }) }
      })
    )
  })

  it("of upcasters without payloads of the versions that they read", () => {
    assert.match(
      problemsOf(() => checkWorkflow(Invoice, holding)).join(),
      /^Added has 1 older version, and 0 of them with payloads\. Give .* as `oldPayloads: \{ "Added": \[ … \] \}`$/
    )
  })

  it("of first data that the definition refuses", () => {
    const refused = problemsOf(() =>
      checkWorkflow(guarded(undefined), { ...holding, starts: fc.constant({ data: { count: "many" } }) })
    )

    assert.match(refused.join(), /^`starts` gives .*"many".*, which is refused: .*\/count/)
  })

  it("of a guard that is never true, and of the states behind it", () => {
    const closing = Workflow.make({
      name: "closing",
      events: { Added, Closed: Schema.Undefined },
      data: Schema.Struct({ count: Schema.Int }),
      initial: { state: "Open", data: { count: 0 } },
      states: { Open: { Added: "Open", Closed: { to: "Closed", guard: ({ count }) => count < 0 } }, Closed: {} },
      final: ["Closed"]
    })
    const gaps = gapsOf(() => checkWorkflow(closing, { ...holding, laws: ["fold"] }))

    assert.match(
      gaps[0] ?? "",
      /^Closed in state Open never led to Closed: no guard accepted any of \d+ submissions\.$/
    )
    assert.deepStrictEqual(gaps.slice(1), ["States that were not reached: Closed."])
    const report = checkWorkflow(closing, { ...holding, laws: ["fold"], coverage: "report" })
    assert.deepStrictEqual(report.neverAccepted, ["Closed"])
    assert.deepStrictEqual(report.unreachedStates, ["Closed"])
  })

  it("of payloads that the schema refuses", () => {
    const picky = Workflow.make({
      name: "picky",
      events: { Added: Schema.Struct({ amount: Schema.Int.check(Schema.isGreaterThan(5)) }) },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Added: "Open" } }
    })
    const gaps = gapsOf(() => checkWorkflow(picky, { ...holding, payloads: { Added: fc.constant({ amount: 5 }) } }))

    assert.match(
      gaps.join(),
      /^Added in state Open never led to Open: its payloads were refused\. The payload of Added at \/amount is/
    )
  })

  it("of what the table itself leaves out", () => {
    const loose = Workflow.make({
      name: "loose",
      events: { Added, Unused: Schema.Undefined },
      data: Schema.Struct({}),
      initial: { state: "Open", data: {} },
      states: { Open: { Added: ["Open", "Late"] }, Late: {}, Island: {} },
      final: ["Late", "Island"]
    })

    assert.deepStrictEqual(
      gapsOf(() => checkWorkflow(loose, { ...holding, laws: ["fold"] })),
      [
        "Added in state Open never led to Late: an earlier target always applies, so this one never does.",
        "No event leads to state Island. Add a transition, or remove the state.",
        "No state accepts Unused. Add it to a state, or remove the event.",
        "States that were not reached: Late, Island."
      ]
    )
  })
})
