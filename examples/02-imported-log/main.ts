/** The CSV log of a bike shop: import it twice, show a past instant, replay one repair, verify. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { EventLog } from "@refold/adapters/eventlog"
import { PgliteStore } from "@refold/adapters/pglite"
import { WorkflowExecutionModel } from "@refold/core"
import { EventLogImport, Verification, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Effect, Layer, Stream } from "effect"
import { fileURLToPath } from "node:url"
import { heading, table } from "../Print.ts"

const tenant = "bike-shop"

/** Rows in file order. Some are not in time order, and some share an instant. */
const rows = EventLog.read({
  path: fileURLToPath(new URL("repairs.csv", import.meta.url)),
  format: "csv",
  columns: { case: "repair", activity: "step", time: "at", resource: "mechanic" },
  timeFormat: "dd-MM-yyyy HH:mm"
})

const importRows = Effect.gen(function* () {
  const summary = yield* EventLogImport.importRows(rows, { tenant, workflow: "repair" })
  yield* table([
    [`${summary.rowCount} rows`, `${summary.executionCount} executions`, `${summary.eventsAdded} events added`]
  ])
})

const tour = Effect.gen(function* () {
  const executions = yield* WorkflowExecutionModel
  const sourcing = yield* WorkflowEventSourcing

  yield* heading("Import repairs.csv: one execution per repair, one event per row")
  yield* importRows

  yield* heading("Import it again")
  yield* importRows

  const asOf = "2025-03-05T12:00:00.000Z"
  yield* heading(`Repairs as of ${asOf}`)
  const headers = yield* Stream.runCollect(executions.list({ tenant, asOf }))
  yield* table([
    ["repair", "state", "position", "since"],
    ...headers.map((header) => [
      header.executionId,
      header.currentState,
      String(header.position),
      header.updatedAt.slice(0, 16)
    ])
  ])

  yield* heading("R-102, replayed to that instant and to now")
  for (const options of [{ replayUntil: asOf }, {}]) {
    const { executionState } = yield* sourcing.replayEvents("R-102", tenant, options)
    const { currentState, data, position, updatedAt } = executionState
    yield* table([[`position ${position}`, currentState.padEnd(9), updatedAt.slice(0, 16), JSON.stringify(data)]])
  }

  yield* heading("Verify: replay everything, with and without snapshots")
  const report = yield* Verification.verify({ tenant })
  yield* table([
    [`${report.executionCount} executions`, `${report.eventCount} events`, `${report.findingCount} findings`],
    ...report.findings.map(({ executionId, problem }) => [executionId ?? "", problem])
  ])
})

const Live = WorkflowEventSourcing.layer.pipe(
  // Every workflow name is an open workflow, which accepts any event and merges its payload into the data.
  Layer.provideMerge(Workflows.layerOpen()),
  Layer.provideMerge(PgliteStore.layer()),
  Layer.provideMerge(NodeServices.layer)
)

NodeRuntime.runMain(tour.pipe(Effect.provide(Live)))
