/**
 * Workflow definitions: data that says which events an execution accepts in which state, and how each changes its data.
 */
import { JsonPointer, Result, Schema, SchemaAST, identity } from "effect"
import * as Identifier from "../event/Identifier.ts"
import * as Json from "../event/Json.ts"
import { sha256 } from "../internal/Hash.ts"
import type { EventSchema, Versioned } from "../event/Upcast.ts"
import * as Upcast from "../event/Upcast.ts"
import type { Submission } from "../event/Submission.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import { startedEventName } from "../event/WorkflowEvent.ts"
import type { WorkflowRef } from "./WorkflowRef.ts"

/** Payload schemas by event name. Schemas encode to JSON; a schema with older versions is made by `Upcast.to`. */
export type EventSchemas = { readonly [EventName in string]: EventSchema }

/** The payload as handlers and guards see it. */
export type PayloadOf<Event extends EventSchema> =
  Event extends Versioned<infer Payload>
    ? Payload["Type"]
    : Event extends Schema.ConstraintCodec<infer Type, Json.Json | undefined>
      ? Type
      : never

/** The payload as JSON: what a submission carries. */
export type EncodedPayloadOf<Event extends EventSchema> =
  Event extends Versioned<infer Payload>
    ? Payload["Encoded"]
    : Event extends Schema.ConstraintCodec<unknown, infer Encoded>
      ? Encoded
      : never

/** Where an event leads. With a guard, only when it holds; the first target that applies is taken. */
export interface Target<State extends string, Data, Payload> {
  readonly to: State
  /** Pure, and true when the target may be taken; the submission tells who asks. Runs when deciding, never when replaying. */
  readonly guard?: { bivariant(data: Data, payload: Payload, submission: Submission): boolean }["bivariant"]
}

/** A state, a guarded target, or several targets in the order in which they are tried. */
export type Targets<State extends string, Data, Payload> =
  | State
  | Target<State, Data, Payload>
  | ReadonlyArray<State | Target<State, Data, Payload>>

/** How an event changes the data: pure, total, and without changing what it is given. */
export type EvolveHandler<Data, Payload> = {
  bivariant(data: Data, payload: Payload, event: WorkflowEvent): Data
}["bivariant"]

export interface Options<State extends string, Data, EncodedData extends Json.Json, Events extends EventSchemas> {
  readonly name: string
  /** Version of the definition, 1 or more. An execution stays with the version it was started with. */
  readonly version?: number
  readonly events: Events
  readonly data: Schema.ConstraintCodec<Data, EncodedData>
  readonly initial: { readonly state: NoInfer<State>; readonly data: NoInfer<Data> }
  /** Every state, with the events it accepts and where each leads. */
  readonly states: {
    readonly [From in State]: {
      readonly [EventName in keyof Events]?: Targets<NoInfer<State>, NoInfer<Data>, PayloadOf<Events[EventName]>>
    }
  }
  /** States after which an execution accepts nothing more. */
  readonly final?: ReadonlyArray<NoInfer<State>>
  /** Events without a handler leave the data as it was. */
  readonly evolve?: {
    readonly [EventName in keyof Events]?: EvolveHandler<NoInfer<Data>, PayloadOf<Events[EventName]>>
  }
}

/** Folds an event whose payload is stored as its handler wants it. */
export interface PlainHandler<Data> {
  readonly schemaVersion: number
  readonly evolve: EvolveHandler<Data, unknown>
}

/** An event that cannot be folded, as the end of a sentence that begins with the event. */
export class Unfoldable {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/**
 * A definition, checked and compiled.
 *
 * **Details**
 *
 * Methods take their arguments bivariantly, so that a registry can hold definitions of different data as `Workflow`;
 * each is only ever given the data that it made itself.
 */
export interface Workflow<State extends string = string, Data = unknown, Events extends EventSchemas = EventSchemas> {
  readonly name: string
  /** 0 is an open definition: `Workflow.open`. */
  readonly version: number
  /** Identifies the fold: name, version, schemas, upcasters, final states and the text of `evolve`. */
  readonly fingerprint: string
  /** Name and version, as states and headers have them. */
  readonly ref: WorkflowRef
  readonly events: Events
  /** Of the first data, and of what it becomes. */
  readonly dataSchema: Schema.Constraint
  readonly initial: { readonly state: State; readonly data: Data }
  /** For each state, the targets of each event it accepts. Empty in an open definition, which accepts every event. */
  readonly transitions: ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<Target<string, unknown, unknown>>>>
  readonly finalStates: ReadonlySet<string>
  /** The data as a fold may keep it: one that `foldEvent` may change without anybody else seeing it. */
  ownData(data: Data): Data
  /** The data after the event; may change and return the data it is given. Total but for payloads that no version reads. */
  foldEvent(owned: Data, event: WorkflowEvent): Data | Unfoldable
  /** The events for which `foldEvent` is no more than their handler, while their payload is of this version: most of them. */
  readonly plainHandlers: ReadonlyMap<string, PlainHandler<Data>>
  /** The payload in its current shape, or the reason why it is none. */
  decodePayload(eventName: string, payload: Json.Json | undefined): Result.Result<unknown, Json.JsonProblem>
  /** Version of the payload that a submission of the event brings now. */
  schemaVersion(eventName: string): number
  /** Whether JSON may be an execution's first data: as its schema has it, without a key that this does not name. */
  checkData(data: Json.Json): Result.Result<unknown, Json.JsonProblem>
  /** The data as it is stored. */
  encodeData(data: Data): Result.Result<Json.Json, Json.JsonProblem>
  /** The data from what `encodeData` gave. */
  decodeData(data: Json.Json): Result.Result<Data, Json.JsonProblem>
  /** Whether a value is this definition's data. */
  isData(data: unknown): data is Data
}

/** A definition that cannot work, whatever is submitted: a mistake in the program, so it is thrown, not returned. */
export class InvalidDefinition extends Schema.TaggedError<InvalidDefinition>()("InvalidDefinition", {
  workflow: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `Workflow "${this.workflow}": ${this.problem}`
  }
}

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
  const { events, initial, name, states, version = 1 } = options
  const refuse = (problem: string): never => {
    throw new InvalidDefinition({ workflow: name, problem })
  }
  for (const text of [name, ...Object.keys(states), ...Object.keys(events)]) {
    const problem = Identifier.problem(text)
    if (problem !== undefined) refuse(`the name "${text.slice(0, 60)}" ${problem}`)
  }
  if (!Number.isSafeInteger(version) || version < 1) refuse(`version must be a whole number from 1, not ${version}`)
  if (Object.hasOwn(events, startedEventName)) refuse(`"${startedEventName}" is the event that starts every execution`)

  const handlers: { readonly [eventName: string]: EvolveHandler<Data, unknown> | undefined } = options.evolve ?? {}
  const foldings = new Map(
    Object.entries(events).map(([eventName, event]) => {
      const upcasters = Upcast.upcastersOf(event)
      return [
        eventName,
        {
          handler: Object.hasOwn(handlers, eventName) ? handlers[eventName] : undefined,
          upcasters,
          version: Upcast.currentVersion(event),
          payload: jsonCodec(Upcast.schemaOf(event))
        }
      ]
    })
  )
  const dataCodec = jsonCodec(options.data)
  const finalStates = new Set<string>(options.final ?? [])

  const foldEvent = (data: Data, event: WorkflowEvent): Data | Unfoldable => {
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

  const plainHandlers = new Map<string, PlainHandler<Data>>()
  for (const [eventName, { handler, payload, version: schemaVersion }] of foldings) {
    if (payload.isPlain && handler !== undefined) plainHandlers.set(eventName, { schemaVersion, evolve: handler })
  }

  const workflow: Workflow<State, Data, Events> = {
    name,
    version,
    fingerprint: fingerprintOf({
      name,
      version,
      finalStates: [...finalStates].toSorted(),
      data: options.data.ast,
      initial: dataCodec.encode(initial.data),
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
    transitions: compileTransitions(states),
    finalStates,
    ownData: identity,
    foldEvent,
    plainHandlers,
    decodePayload: (eventName, payload) => {
      const folding = foldings.get(eventName)
      return folding === undefined
        ? Result.fail({ path: "", problem: `belongs to no event of workflow "${name}"` })
        : folding.payload.validateStrictly(payload)
    },
    schemaVersion: (eventName) => foldings.get(eventName)?.version ?? 1,
    checkData: dataCodec.validateStrictly,
    encodeData: dataCodec.encode,
    decodeData: dataCodec.decode,
    isData: dataCodec.is
  }
  const initialData = Result.flatMap(dataCodec.encode(initial.data), dataCodec.validateStrictly)
  if (Result.isFailure(initialData)) {
    refuse(`the initial data${initialData.failure.path} ${initialData.failure.problem}`)
  }
  return workflow
}

/**
 * The definition that accepts every event: it goes to the state the submission names (or stays) and merges the payload
 * shallowly into the data. Imported logs use it. It has no final states.
 */
export const open = (name: string): Workflow<string, OpenData> => {
  const problem = Identifier.problem(name)
  if (problem !== undefined) throw new InvalidDefinition({ workflow: name, problem: `the name ${problem}` })
  return {
    name,
    version: openVersion,
    fingerprint: fingerprintOf({ name, open: 1 }),
    ref: { name, version: openVersion },
    events: {},
    dataSchema: Schema.Record(Schema.String, Schema.Json),
    initial: { state: "started", data: {} },
    transitions: new Map(),
    finalStates: new Set(),
    ownData: (data) => ({ ...data }),
    foldEvent: mergeInto,
    plainHandlers: new Map(),
    decodePayload: (_eventName, payload) => (payload === undefined ? Result.succeed(undefined) : objectOnly(payload)),
    schemaVersion: () => 1,
    checkData: objectOnly,
    encodeData: Result.succeed,
    decodeData: (json) => Result.map(objectOnly(json), (data) => ({ ...data })),
    isData: isOpenData
  }
}

/** Data of an open workflow. */
export type OpenData = { [key: string]: Json.Json }

/** Version of every open definition; those of `make` begin at 1. */
export const openVersion = 0

export const isOpen = (workflow: { readonly version: number }): boolean => workflow.version === openVersion

/** Merges the event's payload into data that the caller owns; no key of a payload can reach a prototype. */
const mergeInto = (data: OpenData, event: WorkflowEvent): OpenData => {
  const payload = Json.asObject(event.payload)
  if (payload === undefined) return data
  for (const key of Object.keys(payload)) {
    const value = payload[key]
    if (value === undefined) continue
    if (key === "__proto__")
      Object.defineProperty(data, key, { value, writable: true, enumerable: true, configurable: true })
    else data[key] = value
  }
  return data
}

/** The submissions that a definition's compiler accepts: one shape per event. */
export type SubmissionOf<W> =
  W extends Workflow<infer State, infer _Data, infer Events>
    ? {
        readonly [EventName in keyof Events & string]: Omit<Submission, "event_name" | "payload" | "to_state"> & {
          readonly event_name: EventName
          readonly to_state?: State
        } & (undefined extends EncodedPayloadOf<Events[EventName]>
            ? { readonly payload?: Exclude<EncodedPayloadOf<Events[EventName]>, undefined> }
            : { readonly payload: EncodedPayloadOf<Events[EventName]> })
      }[keyof Events & string]
    : never

/** A submission to a definition: a wrong event name, state name or payload type does not compile. */
export const submission = <W extends Workflow>(workflow: W, submission: SubmissionOf<W>): Submission => ({
  ...submission,
  workflow: workflow.name
})

/** Something in a definition that is surely not meant. */
export type Finding =
  | { readonly _tag: "UnreachableState"; readonly state: string }
  | { readonly _tag: "DeadEnd"; readonly state: string }
  | { readonly _tag: "LeavesFinalState"; readonly state: string; readonly eventName: string }
  | { readonly _tag: "ShadowedTarget"; readonly state: string; readonly eventName: string; readonly to: string }
  | { readonly _tag: "UnusedEvent"; readonly eventName: string }

/**
 * Finds states that nothing leads to, states that lead nowhere without being final, transitions out of a final state,
 * targets behind one that always applies, and events that no state accepts. An open definition has no findings.
 */
export const check = (workflow: Workflow): ReadonlyArray<Finding> => {
  const reached = new Set<string>([workflow.initial.state])
  for (const state of reached) {
    if (workflow.finalStates.has(state)) continue
    for (const targets of workflow.transitions.get(state)?.values() ?? []) {
      for (const target of targets) reached.add(target.to)
    }
  }
  const findings: Array<Finding> = []
  const used = new Set<string>()
  for (const [state, accepted] of workflow.transitions) {
    const isFinal = workflow.finalStates.has(state)
    if (!reached.has(state)) findings.push({ _tag: "UnreachableState", state })
    if (accepted.size === 0 && !isFinal) findings.push({ _tag: "DeadEnd", state })
    for (const [eventName, targets] of accepted) {
      if (isFinal) findings.push({ _tag: "LeavesFinalState", state, eventName })
      else used.add(eventName)
      const certain = targets.findIndex((target) => target.guard === undefined)
      for (const target of certain === -1 ? [] : targets.slice(certain + 1)) {
        findings.push({ _tag: "ShadowedTarget", state, eventName, to: target.to })
      }
    }
  }
  for (const eventName of Object.keys(workflow.events)) {
    if (!used.has(eventName)) findings.push({ _tag: "UnusedEvent", eventName })
  }
  return findings
}

/** The definition as a Mermaid state diagram. States are numbered and labelled, so that any name can be drawn. */
export const toMermaid = (workflow: Workflow): string => {
  const ids = new Map([...workflow.transitions.keys()].map((state, place) => [state, `s${place}`]))
  const lines = [...ids].map(([state, id]) => `  ${id} : ${mermaidText(state)}`)
  lines.push(`  [*] --> ${ids.get(workflow.initial.state) ?? "open"}`)
  for (const [state, accepted] of workflow.transitions) {
    for (const [eventName, targets] of accepted) {
      for (const target of targets) {
        const condition = target.guard === undefined ? "" : " [guarded]"
        lines.push(`  ${ids.get(state)} --> ${ids.get(target.to)} : ${mermaidText(eventName)}${condition}`)
      }
    }
  }
  for (const state of workflow.finalStates) lines.push(`  ${ids.get(state)} --> [*]`)
  if (isOpen(workflow)) lines.push("  open --> open : any event")
  return ["stateDiagram-v2", ...lines].join("\n")
}

const mermaidText = (text: string): string =>
  text.replaceAll(/[^\p{L}\p{N} _.-]/gu, (char) => `#${char.codePointAt(0) ?? 0};`)

type StatesOption = {
  readonly [state: string]: { readonly [eventName: string]: Targets<string, unknown, unknown> | undefined }
}

const compileTransitions = (states: StatesOption): Workflow["transitions"] =>
  new Map(
    Object.entries(states).map(([state, accepted]) => [
      state,
      // An event that leads nowhere is not accepted, and must not be listed as one that is.
      new Map(
        Object.entries(accepted)
          .map(([eventName, targets]) => [eventName, compileTargets(targets)] as const)
          .filter(([, targets]) => targets.length > 0)
      )
    ])
  )

const compileTargets = (
  targets: Targets<string, unknown, unknown> | undefined
): ReadonlyArray<Target<string, unknown, unknown>> => {
  if (targets === undefined) return []
  if (typeof targets === "string") return [{ to: targets }]
  if ("to" in targets) return [targets]
  return targets.flatMap((target) => compileTargets(target))
}

interface JsonCodec<Type> {
  /** JSON and value are the same thing. */
  readonly isPlain: boolean
  /**
   * Whether what stands in the store is a value as it is: for a plain codec. It passed its check on the way in; to check
   * it at every replay would cost more than the fold.
   */
  readonly isTrusted: (stored: unknown) => stored is Type
  /** The value from JSON, checked by its schema. Keys that this does not name are left out: an older schema had them. */
  readonly validate: (json: Json.Json | undefined) => Result.Result<Type, Json.JsonProblem>
  /** The same for what is about to be stored: a key that the schema does not name is refused, since no reader would see it. */
  readonly validateStrictly: (json: Json.Json | undefined) => Result.Result<Type, Json.JsonProblem>
  /** The value as JSON. */
  readonly encode: (value: Type) => Result.Result<Json.Json, Json.JsonProblem>
  /** The value from JSON that was checked when it was stored: where the two are the same, it is taken as it is. */
  readonly decode: (json: Json.Json | undefined) => Result.Result<Type, Json.JsonProblem>
  readonly is: (value: unknown) => value is Type
}

const jsonCodec = <Type, Encoded extends Json.Json | undefined>(
  schema: Schema.ConstraintCodec<Type, Encoded>
): JsonCodec<Type> => {
  // Encoding must lose nothing, or a snapshot would not be what the log folds to.
  const strictly = { onExcessProperty: "error" } as const
  const validate = Schema.decodeUnknownResult(schema)
  const validateStrictly = Schema.decodeUnknownResult(schema, strictly)
  const encode = Schema.encodeResult(schema, strictly)
  const isWhole = isPlain(schema.ast)
  const isTrusted = (_stored: unknown): _stored is Type => isWhole
  const storable = (json: unknown) => Json.check(json, Number.POSITIVE_INFINITY)
  return {
    isPlain: isWhole,
    isTrusted,
    validate: (json) => Result.mapError(validate(json), toProblem),
    validateStrictly: (json) => Result.mapError(validateStrictly(json), toProblem),
    encode: isWhole ? storable : (value) => Result.flatMap(Result.mapError(encode(value), toProblem), storable),
    decode: (json) => (isTrusted(json) ? Result.succeed(json) : Result.mapError(validate(json), toProblem)),
    is: Schema.is(schema)
  }
}

/** Without a transformation anywhere, and of JSON's own kinds only. */
const isPlain = (ast: SchemaAST.AST): boolean => SchemaAST.toType(ast) === ast && isJsonKind(ast)

const isJsonKind = (ast: SchemaAST.AST): boolean => {
  switch (ast._tag) {
    case "String":
    case "Number":
    case "Boolean":
    case "Null":
    case "TemplateLiteral":
    case "Enum":
    case "Undefined":
    case "Literal":
      return true
    case "Objects":
      return (
        ast.propertySignatures.every((property) => isJsonKind(property.type)) &&
        ast.indexSignatures.every((signature) => isJsonKind(signature.type))
      )
    case "Arrays":
      return [...ast.elements, ...ast.rest].every(isJsonKind)
    case "Union":
      return ast.types.every(isJsonKind)
    default:
      return false
  }
}

const toProblem = (error: Schema.SchemaError): Json.JsonProblem => {
  const [problem = error.message, ...where] = error.message.split("\n  at ")
  const path = where
    .join("")
    .replaceAll(
      /\[("(?:[^"\\]|\\.)*"|\d+)\]/g,
      (_, key: string) => `/${JsonPointer.escapeToken(String(JSON.parse(key)))}`
    )
  return { path, problem: `is refused by its schema: ${problem}` }
}

const unfoldable = ({ path, problem }: Json.JsonProblem): Unfoldable => new Unfoldable(`its payload${path} ${problem}`)

const objectOnly = (value: Json.Json): Result.Result<Schema.JsonObject, Json.JsonProblem> => {
  const object = Json.asObject(value)
  return object === undefined
    ? Result.fail({ path: "", problem: "must be an object, since an open workflow merges it into its data" })
    : Result.succeed(object)
}

const isOpenData = (data: unknown): data is OpenData =>
  Result.match(Json.check(data, Number.POSITIVE_INFINITY), {
    onFailure: () => false,
    onSuccess: (json) => Json.asObject(json) !== undefined
  })

/** Functions are taken by their source text, which is all of them that can be compared between two builds. */
const fingerprintOf = (fold: unknown): string =>
  sha256(JSON.stringify(fold, (_key, value: unknown) => (typeof value === "bigint" ? `${value}n` : value)))
