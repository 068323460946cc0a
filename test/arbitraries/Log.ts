/** Definitions, each with a log of it. */
import type fc from "fast-check"
import type { Workflow, WorkflowEvent } from "@refold/core"
import { logs } from "@refold/testing/laws"
import { definition } from "./Definition.ts"

export interface DefinitionAndLog {
  readonly workflow: Workflow.Workflow
  readonly events: ReadonlyArray<WorkflowEvent>
}

export const definitionAndLog: fc.Arbitrary<DefinitionAndLog> = definition.chain(({ generators, workflow }) =>
  logs(workflow, generators).map(({ events }) => ({ workflow, events }))
)
