/** Open definitions: workflows without a table, for logs whose events and states are not known in advance. */
import { Result, Schema } from "effect"
import * as Identifier from "../event/Identifier.ts"
import * as Json from "../event/Json.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import { type EventSchemas, InvalidDefinition, Unfoldable, type Workflow } from "./Definition.ts"
import * as Fingerprint from "./Fingerprint.ts"
import * as Start from "./Start.ts"

/** Data of an open workflow. */
export type OpenData = { [key: string]: Json.Json }

/** Version of every open definition; versions of `make` begin at 1. */
export const openVersion = 0

export const isOpen = (workflow: { readonly version: number }): boolean => workflow.version === openVersion

/**
 * The definition that accepts every event. It goes to the state that the submission names, or stays, and merges the
 * payload shallowly into the data. It has no final states. Imported logs use it.
 *
 * **Errors**
 *
 * Throws {@link InvalidDefinition} for a name that is empty or too long.
 */
export const open = (name: string): Workflow<string, OpenData, EventSchemas, Schema.JsonObject, OpenData> => {
  const problem = Identifier.problem(name)
  if (problem !== undefined) throw new InvalidDefinition({ workflow: name, problem: `the name ${problem}` })
  return {
    name,
    version: openVersion,
    fingerprint: Fingerprint.of({ name, open: 1 }),
    ref: { name, version: openVersion },
    events: {},
    dataSchema: Schema.Record(Schema.String, Schema.Json),
    initial: { state: "started", data: {} },
    origin: {},
    firstData: (start) => Start.merge({}, start),
    transitions: new Map(),
    finalStates: new Set(),
    ownData: (data) => ({ ...data }),
    foldEvent: mergeInto,
    plainHandlers: new Map(),
    readPayload: ({ payload }) => Result.succeed(payload),
    decodePayload: (_eventName, payload) => (payload === undefined ? Result.succeed(undefined) : objectOnly(payload)),
    schemaVersion: () => 1,
    checkData: objectOnly,
    encodeData: Result.succeed,
    decodeData: (json) => Result.map(objectOnly(json), (data) => ({ ...data })),
    isData: isOpenData
  }
}

/** Merges the event's payload into data that the caller owns. No key of a payload can reach a prototype. */
const mergeInto = (data: OpenData | Unfoldable, event: WorkflowEvent): OpenData | Unfoldable => {
  const payload = Json.asObject(event.payload)
  if (payload === undefined || data instanceof Unfoldable) return data
  for (const key of Object.keys(payload)) {
    const value = payload[key]
    if (value === undefined) continue
    if (key === "__proto__")
      Object.defineProperty(data, key, { value, writable: true, enumerable: true, configurable: true })
    else data[key] = value
  }
  return data
}

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
