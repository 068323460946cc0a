/**
 * Upcasts: reads payloads of old versions of an event's schema as the current version. Stored bytes never change.
 */
import { Result, type Schema } from "effect"
import type { Json } from "./Json.ts"

/** One step of a chain, from version n to version n + 1. Pure; it must not change its argument. */
export type Upcaster = (payload: Json | undefined) => Json

/** A schema of payloads, which are JSON or absent. The schema of an event without a payload is `Schema.Undefined`. */
export type PayloadSchema = Schema.ConstraintCodec<unknown, Json | undefined>

/** The schema of an event's payload: one version alone, or the current version and the steps that lead to it. */
export type EventSchema = PayloadSchema | Versioned<PayloadSchema>

/** A payload schema with older versions. `upcasters[0]` reads version 1, so the current version is their count plus one. */
export interface Versioned<Payload extends PayloadSchema> {
  readonly schema: Payload
  readonly upcasters: ReadonlyArray<Upcaster>
}

/** The current schema of a payload, with the step from each older version, the oldest first. */
export const to = <Payload extends PayloadSchema>(
  schema: Payload,
  upcasters: ReadonlyArray<Upcaster>
): Versioned<Payload> => ({ schema, upcasters })

/** The schema of the current version. */
export const schemaOf = (event: EventSchema): PayloadSchema => (isVersioned(event) ? event.schema : event)

export const upcastersOf = (event: EventSchema): ReadonlyArray<Upcaster> => (isVersioned(event) ? event.upcasters : [])

export const currentVersion = (event: EventSchema): number => upcastersOf(event).length + 1

const isVersioned = (event: EventSchema): event is Versioned<PayloadSchema> => "upcasters" in event

/** Brings a payload of `version` to the current version, which is the one after the last upcaster. Fails for a newer one. */
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
