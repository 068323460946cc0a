/**
 * The golden runs: what was recorded of each definition and each schema version when it was released.
 *
 * A golden file never changes. A new version of a schema needs a run of its own: write its steps here, then
 * `node --conditions=@refold/source test/recording/Golden.ts` writes the files that are not there yet.
 */
import { NodeServices } from "@effect/platform-node"
import { Workflow, type Submission } from "@refold/core"
import { Invoice } from "@refold/examples/01-invoice-approval/Invoice.ts"
import { Order, submissions } from "@refold/examples/03-order-workers/Order.ts"
import { Fine } from "@refold/examples/guide/upcast.ts"
import { TypeScriptWorkflowRuntime } from "@refold/runtime"
import { RecordedRuns } from "@refold/testing/recording"
import { Console, Effect, FileSystem } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { memory } from "../runtime/Services.ts"
import { Subscription, SubscriptionTwo } from "./Subscription.ts"

export const directory = join(import.meta.dirname, "golden")

export const definitions: ReadonlyArray<Workflow.Workflow> = [
  Invoice,
  Order,
  Fine,
  Subscription,
  SubscriptionTwo,
  Workflow.open("repair")
]

interface Story {
  readonly workflow: Workflow.Workflow
  readonly executionId: string
  readonly data?: Workflow.OpenData
  readonly steps: ReadonlyArray<Submission>
}

const story = <W extends Workflow.Workflow>(
  workflow: W,
  executionId: string,
  steps: ReadonlyArray<Workflow.SubmissionOf<W>>,
  data?: Workflow.OpenData
): Story => ({ workflow, executionId, steps, ...(data === undefined ? {} : { data }) })

const stories: ReadonlyArray<Story> = [
  story(
    Invoice,
    "invoice-large",
    [
      { event_name: "LineAdded", payload: { text: "Turbine", cents: 1_200_000 } },
      { event_name: "Submitted", user_id: "sue" },
      { event_name: "Approved", user_id: "ann", event_type: "approval" },
      { event_name: "Rejected", user_id: "bob", payload: { reason: "no delivery date" } },
      { event_name: "LineAdded", payload: { text: "Delivery on 3 March", cents: 45_000 } },
      { event_name: "Submitted", user_id: "sue", metadata: { correlation_id: "case-7", causation_id: "mail-12" } },
      { event_name: "Approved", user_id: "ann" },
      { event_name: "Approved", user_id: "bob" },
      { event_name: "Paid", payload: { reference: "2025-117" } }
    ],
    { customer: "Globex" }
  ),
  story(
    Invoice,
    "invoice-small",
    [
      { event_name: "LineAdded", payload: { text: "Bolts", cents: 900 } },
      { event_name: "Submitted" },
      { event_name: "Approved", user_id: "ann" }
    ],
    { customer: "" }
  ),
  { workflow: Order, executionId: "order-whole", steps: submissions },
  story(Fine, "fine-v2", [
    { event_name: "Paid", payload: { cents: 1250 } },
    { event_name: "Paid", payload: { cents: 30 } }
  ]),
  story(Subscription, "subscription-v3", [
    { event_name: "Paid", payload: { price: { cents: 990, currency: "EUR" } } },
    { event_name: "Paused", payload: { until: "2025-06-01T00:00:00.000Z" } },
    { event_name: "Resumed" },
    { event_name: "Paused", payload: { until: "2025-07-01T00:00:00.000Z" } },
    { event_name: "Ended", payload: { reason: "moved" } }
  ]),
  story(SubscriptionTwo, "subscription-two-v3", [
    { event_name: "Paid", payload: { price: { cents: 500, currency: "SEK" } } },
    { event_name: "Paid", payload: { price: { cents: 500, currency: "SEK" } } },
    { event_name: "Ended", payload: { reason: "other" } }
  ]),
  story(
    Workflow.open("repair"),
    "repair-open",
    [
      { event_name: "Brought in", to_state: "waiting", user_id: "mia", payload: { bike: "red", tyres: [28, 28] } },
      { event_name: "Noted", payload: { note: "„knarzt“ 🚲", tyres: null } },
      { event_name: "Returned", to_state: "done", event_type: "complete" }
    ],
    { shop: "north" }
  )
]

/** Runs the steps on a store in memory, one second apart. */
const tell = Effect.fnUntraced(function* ({ data, executionId, steps, workflow }: Story) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const execution = { tenant: "golden", executionId }
  yield* runtime.startWorkflow({ workflow, ...execution, ...(data === undefined ? {} : { data }) })
  for (const submission of steps) {
    yield* TestClock.adjust("1 second")
    yield* runtime.submitEvent({ ...execution, submission })
  }
})

const write = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const recorded = yield* fs.makeTempDirectoryScoped()
  yield* TestClock.setTime(Date.UTC(2025, 2, 1, 12))
  yield* Effect.forEach(stories, tell, { discard: true })
  yield* RecordedRuns.record({ tenant: "golden", sampleSize: 1000, directory: recorded, isRedacted: false })
  for (const file of yield* fs.readDirectory(recorded)) {
    const target = join(directory, file)
    if (yield* fs.exists(target)) continue
    yield* fs.copyFile(join(recorded, file), target)
    yield* Console.log(`wrote ${target}`)
  }
})

if (import.meta.main) {
  await Effect.runPromise(
    write.pipe(Effect.scoped, Effect.provide([memory({ definitions }), NodeServices.layer, TestClock.layer()]))
  )
}
