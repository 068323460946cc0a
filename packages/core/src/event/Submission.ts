/** Submissions: requests for an event of an execution, not yet decided. Plain JSON, so that they can wait in a queue. */
import { Schema } from "effect"
import { Identifier } from "./Identifier.ts"
import { EventMetadata } from "./WorkflowEvent.ts"

/**
 * **Details**
 *
 * An absent `event_type` means `workflow`. `to_state` is the state to go to: any state in an open workflow; in a typed one
 * the state that the event leads to. `workflow` names the workflow that the submission was made for; an execution of another
 * workflow refuses it.
 */
export const Submission = Schema.Struct({
  event_name: Identifier,
  event_type: Schema.optionalKey(Identifier),
  to_state: Schema.optionalKey(Identifier),
  user_id: Schema.optionalKey(Identifier),
  payload: Schema.optionalKey(Schema.Json),
  metadata: Schema.optionalKey(EventMetadata),
  workflow: Schema.optionalKey(Identifier)
})
export type Submission = typeof Submission.Type
