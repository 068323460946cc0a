/** The promises of `WorkflowEventModel`. */
import type { WorkflowEventModel } from "@refold/core"
import type { Check } from "./Check.ts"
import { commitChecks } from "./events/CommitChecks.ts"
import { contentChecks } from "./events/ContentChecks.ts"
import { feedChecks } from "./events/FeedChecks.ts"
import { instantChecks } from "./events/InstantChecks.ts"
import { readChecks } from "./events/ReadChecks.ts"

/** Every promise of the port, as a check. */
export const eventModelSuite: ReadonlyArray<Check<WorkflowEventModel>> = [
  ...commitChecks,
  ...feedChecks,
  ...instantChecks,
  ...readChecks,
  ...contentChecks
]
