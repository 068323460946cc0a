/** Arbitraries of the payloads of a definition's events, in every version. */
import type { Workflow } from "@refold/core"
import { type Json, Upcast } from "@refold/core"
import { Result, Schema } from "effect"
import type fc from "fast-check"
import { CannotGenerate } from "./CannotGenerate.ts"
import * as PayloadArbitrary from "./PayloadArbitrary.ts"

/** A source of payloads: an arbitrary of JSON, or a schema. */
export type Source<Encoded extends Json.Json | undefined> =
  | fc.Arbitrary<Encoded>
  | Schema.ConstraintCodec<unknown, Encoded>

/** Sources of payloads that a user gives. */
export interface Given<Events extends Workflow.EventSchemas = Workflow.EventSchemas> {
  /** Payloads, by event. The default is the schema of the event. */
  readonly payloads?: { readonly [EventName in keyof Events]?: Source<Workflow.EncodedPayloadOf<Events[EventName]>> }
  /** Payloads of older versions, by event: `[0]` is version 1, as in `Upcast.to`. */
  readonly oldPayloads?: { readonly [EventName in keyof Events]?: ReadonlyArray<Source<Json.Json>> }
}

/** Payloads of one version of an event. */
export interface Versioned {
  readonly version: number
  readonly payloads: fc.Arbitrary<PayloadArbitrary.Payload>
}

/** By event: the payloads of its current version, then those of the older versions that are given. */
export const payloadsOf = <State extends string, Data, Events extends Workflow.EventSchemas>(
  workflow: Workflow.Workflow<State, Data, Events>,
  given: Given<Events>
): ReadonlyMap<string, ReadonlyArray<Versioned>> => {
  const current = new Map<string, Source<Json.Json | undefined> | undefined>(Object.entries(given.payloads ?? {}))
  const old = new Map<string, ReadonlyArray<Source<Json.Json>> | undefined>(Object.entries(given.oldPayloads ?? {}))
  const problems: Array<string> = []
  const arbitraryOf = (source: Source<Json.Json | undefined>, problem: (reason: string) => string) => {
    if (!isSchema(source)) return [source]
    const payloads = PayloadArbitrary.make(source)
    if (Result.isSuccess(payloads)) return [payloads.success]
    problems.push(problem(payloads.failure))
    return []
  }
  const sources = Object.entries<Upcast.EventSchema>(workflow.events).map(([eventName, event]) => {
    const currentVersion = Upcast.currentVersion(event)
    const key = JSON.stringify(eventName)
    const versions = [
      { version: currentVersion, source: current.get(eventName) ?? Upcast.schemaOf(event) },
      ...(old.get(eventName) ?? []).map((source, age) => ({ version: age + 1, source }))
    ]
    return [
      eventName,
      versions.flatMap(({ source, version }) =>
        arbitraryOf(
          source,
          (reason) =>
            `${eventName}, version ${version}: its schema yields no payload (${reason}). Give some, as ` +
            (version === currentVersion
              ? `\`payloads: { ${key}: … }\``
              : `\`oldPayloads: { ${key}: … }\`, entry ${version - 1}`) +
            ": a fast-check arbitrary of its JSON, or a schema from which values can be drawn"
        ).map((payloads) => ({ version, payloads }))
      )
    ] as const
  })
  if (problems.length > 0) throw new CannotGenerate({ workflow: workflow.name, problems })
  return new Map(sources)
}

const isSchema = (source: Source<Json.Json | undefined>): source is Upcast.PayloadSchema => Schema.isSchema(source)
