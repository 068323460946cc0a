/**
 * Workflow definitions: data that says which events an execution accepts in which state, and how each event changes its
 * data. One module per part; users call all of them as `Workflow.…`.
 */
export { type Finding, check } from "./Check.ts"
export {
  type DefinedWorkflow,
  type EncodedPayloadOf,
  type EventSchemas,
  type EvolveHandler,
  type Guard,
  type InitialData,
  InvalidDefinition,
  type Options,
  type PayloadOf,
  type PlainHandler,
  type StartData,
  type Target,
  type Targets,
  type Transitions,
  Unfoldable,
  type Workflow
} from "./Definition.ts"
export { make } from "./Make.ts"
export { toMermaid } from "./Mermaid.ts"
export { type OpenData, isOpen, open, openVersion } from "./Open.ts"
export { type EventOf, UndecodableEvent, decodeEvent } from "./TypedEvent.ts"
export { type SubmissionOf, type TypedSubmission, submission } from "./TypedSubmission.ts"
export type { DataOf, EventNameOf, EventsOf, StartDataOf, StateOf } from "./TypesOf.ts"
