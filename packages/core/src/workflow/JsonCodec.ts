/** Codecs between a schema's values and the JSON that is stored of them. */
import { JsonPointer, Result, Schema, SchemaAST, SchemaIssue } from "effect"
import * as Json from "../event/Json.ts"

/**
 * **Details**
 *
 * Which function is safe depends on where the value comes from:
 *
 * - From a caller, about to be stored: `validateStrictly`.
 * - From the store, in an older shape that an upcaster has changed: `validate`.
 * - From the store, as this schema or an earlier release of it wrote it: `decode`. It trusts the JSON of a plain codec, which
 *   was checked before it was stored; to check it in every replay would cost more than the fold.
 * - From the program, about to be stored: `encode`.
 * - Of unknown origin and type: `is`.
 */
export interface JsonCodec<Type> {
  /** Whether values and their JSON are the same: no transformation anywhere, and only kinds that JSON has. */
  readonly isPlain: boolean
  /** `isPlain`, as a type guard for stored JSON. Never use it on a value that has not been checked. */
  readonly isTrusted: (stored: unknown) => stored is Type
  /** Decodes and checks. Leaves out keys that the schema does not name: an older schema may have had them. */
  readonly validate: (json: Json.Json | undefined) => Result.Result<Type, Json.JsonProblem>
  /** Decodes and checks. Refuses keys that the schema does not name: they would be stored, but no reader would see them. */
  readonly validateStrictly: (json: Json.Json | undefined) => Result.Result<Type, Json.JsonProblem>
  /** Encodes, and refuses what JSON cannot hold or the schema does not name: the stored value loses nothing. */
  readonly encode: (value: unknown) => Result.Result<Json.Json, Json.JsonProblem>
  /** Decodes stored JSON; checks it only where decoding needs to. */
  readonly decode: (json: Json.Json | undefined) => Result.Result<Type, Json.JsonProblem>
  readonly is: (value: unknown) => value is Type
}

export const make = <Type, Encoded extends Json.Json | undefined>(
  schema: Schema.ConstraintCodec<Type, Encoded>
): JsonCodec<Type> => {
  // Encoding must lose nothing: a snapshot has to hold all that the log folds to.
  const strictly = { onExcessProperty: "error" } as const
  const validate = Schema.decodeUnknownResult(schema)
  const validateStrictly = Schema.decodeUnknownResult(schema, strictly)
  const encode = Schema.encodeUnknownResult(schema, strictly)
  const isPlain = isPlainSchema(schema.ast)
  const isTrusted = (_stored: unknown): _stored is Type => isPlain
  const storable = (json: unknown) => Json.check(json, Number.POSITIVE_INFINITY)
  return {
    isPlain,
    isTrusted,
    validate: (json) => Result.mapError(validate(json), toProblem),
    validateStrictly: (json) => Result.mapError(validateStrictly(json), toProblem),
    encode: isPlain ? storable : (value) => Result.flatMap(Result.mapError(encode(value), toProblem), storable),
    decode: (json) => (isTrusted(json) ? Result.succeed(json) : Result.mapError(validate(json), toProblem)),
    is: Schema.is(schema)
  }
}

const isPlainSchema = (ast: SchemaAST.AST): boolean => SchemaAST.toType(ast) === ast && isJsonKind(ast)

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

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** The first issue that the schema found: several are often one mistake, seen from each member of a union. */
const toProblem = (error: Schema.SchemaError): Json.JsonProblem => {
  const [first] = issuesOf(error.issue).issues
  const keys = (first?.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment))
  return {
    path: keys.map((key) => `/${JsonPointer.escapeToken(key)}`).join(""),
    problem: `is refused by its schema: ${first?.message ?? error.message}`
  }
}
