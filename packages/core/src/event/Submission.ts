/** Submissions: an event asked of an execution by name, not yet decided. Plain JSON, so it can wait in a queue. */
import { Schema } from "effect"
import { Identifier } from "./Identifier.ts"
import { EventMetadata } from "./WorkflowEvent.ts"

/**
 * **Details**
 *
 * `event_type` is `workflow` when absent. `to_state` is the state to go to: free in an open workflow; in a typed one it must
 * be where the event leads. `workflow` is the name of the workflow the submission was made for; an execution of another one
 * refuses it.
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
