/**
 * Workflow definitions: data that says which events an execution accepts in which state, and how each event changes its
 * data. One module per part; users call all of them as `Workflow.…`.
 */
export { type Finding, check } from "./Check.ts"
export {
  type EncodedPayloadOf,
  type EventSchemas,
  type EvolveHandler,
  type Guard,
  InvalidDefinition,
  type Options,
  type PayloadOf,
  type PlainHandler,
  type Target,
  type Targets,
  type Transitions,
  Unfoldable,
  type Workflow
} from "./Definition.ts"
export { make } from "./Make.ts"
export { toMermaid } from "./Mermaid.ts"
export { type OpenData, isOpen, open, openVersion } from "./Open.ts"
export { type SubmissionOf, submission } from "./TypedSubmission.ts"
