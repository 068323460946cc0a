/** The suites of all ports of a store. */
import type {
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import type { Check } from "./Check.ts"
import { eventModelSuite } from "./WorkflowEventModelSuite.ts"
import { processingModelSuite } from "./WorkflowEventProcessingModelSuite.ts"
import { executionModelSuite } from "./WorkflowExecutionModelSuite.ts"
import { snapshotModelSuite } from "./WorkflowSnapshotModelSuite.ts"

/** Every check of a store. Titles are unique within a port; here they begin with its name. */
export const storeSuite: ReadonlyArray<
  Check<WorkflowEventModel | WorkflowSnapshotModel | WorkflowExecutionModel | WorkflowEventProcessingModel>
> = [
  ...eventModelSuite.map(({ check, title }) => ({ title: `events: ${title}`, check })),
  ...snapshotModelSuite.map(({ check, title }) => ({ title: `snapshots: ${title}`, check })),
  ...executionModelSuite.map(({ check, title }) => ({ title: `executions: ${title}`, check })),
  ...processingModelSuite.map(({ check, title }) => ({ title: `queue: ${title}`, check }))
]
