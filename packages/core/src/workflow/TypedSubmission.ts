/** Submissions that the compiler checks against a definition. */
import type { Submission } from "../event/Submission.ts"
import type { EncodedPayloadOf, Workflow } from "./Definition.ts"

/** The submissions that a definition's compiler accepts: one shape per event. */
export type SubmissionOf<W> =
  W extends Workflow<infer State, infer _Data, infer Events>
    ? {
        readonly [EventName in keyof Events & string]: Omit<Submission, "event_name" | "payload" | "to_state"> & {
          readonly event_name: EventName
          readonly to_state?: State
        } & (undefined extends EncodedPayloadOf<Events[EventName]>
            ? { readonly payload?: Exclude<EncodedPayloadOf<Events[EventName]>, undefined> }
            : { readonly payload: EncodedPayloadOf<Events[EventName]> })
      }[keyof Events & string]
    : never

/** A submission to a definition: a wrong event name, state name or payload type does not compile. */
export const submission = <W extends Workflow>(workflow: W, submission: SubmissionOf<W>): Submission => ({
  ...submission,
  workflow: workflow.name
})
