/** Compiles a definition, and refuses one that cannot work. */
import { Result, identity } from "effect"
import * as Identifier from "../event/Identifier.ts"
import type * as Json from "../event/Json.ts"
import * as Upcast from "../event/Upcast.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import { startedEventName } from "../event/WorkflowEvent.ts"
import type { DefinedWorkflow, EventSchemas, EvolveHandler, Options, PlainHandler } from "./Definition.ts"
import { InvalidDefinition, Unfoldable } from "./Definition.ts"
import * as Fingerprint from "./Fingerprint.ts"
import * as JsonCodec from "./JsonCodec.ts"
import * as Start from "./Start.ts"
import * as Transitions from "./Transitions.ts"

/**
 * Defines a workflow. State, event and payload names are checked by the compiler.
 *
 * **Details**
 *
 * The next version of a definition reuses its parts from `options`, which are plain data:
 *
 * ```ts
 * const InvoiceV2 = Workflow.make({
 *   ...Invoice.options,
 *   version: 2,
 *   events: { ...Invoice.options.events, Refunded: Schema.Struct({ cents: Schema.Int }) },
 *   states: { ...Invoice.options.states, Paid: { Refunded: "Refunded" }, Refunded: {} }
 * })
 * ```
 *
 * **Errors**
 *
 * Throws {@link InvalidDefinition} for what the compiler cannot see: a name that is empty or too long, a version below
 * 1, an event named `workflow.started`, a table with an event that the definition does not have, initial data that its
 * schema refuses.
 */
export const make = <
  const State extends string,
  Data,
  EncodedData extends Json.Json,
  const Events extends EventSchemas,
  const Given extends keyof Data
>(
  options: Options<State, Data, EncodedData, Events, Given>
): DefinedWorkflow<State, Data, EncodedData, Events, Given> => {
  const { events, initial, name, version = 1 } = options
  checkNames(options)
  const foldings = foldingsOf<Data>(events, options.evolve ?? {})
  const data = JsonCodec.make(options.data)
  const first = Start.compile(options.data, initial.data)
  if (Result.isFailure(first)) {
    const { path, problem } = first.failure
    throw new InvalidDefinition({ workflow: name, problem: `the initial data${path} ${problem}` })
  }
  const finalStates = new Set<string>(options.final ?? [])
  return {
    name,
    version,
    fingerprint: Fingerprint.of({
      name,
      version,
      finalStates: [...finalStates].toSorted(),
      data: options.data.ast,
      initial: Result.map(first, ({ json }) => json),
      events: Object.entries(events).map(([eventName, event]) => [
        eventName,
        Upcast.schemaOf(event).ast,
        Upcast.upcastersOf(event).map(String),
        String(foldings.get(eventName)?.handler)
      ])
    }),
    ref: { name, version },
    events,
    dataSchema: options.data,
    options,
    initial,
    origin: first.success.origin,
    firstData: (start) => Start.merge(first.success.json, start),
    transitions: Transitions.compile(options.states),
    finalStates,
    ownData: identity,
    foldEvent: folder(data, foldings),
    plainHandlers: plainHandlersOf(foldings),
    readPayload: payloadReader(data, foldings, first.success.origin),
    decodePayload: (eventName, payload) => {
      const folding = foldings.get(eventName)
      return folding === undefined
        ? Result.fail({ path: "", problem: `belongs to no event of workflow "${name}"` })
        : folding.payload.validateStrictly(payload)
    },
    schemaVersion: (eventName) => foldings.get(eventName)?.version ?? 1,
    checkData: data.validateStrictly,
    encodeData: data.encode,
    decodeData: data.decode,
    isData: data.is
  }
}

interface Named {
  readonly name: string
  readonly version?: number
  readonly states: { readonly [state: string]: object }
  readonly events: object
}

const checkNames = ({ events, name, states, version = 1 }: Named): void => {
  const refuse = (problem: string): never => {
    throw new InvalidDefinition({ workflow: name, problem })
  }
  for (const text of [name, ...Object.keys(states), ...Object.keys(events)]) {
    const problem = Identifier.problem(text)
    if (problem !== undefined) refuse(`the name "${text.slice(0, 60)}" ${problem}`)
  }
  if (!Number.isSafeInteger(version) || version < 1) refuse(`version must be a whole number from 1, not ${version}`)
  // A table that was reused from another version may accept an event that this version removed.
  for (const [state, accepted] of Object.entries(states)) {
    for (const eventName of Object.keys(accepted)) {
      if (!Object.hasOwn(events, eventName))
        refuse(`state "${state}" accepts "${eventName}", which is no event of the definition`)
    }
  }
  if (Object.hasOwn(events, startedEventName)) refuse(`"${startedEventName}" is the event that starts every execution`)
}

/** How one event is read and folded. */
interface Folding<Data> {
  readonly handler: EvolveHandler<Data, unknown> | undefined
  readonly upcasters: ReadonlyArray<Upcast.Upcaster>
  readonly version: number
  readonly payload: JsonCodec.JsonCodec<unknown>
}

type Foldings<Data> = ReadonlyMap<string, Folding<Data>>

const foldingsOf = <Data>(
  events: EventSchemas,
  handlers: { readonly [eventName: string]: EvolveHandler<Data, unknown> | undefined }
): Foldings<Data> =>
  new Map(
    Object.entries(events).map(([eventName, event]) => [
      eventName,
      {
        handler: Object.hasOwn(handlers, eventName) ? handlers[eventName] : undefined,
        upcasters: Upcast.upcastersOf(event),
        version: Upcast.currentVersion(event),
        payload: JsonCodec.make(Upcast.schemaOf(event))
      }
    ])
  )

const plainHandlersOf = <Data>(foldings: Foldings<Data>): ReadonlyMap<string, PlainHandler<Data>> => {
  const plainHandlers = new Map<string, PlainHandler<Data>>()
  for (const [eventName, { handler, payload, version: schemaVersion }] of foldings) {
    if (payload.isPlain && handler !== undefined) plainHandlers.set(eventName, { schemaVersion, evolve: handler })
  }
  return plainHandlers
}

const folder =
  <Data>(dataCodec: JsonCodec.JsonCodec<Data>, foldings: Foldings<Data>) =>
  (data: Data | Unfoldable, event: WorkflowEvent): Data | Unfoldable => {
    if (event.event_name === startedEventName && event.payload !== undefined) {
      if (dataCodec.isTrusted(event.payload)) return event.payload
      const started = dataCodec.validate(event.payload)
      return Result.isSuccess(started) ? started.success : new Unfoldable(toReason(started.failure))
    }
    const folding = foldings.get(event.event_name)
    if (folding?.handler === undefined || data instanceof Unfoldable) return data
    if (event.schema_version === folding.version && folding.payload.isPlain) {
      return folding.handler(data, event.payload, event)
    }
    const payload = readStored(folding, event)
    return Result.isSuccess(payload) ? folding.handler(data, payload.success, event) : new Unfoldable(payload.failure)
  }

/** Unlike a fold, always checks the payload: the event may come from anywhere. */
const payloadReader =
  <Data>(dataCodec: JsonCodec.JsonCodec<Data>, foldings: Foldings<Data>, origin: Data | Unfoldable) =>
  (event: WorkflowEvent): Result.Result<unknown, string> => {
    if (event.event_name === startedEventName) {
      if (event.payload !== undefined) return Result.mapError(dataCodec.validate(event.payload), toReason)
      return origin instanceof Unfoldable ? Result.fail(origin.reason) : Result.succeed(origin)
    }
    const folding = foldings.get(event.event_name)
    return folding === undefined ? Result.fail("it is no event of the definition") : readStored(folding, event)
  }

/** The payload of a stored event, brought to the current version, checked and decoded. */
const readStored = (
  { payload, upcasters }: Pick<Folding<unknown>, "payload" | "upcasters">,
  event: WorkflowEvent
): Result.Result<unknown, string> =>
  Result.flatMap(Upcast.apply(upcasters, event.schema_version, event.payload), (current) =>
    Result.mapError(payload.validate(current), toReason)
  )

const toReason = ({ path, problem }: Json.JsonProblem): string => `its payload${path} ${problem}`
