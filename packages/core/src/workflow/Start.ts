/** The first data of an execution: what a definition gives of it, and what a start must bring. */
import { Predicate, Result, Schema } from "effect"
import * as Json from "../event/Json.ts"
import { Unfoldable } from "./Definition.ts"
import * as JsonCodec from "./JsonCodec.ts"

/** The initial data of a definition, compiled. */
export interface Initial<Data> {
  readonly json: Json.Json
  /** The data before the first event; unfoldable where the definition leaves fields to the start. */
  readonly origin: Data | Unfoldable
}

/** Checks what a definition gives of the first data: all of it, or of a struct some fields. */
export const compile = <Data, Encoded extends Json.Json>(
  schema: Schema.ConstraintCodec<Data, Encoded>,
  given: unknown
): Result.Result<Initial<Data>, Json.JsonProblem> => {
  const missing = missingFields(schema, given)
  if (missing.length > 0 && isStruct(schema)) {
    const origin = new Unfoldable(
      `no data precedes it: the definition leaves ${missing.join(", ")} to the event that starts the execution`
    )
    return Result.map(encode(withoutFields(schema, missing), given), ({ json }) => ({ json, origin }))
  }
  return Result.map(encode(schema, given), ({ data, json }) => ({ json, origin: data }))
}

/** The initial data with the fields of a start over it. Not yet checked: the caller's data may be anything. */
export const merge = (initial: Json.Json, start: unknown): unknown => {
  if (start === undefined) return initial
  return Predicate.isObject(start) ? { ...Json.asObject(initial), ...start } : start
}

const encode = <Data, Encoded extends Json.Json>(schema: Schema.ConstraintCodec<Data, Encoded>, given: unknown) => {
  const codec = JsonCodec.make(schema)
  return Result.flatMap(codec.encode(given), (json) =>
    Result.map(codec.validateStrictly(json), (data) => ({ data, json }))
  )
}

interface Struct {
  readonly fields: { readonly [key: string]: Schema.ConstraintCodec<unknown, Json.Json> }
}

const isStruct = (schema: object): schema is Struct => Predicate.hasProperty(schema, "fields")

/** Fields of a struct that the data must have and does not. */
const missingFields = (schema: object, given: unknown): ReadonlyArray<string> =>
  isStruct(schema) && Predicate.isObject(given)
    ? Object.entries(schema.fields)
        .filter(([key, field]) => field.ast.context?.isOptional !== true && !Object.hasOwn(given, key))
        .map(([key]) => key)
    : []

/** The struct with these fields optional. Checks of the struct as a whole are left out: they need all fields. */
const withoutFields = ({ fields }: Struct, missing: ReadonlyArray<string>) =>
  Schema.Struct(
    Object.fromEntries(
      Object.entries(fields).map(([key, field]) => [key, missing.includes(key) ? Schema.optionalKey(field) : field])
    )
  )
