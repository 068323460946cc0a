/**
 * Logs of a definition, as a fast-check arbitrary. They are made by deciding, so what its table and its guards refuse is
 * in none of them; shrinking leaves out steps and decides the rest again.
 */
import { Arbitrary, Effect, Result, Schema, identity } from "effect"
import fc from "fast-check"
import * as Decision from "../Decision.ts"
import type { ExecutionState } from "../ExecutionState.ts"
import * as Instant from "../Instant.ts"
import * as Json from "../Json.ts"
import * as Partition from "../Partition.ts"
import * as Replay from "../Replay.ts"
import * as Upcast from "../Upcast.ts"
import { type EncodedPayloadOf, type EventSchemas, type Submission, type Workflow, isOpen } from "../Workflow.ts"
import type { WorkflowEvent } from "../WorkflowEvent.ts"

/** What logs are generated from, beside the definition. */
export interface Generators<Events extends EventSchemas = EventSchemas> {
  /** Payloads as JSON, by event. Those of an event without an entry come from its schema, and do not shrink. */
  readonly payloads?: { readonly [EventName in keyof Events]?: fc.Arbitrary<EncodedPayloadOf<Events[EventName]>> }
  /** Payloads of older versions, by event: `[0]` is version 1, as in `Upcast.to`. */
  readonly oldPayloads?: { readonly [EventName in keyof Events]?: ReadonlyArray<fc.Arbitrary<Json.Json>> }
  /** What executions are started with; by default nothing, so that they have the definition's initial data. */
  readonly starts?: fc.Arbitrary<Decision.StartRequest>
  /** Steps tried after the start, at most; {@link defaultStepCount} by default. A refused one leaves no event. */
  readonly maxStepCount?: number
}

export const defaultStepCount = 12

/** A submission tried on a state, and what came of it. */
export interface Attempt<Data> {
  readonly before: ExecutionState<Data>
  readonly submission: Submission
  /** Version that wrote the payload before it was upcast into the submission's. */
  readonly oldVersion?: number
  /** Absent when a guard threw. */
  readonly decision?: Result.Result<Decision.Decision, Decision.Rejection>
}

export interface Log<Data> {
  readonly events: ReadonlyArray<WorkflowEvent>
  readonly attempts: ReadonlyArray<Attempt<Data>>
  readonly [fc.toStringMethod]: () => string
}

/** Logs of one execution; many of their events share an instant. */
export const logs = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  generators: Generators<Events> = {}
): fc.Arbitrary<Log<Data>> => {
  const step = fc.record({
    choose: fc.oneof(
      { arbitrary: isOpen(workflow) ? openChoice : typedChoice(workflow, generators), weight: 7 },
      { arbitrary: wildChoice(workflow), weight: 1 }
    ),
    userId: fc.constantFrom(undefined, "ann", "bob"),
    elapsedMillis: fc.constantFrom(0, 0, 1, 60_000)
  })
  return fc
    .tuple(
      generators.starts ?? fc.constant({}),
      fc.array(step, { maxLength: generators.maxStepCount ?? defaultStepCount, size: "max" })
    )
    .map(([start, steps]) => walk(workflow, start, steps))
}

/** One line per event, for people. */
export const describe = (events: ReadonlyArray<WorkflowEvent>): string =>
  events
    .map((event) => {
      const version = event.schema_version === 1 ? "" : ` v${event.schema_version}`
      const payload = event.payload === undefined ? "" : ` ${JSON.stringify(event.payload)}`
      return `  ${event.position}. ${event.created_at} ${event.event_name}${version}: ${event.from_state} -> ${event.to_state}${payload}`
    })
    .join("\n")

/** A submission for a state, or none when the state accepts nothing. `stored` is the payload as an older version wrote it. */
type Choice = (state: ExecutionState) =>
  | {
      readonly submission: Submission
      readonly stored?: { readonly payload: Json.Json; readonly schema_version: number }
    }
  | undefined

interface Step {
  readonly choose: Choice
  readonly userId: string | undefined
  readonly elapsedMillis: number
}

const tenant = "acme"
const executionId = "execution-1"
const firstMillis = Instant.toEpochMillis("2025-03-01T12:00:00.000Z")

const walk = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  start: Decision.StartRequest,
  steps: ReadonlyArray<Step>
): Log<Data> => {
  const events: Array<WorkflowEvent> = []
  const attempts: Array<Attempt<Data>> = []
  let millis = firstMillis
  let state: ExecutionState<Data> | undefined
  const append = (decided: Decision.DecidedEvent): void => {
    const event = place(decided, events.length + 1, Instant.fromEpochMillis(millis))
    events.push(event)
    // An event that does not fold, or a handler that throws, ends the log: the laws then find that it breaks there.
    const before = state
    const evolved = Result.flatMap(
      Result.try({ try: () => Replay.evolve(workflow, before, event), catch: identity }),
      identity
    )
    state = Result.getOrUndefined(evolved)
  }
  append(Result.getOrThrow(Decision.start(workflow, start)).events[0])
  for (const { choose, elapsedMillis, userId } of steps) {
    if (state === undefined) break
    const choice = choose(state)
    if (choice === undefined) continue
    const submission = { ...choice.submission, ...(userId === undefined ? {} : { user_id: userId }) }
    const before = state
    const tried = Result.try({ try: () => Decision.decide(workflow, before, submission), catch: identity })
    const attempt = {
      before,
      submission,
      ...(choice.stored === undefined ? {} : { oldVersion: choice.stored.schema_version })
    }
    if (Result.isFailure(tried)) {
      attempts.push(attempt)
      break
    }
    const decision = tried.success
    attempts.push({ ...attempt, decision })
    if (Result.isFailure(decision)) continue
    millis += elapsedMillis
    append({ ...decision.success.events[0], ...choice.stored })
  }
  return { events, attempts, [fc.toStringMethod]: () => `\n${describe(events)}\n` }
}

/** The event as a store would return it. */
const place = (decided: Decision.DecidedEvent, position: number, createdAt: Instant.Instant): WorkflowEvent => ({
  ...decided,
  event_id: `event-${position}`,
  tenant,
  execution_id: executionId,
  position,
  partition: Partition.of(tenant, executionId, Partition.defaultCount),
  offset: position,
  created_at: createdAt,
  recorded_at: createdAt
})

/** A payload as some version wrote it. Drawn late, since a step uses the payload of one event only. */
interface DrawnPayload {
  readonly version: number
  readonly draw: () => Json.Json | undefined
}

/** Any event that the state accepts by name; its guards then decide. */
const typedChoice = <State extends string, Data, Events extends EventSchemas>(
  workflow: Workflow<State, Data, Events>,
  generators: Generators<Events>
): fc.Arbitrary<Choice> => {
  const payloads = toMap<fc.Arbitrary<Json.Json | undefined>>(generators.payloads)
  const oldPayloads = toMap<ReadonlyArray<fc.Arbitrary<Json.Json>>>(generators.oldPayloads)
  const drawn = Object.entries(workflow.events).map(([eventName, event]) => {
    const version = Upcast.currentVersion(event)
    const given = payloads.get(eventName)
    const current: fc.Arbitrary<DrawnPayload> =
      given === undefined
        ? fc.nat({ max: 4095 }).map((seed) => ({ version, draw: () => sample(workflow, eventName, seed) }))
        : given.map((payload) => ({ version, draw: () => payload }))
    const old = (oldPayloads.get(eventName) ?? []).map((arbitrary, age) =>
      arbitrary.map((payload): DrawnPayload => ({ version: age + 1, draw: () => payload }))
    )
    return fc.tuple(fc.constant(eventName), fc.oneof(current, ...old))
  })
  return fc.tuple(fc.nat(), fc.tuple(...drawn)).map(([pick, entries]): Choice => {
    const drawnPayloads = new Map(entries)
    return (state) => {
      const allowed = Decision.allowedEvents(workflow, state.currentState)
      const eventName = allowed[pick % Math.max(allowed.length, 1)]
      const payload = eventName === undefined ? undefined : drawnPayloads.get(eventName)
      const event = eventName === undefined ? undefined : workflow.events[eventName]
      if (eventName === undefined || payload === undefined || event === undefined) return undefined
      const stored = payload.draw()
      const current = Result.getOrThrow(Upcast.apply(Upcast.upcastersOf(event), payload.version, stored))
      const submission = { event_name: eventName, ...(current === undefined ? {} : { payload: current }) }
      return stored === undefined || payload.version === Upcast.currentVersion(event)
        ? { submission }
        : { submission, stored: { payload: stored, schema_version: payload.version } }
    }
  })
}

/** The definition's own payloads: drawn from the schema by Effect's generator, as the JSON that a submission carries. */
const sample = <State extends string, Data>(
  workflow: Workflow<State, Data>,
  eventName: string,
  seed: number
): Json.Json | undefined => {
  const event = workflow.events[eventName]
  if (event !== undefined) {
    const schema = Upcast.schemaOf(event)
    const encode = Schema.encodeResult(schema)
    const values = Arbitrary.sampleEffect(Arbitrary.schema(schema), { count: 8, seed })
    // Not every value of a schema can be stored: text may hold half a surrogate pair, a number may be NaN.
    for (const value of Effect.runSync(Effect.orDie(values))) {
      const payload = Result.flatMap(encode(value), (json) =>
        json === undefined ? Result.succeed(json) : Json.check(json)
      )
      if (Result.isSuccess(payload) && Result.isSuccess(workflow.decodePayload(eventName, payload.success))) {
        return payload.success
      }
    }
  }
  throw new Error(`The schema of ${eventName} yields no payload that can be stored: give some by \`payloads\``)
}

const json: fc.Arbitrary<Json.Json> = fc
  .jsonValue({ maxDepth: 2 })
  .map((value) => Json.check(value))
  .filter(Result.isSuccess)
  .map((checked) => checked.success)

const name = fc.oneof(
  fc.constantFrom("Opened", "Changed", "Closed", "constructor", "__proto__", "7", ""),
  fc.string({ unit: "grapheme", maxLength: 5 })
)

const openChoice: fc.Arbitrary<Choice> = fc
  .record(
    {
      event_name: name.filter((text) => text !== ""),
      to_state: name.filter((text) => text !== ""),
      payload: fc.dictionary(
        name.filter((text) => text !== "__proto__"),
        json,
        { maxKeys: 4 }
      )
    },
    { requiredKeys: ["event_name"] }
  )
  .map((submission) => () => ({ submission }))

/** What a careless client submits: any name, any JSON, any target. Most of it is refused. */
const wildChoice = (workflow: Workflow): fc.Arbitrary<Choice> =>
  fc
    .record(
      {
        event_name: fc.oneof(fc.constantFrom(...Object.keys(workflow.events), "Unknown"), name),
        to_state: fc.oneof(fc.constantFrom(...workflow.transitions.keys(), "Unknown"), name),
        payload: json
      },
      { requiredKeys: ["event_name"] }
    )
    .map((submission) => () => ({ submission }))

const toMap = <Value>(byName: { readonly [eventName: string]: Value | undefined } | undefined): Map<string, Value> =>
  new Map(
    Object.entries(byName ?? {}).flatMap(([eventName, value]) => (value === undefined ? [] : [[eventName, value]]))
  )
