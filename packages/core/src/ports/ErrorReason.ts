/** Reasons of a port's error: tagged values, so that `Effect.catchReason` handles one of them. */
import { Schema } from "effect"

/** A reason with its own fields, and those that every reason may have. */
export const errorReason = <const Tag extends string, Fields extends Schema.Struct.Fields>(tag: Tag, fields: Fields) =>
  Schema.Struct({
    _tag: Schema.Literal(tag),
    ...fields,
    /** Words of the driver or the server that help a person. */
    detail: Schema.optionalKey(Schema.String),
    /** The driver's own error: for the log, never for branching. */
    cause: Schema.optionalKey(Schema.Defect())
  })

/** The sentence for a person: what failed, what to do, and what the driver said. */
export const errorMessage = (operation: string, advice: string, detail: string | undefined): string =>
  `${operation} failed: ${advice}${detail === undefined ? "" : ` (${detail})`}`
