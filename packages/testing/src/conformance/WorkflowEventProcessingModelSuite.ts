/** The promises of `WorkflowEventProcessingModel`. The checks write executions through the adapter's `WorkflowEventModel`. */
import { claimChecks } from "./queue/ClaimChecks.ts"
import { enqueueChecks } from "./queue/EnqueueChecks.ts"
import { failureChecks } from "./queue/FailureChecks.ts"
import { lookupChecks } from "./queue/LookupChecks.ts"
import type { QueueCheck } from "./queue/QueueSample.ts"
import { readyChecks } from "./queue/ReadyChecks.ts"
import { settlementChecks } from "./queue/SettlementChecks.ts"

/** Every promise of the port, as a check. */
export const processingModelSuite: ReadonlyArray<QueueCheck> = [
  ...enqueueChecks,
  ...claimChecks,
  ...settlementChecks,
  ...failureChecks,
  ...readyChecks,
  ...lookupChecks
]
