/** `node MemoryChild.ts WORK COUNT`: does the work once and reports its peak resident memory, in KiB, on descriptor 3. */
import { writeSync } from "node:fs"
// The whole package would also load an HTTP client, which is larger than the subject of the measurement.
import * as NodeStdio from "@effect/platform-node/NodeStdio"
import { MemoryWakeUpChannel } from "@refold/adapters/memory"
import { WorkflowEventModel } from "@refold/core"
import { EventLogImport, TypeScriptWorkflowRuntime, Worker, WorkflowEventSourcing } from "@refold/runtime"
import { Effect, Layer, Schedule, Stdio, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { layerOn } from "./Database.ts"
import { executionIdOf, tenantOf } from "./Seed.ts"
import { syntheticRows } from "./SyntheticLog.ts"

const [, , work, countText] = process.argv
const count = Number(countText)
const { BENCH_SCHEMA: schema = "", DATABASE_URL: url = "" } = process.env
const tenant = tenantOf({ tenantCount: 1 }, 0)

const importing = EventLogImport.importRows(syntheticRows(count), {
  tenant: `memory ${crypto.randomUUID()}`,
  workflow: "foreign log"
})

const replaying = WorkflowEventSourcing.use((sourcing) =>
  sourcing.replayEvents(executionIdOf(0), tenant, { useSnapshots: false })
)

/** As `refold export --jsonl` does. */
const exporting = Effect.gen(function* () {
  const events = yield* WorkflowEventModel
  const stdio = yield* Stdio.Stdio
  yield* events.readTenant({ tenant }).pipe(
    Stream.mapArray((batch) => [`${batch.map((event) => JSON.stringify(event)).join("\n")}\n`] as const),
    Stream.run(stdio.stdout({ endOnDone: false }))
  )
}).pipe(Effect.provide(NodeStdio.layer))

/** The feeds of all partitions, one after another. */
const feeding = Effect.gen(function* () {
  const { partitionCount, readFeed } = yield* WorkflowEventModel
  const limit = 1000
  for (let partition = 0; partition < partitionCount; partition++) {
    let after = 0
    for (let isLast = false; !isLast;) {
      const events = yield* readFeed({ partition, after, limit })
      after = events.at(-1)?.offset ?? after
      isLast = events.length < limit
    }
  }
})

/** Runs a worker until no event is pending. */
const working = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const table = (name: string) => sql(`${schema}.${name}`)
  const pendingCount = Effect.map(
    sql<{ count: number }>`
      select ((select sum(length) from ${table("queue_lengths")})
        - (select sum(settled_count) from ${table("executions")}))::int as count`,
    ([row]) => row?.count
  )
  yield* Effect.repeat(pendingCount, { until: (waiting) => waiting === 0, schedule: Schedule.spaced("1 second") })
}).pipe(
  Effect.provide(
    Worker.layer().pipe(Layer.provide(TypeScriptWorkflowRuntime.layer), Layer.provide(MemoryWakeUpChannel.layer))
  )
)

const live = layerOn({ url, schema })
const works: Readonly<Record<string, Effect.Effect<unknown, unknown, Layer.Success<typeof live>>>> = {
  import: importing,
  replay: replaying,
  export: exporting,
  feed: feeding,
  cache: working
}
await Effect.runPromise(Effect.provide(works[work ?? ""] ?? Effect.die(`There is no "${work}"`), live))
writeSync(3, String(process.resourceUsage().maxRSS))
