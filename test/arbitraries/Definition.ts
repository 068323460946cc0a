/** Random definitions that use everything a definition can say, with the generators of their logs. */
import { DateTime, Schema } from "effect"
import fc from "fast-check"
import { Upcast, Workflow, type WorkflowEvent } from "@refold/core"
import type { Generators } from "@refold/testing/laws"
import { identifier } from "./Identifier.ts"
import { json, jsonObject } from "./Json.ts"

export interface Definition {
  readonly workflow: Workflow.Workflow
  readonly generators: Generators
}

const Data = Schema.Struct({
  count: Schema.Int,
  texts: Schema.Array(Schema.String),
  bag: Schema.Record(Schema.String, Schema.Json),
  touchedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  lastUser: Schema.NullOr(Schema.String)
})
type Data = typeof Data.Type

/** An event's schema with its handlers and payloads; a definition uses it under any name. */
interface Kind {
  readonly schema: Upcast.EventSchema
  readonly payloads?: fc.Arbitrary<Schema.Json>
  readonly oldPayloads?: ReadonlyArray<fc.Arbitrary<Schema.Json>>
  readonly evolve: ReadonlyArray<Workflow.EvolveHandler<Data, unknown>>
  readonly guards: ReadonlyArray<NonNullable<Workflow.Target<string, Data, unknown>["guard"]>>
}

const kind = <Payload extends Upcast.PayloadSchema>(options: {
  readonly schema: Payload | Upcast.Versioned<Payload>
  readonly payloads?: fc.Arbitrary<Schema.Json>
  readonly oldPayloads?: ReadonlyArray<fc.Arbitrary<Schema.Json>>
  readonly evolve: ReadonlyArray<Workflow.EvolveHandler<Data, Payload["Type"]>>
  readonly guards: ReadonlyArray<NonNullable<Workflow.Target<string, Data, Payload["Type"]>["guard"]>>
}): Kind => options

const amount = fc.integer({ min: -1000, max: 1000 })

const kinds: ReadonlyArray<Kind> = [
  kind({
    schema: Schema.Struct({ amount: Schema.Int }),
    // The schema does not have `count` and `more`: clients may send extra fields.
    payloads: fc.record({ amount, count: amount, more: json }, { requiredKeys: ["amount"] }),
    evolve: [
      (data, { amount }) => ({ ...data, count: (data.count + amount) % 1_000_003 }),
      (data, { amount }) => ({ ...data, count: (data.count * 31 + amount) % 1_000_003 })
    ],
    guards: [(data) => data.count >= 0, (_data, { amount }) => amount % 2 === 0]
  }),
  kind({
    schema: Schema.Struct({ text: Schema.String, at: Schema.DateTimeUtcFromString }),
    evolve: [
      (data, { at, text }) => ({ ...data, texts: [...data.texts, text], touchedAt: at }),
      ({ bag, count, lastUser, texts }, { text }) => ({ bag, count, lastUser, texts: [text, ...texts].slice(0, 3) })
    ],
    guards: [(data, { at }) => data.touchedAt === undefined || DateTime.isLessThan(data.touchedAt, at)]
  }),
  kind({
    schema: Schema.Record(Schema.String, Schema.Json),
    payloads: jsonObject,
    evolve: [
      (data, payload) => ({ ...data, bag: { ...data.bag, ...payload } }),
      (data, payload) => ({ ...data, bag: payload, count: Object.keys(data.bag).length })
    ],
    guards: [(_data, payload) => Object.keys(payload).length > 0]
  }),
  kind({
    schema: Upcast.to(Schema.Struct({ cents: Schema.Int, unit: Schema.String }), [
      (old) => ({ cents: Schema.is(EurosV1)(old) ? Math.round(old.euros * 100) : 0 }),
      (old) => ({ cents: Schema.is(CentsV2)(old) ? old.cents : 0, unit: "EUR" })
    ]),
    payloads: fc.record({ cents: amount, unit: fc.constantFrom("EUR", "USD") }),
    oldPayloads: [fc.record({ euros: amount }), fc.record({ cents: amount })],
    evolve: [
      (data, { cents, unit }) => ({ ...data, count: (data.count + cents) % 1_000_003, bag: { ...data.bag, unit } })
    ],
    guards: [(_data, { cents }) => cents > 0]
  }),
  kind({
    schema: Schema.UndefinedOr(Schema.String),
    evolve: [(data, text) => ({ ...data, lastUser: text ?? null })],
    guards: [(_data, text) => text === undefined]
  }),
  kind({
    schema: Schema.Json,
    payloads: json,
    evolve: [
      (data, payload, event) => ({ ...data, bag: { ...data.bag, [event.event_type]: payload } }),
      (data, _payload, event: WorkflowEvent) => ({
        ...data,
        lastUser: event.user_id ?? null,
        touchedAt: DateTime.makeUnsafe(event.created_at)
      })
    ],
    guards: [(data) => data.lastUser !== "ann"]
  })
]

const EurosV1 = Schema.Struct({ euros: Schema.Finite })
const CentsV2 = Schema.Struct({ cents: Schema.Finite })

const names = (minLength: number, maxLength: number) =>
  fc.uniqueArray(
    identifier.filter((name) => name !== "workflow.started"),
    { minLength, maxLength, size: "max" }
  )

const event = fc.record({ kind: fc.constantFrom(...kinds), evolve: fc.nat(), isFolded: fc.boolean() })

/** The targets of one event in one state, and the guard of each (0 and 3 are no guard). */
const targets = fc.oneof(
  { arbitrary: fc.constant([]), weight: 1 },
  {
    arbitrary: fc.array(fc.record({ to: fc.nat(), guard: fc.nat({ max: 3 }) }), { minLength: 1, maxLength: 3 }),
    weight: 4
  }
)

/** A definition of `Workflow.make`. */
export const typedDefinition: fc.Arbitrary<Definition> = fc
  .record({
    name: identifier,
    version: fc.integer({ min: 1, max: 9 }),
    states: names(1, 4),
    eventNames: names(1, 4),
    events: fc.array(event, { minLength: 4, maxLength: 4 }),
    table: fc.array(targets, { minLength: 16, maxLength: 16 }),
    // The first state is final only if it is the only one; otherwise there would be nothing to generate after it.
    final: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    first: jsonObject
  })
  .map(({ events, eventNames, final, first, name, states, table, version }) => {
    const named = eventNames.flatMap((eventName, place) => {
      const chosen = events[place]
      return chosen === undefined ? [] : [{ eventName, ...chosen }]
    })
    const stateAt = (pick: number) => states[pick % states.length] ?? ""
    const accepted = (statePlace: number) =>
      named.map(({ eventName, kind }, place) => [
        eventName,
        (table[statePlace * 4 + place] ?? []).map(({ guard, to }) => {
          const chosen = kind.guards[guard - 1]
          return chosen === undefined ? { to: stateAt(to) } : { to: stateAt(to), guard: chosen }
        })
      ])
    const workflow = Workflow.make({
      name,
      version,
      events: Object.fromEntries(named.map(({ eventName, kind }) => [eventName, kind.schema])),
      data: Data,
      initial: { state: stateAt(0), data: { count: 0, texts: [], bag: first, lastUser: null } },
      states: Object.fromEntries(states.map((state, place) => [state, Object.fromEntries(accepted(place))])),
      final: final.map((pick) => stateAt(pick)),
      evolve: Object.fromEntries(
        named
          .filter(({ isFolded }) => isFolded)
          .map(({ eventName, evolve, kind }) => [eventName, kind.evolve[evolve % kind.evolve.length]])
      )
    })
    const generators: Generators = {
      payloads: Object.fromEntries(
        named.flatMap(({ eventName, kind }) => (kind.payloads === undefined ? [] : [[eventName, kind.payloads]]))
      ),
      oldPayloads: Object.fromEntries(
        named.flatMap(({ eventName, kind }) => (kind.oldPayloads === undefined ? [] : [[eventName, kind.oldPayloads]]))
      )
    }
    return { workflow, generators, [fc.toStringMethod]: () => show(workflow) }
  })

/** An open definition, started with any data. */
export const openDefinition: fc.Arbitrary<Definition> = identifier.map((name) => {
  const workflow = Workflow.open(name)
  const generators: Generators = { starts: jsonObject.map((data) => ({ data })) }
  return { workflow, generators, [fc.toStringMethod]: () => `Workflow.open(${JSON.stringify(name)})` }
})

export const definition: fc.Arbitrary<Definition> = fc.oneof(
  { arbitrary: typedDefinition, weight: 5 },
  { arbitrary: openDefinition, weight: 1 }
)

const show = (workflow: Workflow.Workflow): string => {
  const table = [...workflow.transitions].map(([state, accepted]) => [state, Object.fromEntries(accepted)])
  return fc.stringify({ name: workflow.name, states: Object.fromEntries(table), final: [...workflow.finalStates] })
}
