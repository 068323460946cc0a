/**
 * Upcasts: payloads written under an old version of an event's schema, read as the current one. Stored bytes never change.
 */
import { Result, type Schema } from "effect"
import type { Json } from "./Json.ts"

/** One step of a chain: a payload of version n as one of version n + 1. Pure; it must not change what it is given. */
export type Upcaster = (payload: Json | undefined) => Json

/** A schema of payloads, which are JSON or absent: `Schema.Undefined` is the schema of an event that has none. */
export type PayloadSchema = Schema.ConstraintCodec<unknown, Json | undefined>

/** The schema of an event's payload: of its only version, or of the current one with the steps that lead to it. */
export type EventSchema = PayloadSchema | Versioned<PayloadSchema>

/** A payload schema with a history: `upcasters[0]` reads version 1, so the current version is their count plus one. */
export interface Versioned<Payload extends PayloadSchema> {
  readonly schema: Payload
  readonly upcasters: ReadonlyArray<Upcaster>
}

/** The current schema of a payload and the steps from each older version, the oldest first. */
export const to = <Payload extends PayloadSchema>(
  schema: Payload,
  upcasters: ReadonlyArray<Upcaster>
): Versioned<Payload> => ({ schema, upcasters })

/** The schema of the current version. */
export const schemaOf = (event: EventSchema): PayloadSchema => (isVersioned(event) ? event.schema : event)

export const upcastersOf = (event: EventSchema): ReadonlyArray<Upcaster> => (isVersioned(event) ? event.upcasters : [])

export const currentVersion = (event: EventSchema): number => upcastersOf(event).length + 1

const isVersioned = (event: EventSchema): event is Versioned<PayloadSchema> => "upcasters" in event

/** A payload of `version`, brought to the version after the last upcaster. Fails for a version newer than that. */
export const apply = (
  upcasters: ReadonlyArray<Upcaster>,
  version: number,
  payload: Json | undefined
): Result.Result<Json | undefined, string> => {
  if (version > upcasters.length + 1) {
    return Result.fail(
      `its payload has schema version ${version}, but this definition knows versions up to ${upcasters.length + 1}`
    )
  }
  let current = payload
  for (const upcaster of upcasters.slice(version - 1)) current = upcaster(current)
  return Result.succeed(current)
}
