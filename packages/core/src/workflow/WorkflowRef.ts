/** The name and version that identify a workflow definition. */
import { Schema } from "effect"
import { Identifier } from "../event/Identifier.ts"

/** Version of a definition: 1 or more, or 0 for an open definition. */
export const WorkflowVersion = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const WorkflowRef = Schema.Struct({ name: Identifier, version: WorkflowVersion })
export type WorkflowRef = typeof WorkflowRef.Type
