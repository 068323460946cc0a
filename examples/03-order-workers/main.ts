/** Three workers process the queued orders of several tenants; one worker is killed in the middle. */
import { NodeRuntime } from "@effect/platform-node"
import { WorkflowEventModel, WorkflowEventProcessingModel, startedEventName } from "@refold/core"
import { TypeScriptWorkflowRuntime, Worker } from "@refold/runtime"
import { Array, Console, Context, Deferred, Effect, Exit, Layer, Option, Schedule, Scope, Stream } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { heading, table } from "../Print.ts"
import { Order, submissions } from "./Order.ts"
import * as Shop from "./Shop.ts"

const workerCount = 3
const ordersPerTenant = 50

/** Distinguishes the ids of this run from those of other runs on the same database. */
const run = crypto.randomUUID().slice(0, 8)
const orders = Array.flatMap(Array.make("north", "south", "west"), (tenant) =>
  Array.makeBy(ordersPerTenant, (index) => ({ tenant, executionId: `${run}-${index + 1}` }))
)

/** A running worker. It drains when its scope closes, unless `lose` has ended it before. */
interface Started {
  readonly name: string
  readonly lose: Effect.Effect<void>
}

/** Starts a worker in its own process. */
const startProcess = Effect.gen(function* () {
  const ready = yield* Deferred.make<void>()
  const ended = yield* Deferred.make<void>()
  const child = yield* Effect.acquireRelease(
    Effect.sync((): ChildProcess =>
      fork(new URL("worker.ts", import.meta.url))
        .once("message", () => Deferred.doneUnsafe(ready, Exit.void))
        .once("exit", () => Deferred.doneUnsafe(ended, Exit.void))
    ),
    (started) =>
      Effect.andThen(
        Effect.sync(() => started.kill("SIGTERM")),
        Deferred.await(ended)
      )
  )
  yield* Effect.raceFirst(
    Deferred.await(ready),
    Effect.andThen(Deferred.await(ended), Effect.die("a worker ended before it was ready"))
  )
  const started: Started = {
    name: `process ${child.pid}`,
    lose: Effect.andThen(
      Effect.sync(() => child.kill("SIGKILL")),
      Deferred.await(ended)
    )
  }
  return started
})

/** Starts a worker in this process. It cannot be killed, so `lose` closes it, and it releases its partitions. */
const startFibers = Effect.gen(function* () {
  const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
  const services = yield* Layer.buildWithScope(Worker.layer({ leaseDuration: Shop.leaseDuration }), scope)
  const { partitions, workerId } = Context.get(services, Worker)
  yield* Shop.untilOwner(partitions)
  const started: Started = { name: `worker ${workerId.slice(-8)}`, lose: Scope.close(scope, Exit.void) }
  return started
})

/** Queues each submission for all orders. Returns a list of event ids for each submission, in the sequence of `orders`. */
const enqueue = Effect.fnUntraced(function* (wanted: typeof submissions) {
  const runtime = yield* TypeScriptWorkflowRuntime
  return yield* Effect.forEach(wanted, (submission) =>
    Effect.map(runtime.enqueueEvents(Array.map(orders, (order) => ({ ...order, submission }))), (queued) =>
      Array.map(queued, ({ eventId }) => eventId)
    )
  )
})

const pendingCount = Effect.gen(function* () {
  const queue = yield* WorkflowEventProcessingModel
  return (yield* queue.lag).reduce((total, lag) => total + lag.pendingCount, 0)
})

const waitUntil = (isReached: (pending: number) => boolean) =>
  pendingCount.pipe(Effect.repeat({ until: isReached, schedule: Schedule.spaced("20 millis") }))

/** Compares the log with the queued events. */
const prove = Effect.fnUntraced(function* (queued: ReadonlyArray<ReadonlyArray<string>>) {
  const log = yield* WorkflowEventModel
  const found = { logged: 0, lost: 0, appliedTwice: 0, outOfOrder: 0, gaps: 0 }
  for (const [orderIndex, order] of orders.entries()) {
    const events = yield* Stream.runCollect(log.read(order))
    const expected = queued.flatMap((eventIds) => eventIds.slice(orderIndex, orderIndex + 1))
    const applied = events.filter(({ event_name }) => event_name !== startedEventName).map(({ event_id }) => event_id)
    const distinct = new Set(applied)
    found.logged += applied.length
    found.lost += expected.filter((id) => !distinct.has(id)).length
    found.appliedTwice += applied.length - distinct.size
    found.outOfOrder += applied.filter((id, index) => id !== expected[index]).length
    found.gaps += events.filter(({ position }, index) => position !== index + 1).length
  }
  return found
})

const tour = Effect.gen(function* () {
  const servers = yield* Shop.Servers
  const hasServer = Option.isSome(servers.database)
  const runtime = yield* TypeScriptWorkflowRuntime
  const eventCount = orders.length * submissions.length

  yield* heading("Where this runs")
  yield* Console.log(`  ${Shop.describe(servers)}`)

  yield* heading("Start three workers, and the orders of three tenants")
  const workers = yield* Effect.all(
    Array.makeBy(workerCount, () => (hasServer ? startProcess : startFibers)),
    { concurrency: "unbounded" }
  )
  yield* Effect.forEach(orders, (order) => runtime.startWorkflow({ workflow: Order, ...order }), { concurrency: 8 })
  yield* table([[`${orders.length} orders`, ...workers.map(({ name }) => name)]])

  yield* heading("Queue the first half of the events, and lose a worker")
  const firstHalf = submissions.slice(0, submissions.length / 2)
  const first = yield* enqueue(firstHalf)
  const pending = yield* waitUntil((count) => count < orders.length * firstHalf.length)
  const [victim] = workers
  yield* victim.lose
  yield* Console.log(
    `  ${victim.name} was ${hasServer ? "killed with SIGKILL" : "closed"} while ${pending} events were pending`
  )

  yield* heading("Queue the second half; the other workers take over its partitions")
  const second = yield* enqueue(submissions.slice(firstHalf.length))
  yield* waitUntil((count) => count === 0)
  yield* Console.log("  no event is pending")

  yield* heading("What the log says")
  const { appliedTwice, gaps, logged, lost, outOfOrder } = yield* prove([...first, ...second])
  yield* table([
    ["events queued", String(eventCount)],
    ["events in the log", String(logged)],
    ["lost", String(lost)],
    ["applied twice", String(appliedTwice)],
    ["out of order", String(outOfOrder)],
    ["gaps in positions", String(gaps)]
  ])
  if (logged !== eventCount || lost + appliedTwice + outOfOrder + gaps > 0) {
    return yield* Effect.die("the log differs from the queued events")
  }
  yield* Console.log("  Every event was applied once, in queue order.")
})

NodeRuntime.runMain(
  Effect.scoped(tour).pipe(
    Effect.timeout("2 minutes"),
    Effect.provide(Layer.unwrap(Effect.map(Shop.Servers, Shop.layer)))
  )
)
