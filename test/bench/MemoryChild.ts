/** `node MemoryChild.ts import|replay EVENTS`: does it once, and prints the peak of its resident memory in KiB. */
import { EventLogImport, WorkflowEventSourcing } from "@refold/runtime"
import { Effect } from "effect"
import { layerOn, tenant } from "./Database.ts"
import { syntheticRows } from "./SyntheticLog.ts"

const [, , work, eventCountText] = process.argv
const eventCount = Number(eventCountText)
const { BENCH_SCHEMA: schema = "", DATABASE_URL: url = "" } = process.env

const importing = EventLogImport.importRows(syntheticRows(eventCount), {
  tenant: `memory ${crypto.randomUUID()}`,
  workflow: "foreign log"
})
const replaying = WorkflowEventSourcing.use((sourcing) =>
  sourcing.replayEvents(`memory ${eventCount}`, tenant, { useSnapshots: false })
)

const live = layerOn({ url, schema })
await (work === "import"
  ? Effect.runPromise(Effect.asVoid(Effect.provide(importing, live)))
  : Effect.runPromise(Effect.asVoid(Effect.provide(replaying, live))))
process.stdout.write(String(process.resourceUsage().maxRSS))
