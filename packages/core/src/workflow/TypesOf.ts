/** The types that a definition carries, by name. */
import type { Schema } from "effect"
import type { EventSchemas, Workflow } from "./Definition.ts"

/** The names of a definition's states. */
export type StateOf<W extends Workflow> = W extends Workflow<infer State> ? State : never

/** The data of a definition's executions, as handlers and guards see it. */
export type DataOf<W extends Workflow> = W extends Workflow<string, infer Data> ? Data : never

/** The payload schemas of a definition, by event name. */
export type EventsOf<W extends Workflow> = W["events"]

/** The names of a definition's events, without the event that starts every execution. */
export type EventNameOf<W extends Workflow> = keyof EventsOf<W> & string

/**
 * The data of a start, as JSON: required are the fields that the initial data leaves out. Any object for a workflow that is
 * not known by its type.
 */
export type StartDataOf<W extends Workflow> =
  W extends Workflow<string, unknown, EventSchemas, infer Start>
    ? unknown extends Start
      ? Schema.JsonObject
      : Start
    : never
