/** Compiles a definition, and refuses one that cannot work. */
import { Result, identity } from "effect"
import * as Identifier from "../event/Identifier.ts"
import type * as Json from "../event/Json.ts"
import * as Upcast from "../event/Upcast.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import { startedEventName } from "../event/WorkflowEvent.ts"
import type { EventSchemas, EvolveHandler, Options, PlainHandler, Workflow } from "./Definition.ts"
import { InvalidDefinition, Unfoldable } from "./Definition.ts"
import * as Fingerprint from "./Fingerprint.ts"
import * as JsonCodec from "./JsonCodec.ts"
import * as Transitions from "./Transitions.ts"

/**
 * Defines a workflow. State, event and payload names are checked by the compiler.
 *
 * **Errors**
 *
 * Throws {@link InvalidDefinition} for what the compiler cannot see: a name that is empty or too long, a version below
 * 1, an event named `workflow.started`, initial data that its schema refuses.
 */
export const make = <
  const State extends string,
  Data,
  EncodedData extends Json.Json,
  const Events extends EventSchemas
>(
  options: Options<State, Data, EncodedData, Events>
): Workflow<State, Data, Events> => {
  const { events, initial, name, version = 1 } = options
  checkNames(options)
  const foldings = foldingsOf<Data>(events, options.evolve ?? {})
  const data = JsonCodec.make(options.data)
  const initialData = Result.flatMap(data.encode(initial.data), data.validateStrictly)
  if (Result.isFailure(initialData)) {
    const { path, problem } = initialData.failure
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
      initial: data.encode(initial.data),
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
    initial,
    transitions: Transitions.compile(options.states),
    finalStates,
    ownData: identity,
    foldEvent: folder(data, foldings),
    plainHandlers: plainHandlersOf(foldings),
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
  readonly states: object
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
  (data: Data, event: WorkflowEvent): Data | Unfoldable => {
    if (event.event_name === startedEventName && event.payload !== undefined) {
      if (dataCodec.isTrusted(event.payload)) return event.payload
      const started = dataCodec.validate(event.payload)
      return Result.isSuccess(started) ? started.success : unfoldable(started.failure)
    }
    const folding = foldings.get(event.event_name)
    if (folding?.handler === undefined) return data
    if (event.schema_version === folding.version && folding.payload.isPlain) {
      return folding.handler(data, event.payload, event)
    }
    const payload = Upcast.apply(folding.upcasters, event.schema_version, event.payload)
    if (Result.isFailure(payload)) return new Unfoldable(payload.failure)
    const decoded = folding.payload.validate(payload.success)
    return Result.isSuccess(decoded) ? folding.handler(data, decoded.success, event) : unfoldable(decoded.failure)
  }

const unfoldable = ({ path, problem }: Json.JsonProblem): Unfoldable => new Unfoldable(`its payload${path} ${problem}`)
