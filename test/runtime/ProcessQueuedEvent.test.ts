/** `processQueuedEvent`: its results, which never change. */
import { assert, describe, it } from "@effect/vitest"
import { FailurePolicy, WorkflowEventProcessingModel, type Submission } from "@refold/core"
import { type Enqueued, type ProcessOptions, TypeScriptWorkflowRuntime, Workflows } from "@refold/runtime"
import { Effect, Layer } from "effect"
import { Fragile, FragileMended, added, burst, guarded } from "./Fragile.ts"
import { add } from "./Order.ts"
import {
  brokenStore,
  changed,
  entriesOf,
  eventsOf,
  inAnotherProcess,
  memory,
  orderOf,
  place,
  servicesWith,
  standingsOf
} from "./Services.ts"

const enqueue = (submission: Submission, options: { readonly idempotencyKey?: string } = {}) =>
  TypeScriptWorkflowRuntime.use((runtime) => runtime.enqueueEvent({ ...place(), submission, ...options }))

const processing = (enqueued: Enqueued, options: Partial<ProcessOptions> = {}) =>
  TypeScriptWorkflowRuntime.use((runtime) =>
    runtime.processQueuedEvent({ ...place(), ...enqueued, workerId: "worker-1", ...options })
  )

const fragile = Effect.gen(function* () {
  const runtime = yield* TypeScriptWorkflowRuntime
  return yield* runtime.startWorkflow({ ...place(), workflow: Fragile })
})

const oneAttempt = { ...FailurePolicy.defaultPolicy, maxAttempts: 1 }
const memoryOfFragile = (failurePolicy = FailurePolicy.defaultPolicy) =>
  memory({ definitions: [Fragile], failurePolicy })

describe("processQueuedEvent", () => {
  it.effect("applies the event, and says from where to where and what was done", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      const queued = yield* enqueue({ event_name: "Placed", payload: {} })
      assert.deepStrictEqual(yield* processing(queued), {
        success: true,
        previousState: "Draft",
        currentState: "Review",
        actionsExecuted: ["append"]
      })
      const last = yield* enqueue({ event_name: "Approved", payload: { by: "bob" } })
      assert.deepStrictEqual(yield* processing(last), {
        success: true,
        previousState: "Review",
        currentState: "Done",
        actionsExecuted: ["append", "complete"]
      })
    }).pipe(Effect.provide(memory()))
  )

  it.effect("of what the state refuses it gives the reason, and the state that refused it", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const queued = yield* enqueue({ event_name: "Approved", payload: { by: "bob" } })
      const result = yield* processing(queued)
      assert.deepStrictEqual(result, {
        success: false,
        errorMessage:
          'Execution "order-1" in state "Draft" does not accept Approved; it accepts Added, Placed, Cancelled',
        previousState: "Draft",
        currentState: "Draft",
        actionsExecuted: []
      })
      // Also if the present state would accept it.
      yield* processing(yield* enqueue(add(1)))
      yield* processing(yield* enqueue({ event_name: "Placed", payload: {} }))
      assert.deepStrictEqual(yield* processing(queued), result)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("called again it gives the first result, whoever calls, and appends nothing", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const queued = yield* enqueue(add(5))
      const first = yield* processing(queued)
      yield* processing(yield* enqueue(add(6)))
      assert.deepStrictEqual(yield* processing(queued), first)
      assert.deepStrictEqual(yield* processing(queued, { workerId: "another" }).pipe(inAnotherProcess()), first)
      assert.strictEqual((yield* eventsOf()).length, 3)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("called many times at once all get the one result", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const queued = yield* enqueue(add(5))
      const results = yield* Effect.all(
        Array.from({ length: 8 }, () => processing(queued).pipe(inAnotherProcess())),
        { concurrency: "unbounded" }
      )
      for (const result of results) assert.deepStrictEqual(result, results[0])
      assert.isTrue(results[0]?.success)
      assert.strictEqual((yield* eventsOf()).length, 2)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("processes what is before it in the queue first, in order", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      for (let cents = 1; cents <= 40; cents++) yield* enqueue(add(cents))
      const queued = yield* enqueue({ event_name: "Placed", payload: {} })
      const result = yield* processing(queued)
      assert.deepInclude(result, { success: true, previousState: "Draft", currentState: "Review" })
      const log = yield* eventsOf()
      assert.deepStrictEqual(
        log.slice(1, 41).map((event) => event.payload),
        Array.from({ length: 40 }, (_, place) => ({ cents: place + 1, sku: "pen" }))
      )
    }).pipe(Effect.provide(memory()))
  )

  it.effect.each<[string, Partial<ProcessOptions>, string]>([
    ["a processing id that is not there", { processingId: "none" }, "QueuedEventNotFound"],
    ["the id of another event", { eventId: "none" }, "QueuedEventNotFound"],
    ["an execution that is not there", { executionId: "none" }, "QueuedEventNotFound"],
    ["another execution's event", { executionId: "order-2" }, "QueuedEventNotFound"],
    ["another tenant's event", { tenant: "rival" }, "QueuedEventNotFound"],
    ["an empty tenant", { tenant: "" }, "InvalidInput"],
    ["a worker id with NUL", { workerId: "\0" }, "InvalidInput"],
    ["a processing id of 256 characters", { processingId: "x".repeat(256) }, "InvalidInput"]
  ])("refuses %s, and processes nothing", ([, options, tag]) =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* orderOf(0, "order-2")
      const queued = yield* enqueue(add(1))
      const error = yield* Effect.flip(processing(queued, options))
      assert.strictEqual(error._tag, tag)
      assert.deepStrictEqual(yield* standingsOf(), ["Pending"])
    }).pipe(Effect.provide(memory()))
  )

  it.effect("of an attempt that failed it says why, and the next call tries again, without waiting for its time", () =>
    Effect.gen(function* () {
      yield* fragile
      const queued = yield* enqueue(burst)
      const failed = { success: false, errorMessage: "TypeError: evolve is broken", actionsExecuted: [] }
      assert.deepStrictEqual(yield* processing(queued), failed)
      assert.deepStrictEqual(yield* processing(queued), failed)
      assert.strictEqual((yield* entriesOf())[0]?.attemptCount, 2)
      const mended = yield* processing(queued).pipe(inAnotherProcess({ definitions: [FragileMended] }))
      assert.deepInclude(mended, { success: true, actionsExecuted: ["append"] })
    }).pipe(Effect.provide(memoryOfFragile()))
  )

  it.effect("after the last attempt it gives the cause of the dead letter, ever after", () =>
    Effect.gen(function* () {
      yield* fragile
      const queued = yield* enqueue(guarded)
      const failed = { success: false, errorMessage: "TypeError: the guard is broken", actionsExecuted: [] }
      assert.deepStrictEqual(yield* processing(queued), failed)
      assert.deepStrictEqual(yield* standingsOf(), ["Dead"])
      assert.deepStrictEqual(yield* processing(queued), failed)
      const mended = processing(queued).pipe(inAnotherProcess({ definitions: [FragileMended] }))
      assert.deepStrictEqual(yield* mended, failed)
      yield* WorkflowEventProcessingModel.use((queue) => queue.discard({ ...place(), ...queued }))
      assert.deepStrictEqual(yield* mended, failed)
    }).pipe(Effect.provide(memoryOfFragile(oneAttempt)))
  )

  it.effect("behind a dead letter, or a failing event, it is busy, and nothing is processed", () =>
    Effect.gen(function* () {
      yield* fragile
      const first = yield* enqueue(burst)
      const second = yield* enqueue(added(1))
      const busy = yield* Effect.flip(processing(second))
      assert.strictEqual(busy._tag, "ExecutionBusy")
      assert.include(busy.message, second.processingId)
      assert.deepStrictEqual(yield* standingsOf(), ["Dead", "Pending"])
      assert.strictEqual((yield* Effect.flip(processing(second)))._tag, "ExecutionBusy")
      assert.strictEqual((yield* entriesOf())[1]?.attemptCount, 0)

      yield* WorkflowEventProcessingModel.use((queue) => queue.discard({ ...place(), ...first }))
      assert.deepInclude(yield* processing(second), { success: true })
    }).pipe(Effect.provide(memoryOfFragile(oneAttempt)))
  )

  it.effect("where the workflow is not registered it fails so, and leaves the event to those that know it", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const queued = yield* enqueue(add(1))
      const knowsNothing = Layer.fresh(Workflows.layer())
      const error = yield* processing(queued).pipe(inAnotherProcess({ registry: knowsNothing }), Effect.flip)
      assert.deepInclude(error, { _tag: "WorkflowNotFound", name: "order", version: 1 })
      assert.deepInclude((yield* entriesOf())[0], { attemptCount: 0 })
      assert.deepInclude(yield* processing(queued), { success: true })
    }).pipe(Effect.provide(memory()))
  )

  it.effect("fails when the store does, and works when it does again", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const queued = yield* enqueue(add(1))
      const full = changed({ events: () => ({ commit: () => Effect.fail(brokenStore) }) })
      const error = yield* processing(queued).pipe(inAnotherProcess(), Effect.provide(full), Effect.flip)
      assert.strictEqual(error._tag, "StoreError")
      assert.deepInclude(yield* processing(queued), { success: true })
      assert.strictEqual((yield* eventsOf()).length, 2)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("of an event that another worker applied while its own attempt failed, it gives that result", () =>
    Effect.gen(function* () {
      yield* fragile
      const queued = yield* enqueue(burst)
      const newer = yield* Layer.build(Layer.fresh(servicesWith({ definitions: [FragileMended] })))
      // A newer version of this process settles it just before our failure is told.
      const overtaken = changed({
        queue: ({ fail }) => ({
          fail: (options) => Effect.andThen(Effect.provide(Effect.orDie(processing(queued)), newer), fail(options))
        })
      })
      const result = yield* processing(queued).pipe(
        inAnotherProcess({ definitions: [Fragile] }),
        Effect.provide(overtaken)
      )
      assert.deepStrictEqual(yield* standingsOf(), ["Applied"])
      assert.deepInclude(result, { success: true })
    }).pipe(Effect.scoped, Effect.provide(memoryOfFragile()))
  )
})
