/** The first data of an execution: a definition gives a part of it or all, a start brings the rest. */
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

/** Checks and encodes the initial data of a definition: all of the data, or some fields of a struct. */
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

/** Merges the fields of a start over the initial data. The result is not checked: the caller's data may be anything. */
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

/** The required fields of a struct that the data does not have. */
const missingFields = (schema: object, given: unknown): ReadonlyArray<string> =>
  isStruct(schema) && Predicate.isObject(given)
    ? Object.entries(schema.fields)
        .filter(([key, field]) => field.ast.context?.isOptional !== true && !Object.hasOwn(given, key))
        .map(([key]) => key)
    : []

/** The struct with the missing fields optional, without the checks of the struct as a whole, which need all fields. */
const withoutFields = ({ fields }: Struct, missing: ReadonlyArray<string>) =>
  Schema.Struct(
    Object.fromEntries(
      Object.entries(fields).map(([key, field]) => [key, missing.includes(key) ? Schema.optionalKey(field) : field])
    )
  )
