/** Submissions that the compiler checks against a definition. */
import type * as Json from "../event/Json.ts"
import type { Submission } from "../event/Submission.ts"
import type { EncodedPayloadOf, Workflow } from "./Definition.ts"
import type { EventNameOf, EventsOf, StateOf } from "./TypesOf.ts"

/** The submissions that the compiler accepts for a definition: one shape for each of its events, or for those named. */
export type SubmissionOf<W extends Workflow, EventName extends EventNameOf<W> = EventNameOf<W>> = {
  readonly [Name in EventName]: Omit<Submission, "event_name" | "payload" | "to_state" | "workflow"> & {
    readonly event_name: Name
    readonly to_state?: StateOf<W>
  } & PayloadField<EncodedPayloadOf<EventsOf<W>[Name]>>
}[EventName]

type PayloadField<Payload> = undefined extends Payload
  ? { readonly payload?: Extract<Payload, Json.Json> }
  : { readonly payload: Extract<Payload, Json.Json> }

declare const madeFor: unique symbol

/**
 * A submission that remembers, for the compiler alone, the definition it was made for. `submitEvent` returns the state with the
 * types of that definition.
 */
export interface TypedSubmission<W> extends Submission {
  readonly [madeFor]?: W
}

/**
 * A submission to a definition. A wrong event name, state name or payload type does not compile, and the compiler reports
 * the mistake for the event that is named.
 */
export const submission = <W extends Workflow, EventName extends EventNameOf<W>>(
  workflow: W,
  submission: { readonly event_name: EventName } & SubmissionOf<W, EventName>
): TypedSubmission<W> => ({ ...submission, workflow: workflow.name })
