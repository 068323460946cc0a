/** `enqueueEvent`: an accepted event is stored and processed once; a refused one leaves no trace. */
import { assert, describe, it } from "@effect/vitest"
import { WakeUpChannelError, WorkflowEventProcessingModel, type Submission } from "@refold/core"
import { type SubmitOptions, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Array as Arr, Effect, Fiber, Metric, Stream } from "effect"
import { TestClock } from "effect/testing"
import { add } from "./Order.ts"
import {
  brokenStore,
  changed,
  elapse,
  entriesOf,
  eventsOf,
  inAnotherProcess,
  memory,
  orderOf,
  place,
  processAll,
  standingsOf
} from "./Services.ts"

const cancel: Submission = { event_name: "Cancelled", payload: null }

const enqueue = (submission: Submission, options: Partial<SubmitOptions> = {}) =>
  TypeScriptWorkflowRuntime.use((runtime) => runtime.enqueueEvent({ ...place(), submission, ...options }))

const enqueueAll = (...all: readonly [SubmitOptions, ...Array<SubmitOptions>]) =>
  TypeScriptWorkflowRuntime.use((runtime) => runtime.enqueueEvents(all))

const submit = (submission: Submission, options: Partial<SubmitOptions> = {}) =>
  TypeScriptWorkflowRuntime.use((runtime) => runtime.submitEvent({ ...place(), submission, ...options }))

const everyEntry = Effect.flatMap(WorkflowEventProcessingModel, (queue) =>
  Stream.runCollect(queue.list({ statuses: ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] }))
)

describe("enqueueEvent", () => {
  it.effect("keeps the event with all that it says, in its place, and appends nothing yet", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* TestClock.adjust("1 hour")
      const submission: Submission = {
        ...add(5, "ink"),
        user_id: "ann",
        event_type: "manual",
        to_state: "Draft",
        metadata: { correlation_id: "c-1" }
      }
      const first = yield* enqueue(submission, { idempotencyKey: "k" })
      const second = yield* enqueue(add(6))
      const [one, two] = yield* entriesOf()
      assert.deepStrictEqual(one, {
        ...place(),
        ...first,
        submission,
        idempotencyKey: "k",
        queuePosition: 1,
        queuedAt: "1970-01-01T01:00:00.000Z",
        attemptCount: 0,
        status: { _tag: "Pending" }
      })
      assert.deepInclude(two, { ...second, queuePosition: 2 })
      assert.strictEqual((yield* eventsOf()).length, 1)

      yield* processAll()
      const [, event] = yield* eventsOf()
      assert.deepInclude(event, {
        event_id: first.eventId,
        event_name: "Added",
        event_type: "manual",
        user_id: "ann",
        payload: { cents: 5, sku: "ink" },
        metadata: { correlation_id: "c-1" }
      })
    }).pipe(Effect.provide(memory()))
  )

  const long = "x".repeat(256)
  const key = { idempotencyKey: "k" }

  it.effect.each<[string, Submission, Partial<SubmitOptions>, string]>([
    ["an execution that is not there", add(1), { executionId: "none" }, "ExecutionNotFound"],
    ["another tenant's execution", add(1), { tenant: "rival" }, "ExecutionNotFound"],
    ["no tenant", add(1), { tenant: "" }, "InvalidInput"],
    ["a tenant with NUL", add(1), { tenant: "a\0b" }, "InvalidInput"],
    ["a tenant of 256 characters", add(1), { tenant: long }, "InvalidInput"],
    ["no execution id", add(1), { executionId: "" }, "InvalidInput"],
    ["an execution id with half a surrogate pair", add(1), { executionId: "\ud83d" }, "InvalidInput"],
    ["an execution id of 256 characters", add(1), { executionId: long }, "InvalidInput"],
    ["an empty key", add(1), { idempotencyKey: "" }, "InvalidInput"],
    ["a key with NUL", add(1), { idempotencyKey: "\0" }, "InvalidInput"],
    ["a key of 256 characters", add(1), { idempotencyKey: long }, "InvalidInput"],
    ["an event nobody knows", { event_name: "Exploded" }, key, "PayloadInvalid"],
    ["an event name with NUL", { event_name: "Added\0" }, key, "InvalidInput"],
    ["no event name", { event_name: "" }, key, "InvalidInput"],
    ["a user id of 256 characters", { ...add(1), user_id: long }, key, "InvalidInput"],
    ["a target with NUL", { ...add(1), to_state: "\0" }, key, "InvalidInput"],
    ["an empty event type", { ...add(1), event_type: "" }, key, "InvalidInput"],
    ["a correlation id with NUL", { ...add(1), metadata: { correlation_id: "\0" } }, key, "InvalidInput"],
    ["a payload of a wrong type", { event_name: "Added", payload: { cents: "1", sku: "a" } }, key, "PayloadInvalid"],
    ["a key too many", { event_name: "Added", payload: { cents: 1, sku: "a", more: 1 } }, key, "PayloadInvalid"],
    ["no payload where there is one", { event_name: "Added" }, key, "PayloadInvalid"],
    ["a payload with NUL", add(1, "a\0b"), key, "PayloadInvalid"],
    ["a payload with half a surrogate pair", add(1, "\ud83d"), key, "PayloadInvalid"],
    ["a payload that is no finite number", { event_name: "Cancelled", payload: Number.NaN }, key, "PayloadInvalid"],
    ["300 KiB", add(1, "x".repeat(300 * 1024)), key, "PayloadInvalid"],
    ["an event for another workflow", { ...add(1), workflow: "invoice" }, key, "WorkflowMismatch"]
  ])("refuses %s, alone or among many, and keeps nothing", ([, submission, options, tag]) =>
    Effect.gen(function* () {
      yield* orderOf(0)
      assert.strictEqual((yield* Effect.flip(enqueue(submission, options)))._tag, tag)
      const good = { ...place(), submission: add(1) }
      const among = yield* Effect.flip(enqueueAll(good, { ...good, submission, ...options }, good))
      assert.strictEqual(among._tag, tag)
      assert.deepStrictEqual(yield* everyEntry, [])
      // The key is still free.
      yield* enqueue(add(1), key)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("refuses a completed execution, naming its state", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* submit(cancel)
      const error = yield* Effect.flip(enqueue(add(1)))
      assert.deepInclude(error, { _tag: "ExecutionComplete", currentState: "Dropped" })
      assert.deepStrictEqual(yield* everyEntry, [])
    }).pipe(Effect.provide(memory()))
  )

  it.effect("accepts what only the state can refuse; it is settled as rejected, and leaves no trace in the log", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* enqueue({ event_name: "Approved", payload: { by: "bob" } })
      yield* enqueue(add(1))
      yield* processAll()
      const [refused] = yield* entriesOf()
      assert.deepStrictEqual(refused?.status, {
        _tag: "Rejected",
        error: "TransitionRejected",
        reason: 'Execution "order-1" in state "Draft" does not accept Approved; it accepts Added, Placed, Cancelled',
        currentState: "Draft"
      })
      assert.deepStrictEqual(
        (yield* eventsOf()).map((event) => event.event_name),
        ["workflow.started", "Added"]
      )
    }).pipe(Effect.provide(memory()))
  )

  it.effect("keeps events whose workflow is not registered here, for those that know it", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* enqueue(add(1)).pipe(inAnotherProcess({ definitions: [] }))
      yield* processAll()
      assert.deepStrictEqual(yield* standingsOf(), ["Applied"])
    }).pipe(Effect.provide(memory()))
  )

  it.effect("counts what it keeps", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const counter = Metric.value(Metric.counter("refold_events_queued", { incremental: true }))
      const before = (yield* counter).count
      yield* enqueueAll({ ...place(), submission: add(1) }, { ...place(), submission: add(2) })
      assert.strictEqual((yield* counter).count - before, 2)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("fails when the store does, and keeps nothing", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const full = changed({ queue: () => ({ enqueue: () => Effect.fail(brokenStore) }) })
      const error = yield* enqueue(add(1)).pipe(inAnotherProcess(), Effect.provide(full), Effect.flip)
      assert.strictEqual(error._tag, "StoreError")
      assert.deepStrictEqual(yield* everyEntry, [])
    }).pipe(Effect.provide(memory()))
  )
})

describe("enqueueEvents", () => {
  it.effect("keeps many in their order, over several executions and tenants, and answers in it", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* orderOf(0, "order-2")
      const answers = yield* enqueueAll(
        { ...place(), submission: add(1) },
        { ...place("order-2"), submission: add(2) },
        { ...place(), submission: add(3) }
      )
      const [first, second] = [yield* entriesOf(), yield* entriesOf("order-2")]
      const ids = (entries: typeof first) => entries.map(({ eventId, processingId }) => ({ eventId, processingId }))
      assert.deepStrictEqual(ids(first), [answers[0], answers[2]])
      assert.deepStrictEqual(ids(second), [answers[1]])
      assert.strictEqual(new Set(answers.flatMap((each) => [each.eventId, each.processingId])).size, 6)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("takes a key that is repeated among them as one event, and other contents under it as a conflict", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const keyed = { ...place(), submission: add(1), idempotencyKey: "k" }
      const [first, other, again] = yield* enqueueAll(keyed, { ...place(), submission: add(2) }, keyed)
      assert.deepStrictEqual(again, first)
      assert.notDeepEqual(other, first)
      assert.strictEqual((yield* entriesOf()).length, 2)
      const error = yield* Effect.flip(enqueueAll({ ...keyed, idempotencyKey: "l" }, { ...keyed, submission: add(2) }))
      assert.strictEqual(error._tag, "IdempotencyConflict")
      assert.strictEqual((yield* entriesOf()).length, 2)
    }).pipe(Effect.provide(memory()))
  )
})

describe("enqueueEvent with an idempotency key", () => {
  const keyed = { idempotencyKey: "k" }

  it.effect("always gives the first answer: while it waits, when it is applied, and when all is complete", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const first = yield* enqueue(add(5), keyed)
      assert.deepStrictEqual(yield* enqueue(add(5), keyed), first)
      yield* processAll()
      assert.deepStrictEqual(yield* enqueue(add(5), keyed), first)
      yield* enqueue(cancel)
      yield* processAll()
      assert.deepStrictEqual(yield* enqueue(add(5), keyed), first)
      assert.deepStrictEqual(yield* enqueue(add(5), keyed).pipe(inAnotherProcess()), first)
      assert.deepStrictEqual(yield* standingsOf(), ["Applied", "Applied"])
      assert.strictEqual((yield* eventsOf()).length, 3)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("gives the first answer also for what was rejected", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const approved: Submission = { event_name: "Approved", payload: { by: "bob" } }
      const first = yield* enqueue(approved, keyed)
      yield* processAll()
      assert.deepStrictEqual(yield* enqueue(approved, keyed), first)
      assert.deepStrictEqual(yield* standingsOf(), ["Rejected"])
    }).pipe(Effect.provide(memory()))
  )

  it.effect.each<[string, Submission]>([
    ["payload", add(6)],
    ["event", cancel],
    ["user", { ...add(5), user_id: "ann" }],
    ["type", { ...add(5), event_type: "manual" }],
    ["target", { ...add(5), to_state: "Review" }]
  ])("refuses another %s under the same key, before and after processing and completion", ([, other]) =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const first = yield* enqueue({ ...add(5), to_state: "Draft" }, keyed)
      const refused = Effect.map(Effect.flip(enqueue(other, keyed)), (error) =>
        assert.deepInclude(error, { _tag: "IdempotencyConflict", executionId: "order-1", idempotencyKey: "k" })
      )
      yield* refused
      yield* processAll()
      yield* refused
      yield* submit(cancel)
      yield* refused
      assert.deepStrictEqual(yield* enqueue(add(5), keyed), first)
      assert.strictEqual((yield* entriesOf()).length, 1)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("knows the same request in other words: with or without workflow and target, submitted or queued", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const { workflow: _workflow, ...plain } = add(5)
      const spellings: ReadonlyArray<Submission> = [plain, add(5), { ...plain, to_state: "Draft" }]
      const first = yield* enqueue(plain, keyed)
      for (const each of spellings) assert.deepStrictEqual(yield* enqueue(each, keyed), first)
      yield* processAll()
      for (const each of spellings) {
        assert.deepStrictEqual(yield* enqueue(each, keyed), first)
        assert.strictEqual((yield* submit(each, keyed)).position, 2)
      }
      assert.strictEqual((yield* eventsOf()).length, 2)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("refuses a request made for another workflow under a known key", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const { workflow: _workflow, ...plain } = add(5)
      yield* enqueue(plain, keyed)
      const error = yield* Effect.flip(enqueue({ ...plain, workflow: "invoice" }, keyed))
      assert.strictEqual(error._tag, "WorkflowMismatch")
    }).pipe(Effect.provide(memory()))
  )

  it.effect("a key of one execution says nothing about another", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* orderOf(0, "order-2")
      const first = yield* enqueue(add(5), keyed)
      assert.notDeepEqual(yield* enqueue(add(6), { ...keyed, executionId: "order-2" }), first)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("enqueued many times at once it is one event, and all get the same answer", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const all = yield* Effect.all(
        Array.from({ length: 16 }, () => enqueue(add(5), keyed)),
        { concurrency: "unbounded" }
      )
      for (const each of all) assert.deepStrictEqual(each, all[0])
      yield* processAll()
      assert.strictEqual((yield* eventsOf()).length, 2)
    }).pipe(Effect.provide(memory()))
  )

  describe("that a submission uses as well", () => {
    it.effect("after it was enqueued: one event, at which the queued one is settled", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* enqueue(add(5), keyed)
        const state = yield* submit(add(5), keyed)
        assert.strictEqual(state.position, 2)
        yield* enqueue(add(6))
        yield* processAll()
        const [first, second] = yield* entriesOf()
        assert.deepStrictEqual(first?.status, {
          _tag: "Applied",
          position: 2,
          previousState: "Draft",
          currentState: "Draft",
          actionsExecuted: []
        })
        assert.deepInclude(second?.status, { _tag: "Applied", position: 3 })
        assert.strictEqual((yield* eventsOf()).length, 3)
        assert.deepStrictEqual(yield* submit(add(5), keyed), state)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("before it was enqueued: one event, at which the queued one is settled", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* submit(add(5), keyed)
        yield* enqueue(add(5), keyed)
        yield* processAll()
        assert.deepInclude((yield* entriesOf())[0]?.status, { _tag: "Applied", position: 2 })
        assert.strictEqual((yield* eventsOf()).length, 2)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("after it was processed: the submission gets the state that it led to", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* enqueue(add(5), keyed)
        yield* processAll()
        yield* submit(add(7))
        const state = yield* submit(add(5), keyed)
        assert.deepStrictEqual([state.position, state.data], [2, { cents: 5, skus: ["pen"] }])
        assert.strictEqual((yield* eventsOf()).length, 3)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("for another request: the queued one is rejected, and the log holds the submitted one", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* enqueue(add(5), keyed)
        yield* submit(add(6), keyed)
        yield* processAll()
        assert.deepInclude((yield* entriesOf())[0]?.status, { _tag: "Rejected", error: "IdempotencyConflict" })
        assert.deepStrictEqual(
          (yield* eventsOf()).map((event) => event.payload),
          [
            { cents: 0, skus: [] },
            { cents: 6, sku: "pen" }
          ]
        )
      }).pipe(Effect.provide(memory()))
    )

    it.effect("that had completed the execution: it is queued still, and settled at the position of the first", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* submit(cancel, keyed)
        yield* enqueue(cancel, keyed)
        yield* processAll()
        assert.deepInclude((yield* entriesOf())[0]?.status, { _tag: "Applied", position: 2 })
        assert.strictEqual((yield* eventsOf()).length, 2)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("that completed the execution: the queued one is settled at its position, not refused", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* enqueue(cancel, keyed)
        yield* submit(cancel, keyed)
        yield* processAll()
        assert.deepInclude((yield* entriesOf())[0]?.status, { _tag: "Applied", position: 2 })
        assert.strictEqual((yield* eventsOf()).length, 2)
      }).pipe(Effect.provide(memory()))
    )
  })
})

describe("enqueueEvent while the stream does not work", () => {
  const down = new WakeUpChannelError({ operation: "A test", reason: { _tag: "Unavailable", isRetryable: true } })

  it.effect.each([
    ["fails", Effect.fail(down)],
    ["never answers", Effect.never],
    ["dies", Effect.die("a bug")]
  ] as const)("answers at once, keeps all, and lets its process end, where publishing %s", ([, publish]) =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const broken = changed({ stream: () => ({ publish: () => publish }) })
      const answered = yield* Effect.forEach(Arr.range(1, 50), (cents) => enqueue(add(cents))).pipe(
        inAnotherProcess(),
        Effect.provide(broken),
        Effect.forkChild
      )
      // Closing waits for a last attempt.
      yield* elapse(answered, "20 seconds")
      assert.strictEqual((yield* Fiber.join(answered)).length, 50)
      assert.strictEqual((yield* entriesOf()).length, 50)
      yield* processAll()
      assert.strictEqual((yield* eventsOf()).length, 51)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("publishes again once it works, one wake-up for each execution", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* orderOf(0, "order-2")
      const published: Array<ReadonlyArray<string>> = []
      let isDown = true
      const recovering = changed({
        stream: ({ publish }) => ({
          publish: (wakeUps) =>
            Effect.suspend(() => {
              if (isDown) return Effect.fail(down)
              published.push(wakeUps.map((each) => each.executionId))
              return publish(wakeUps)
            })
        })
      })
      yield* Effect.gen(function* () {
        yield* enqueue(add(1))
        yield* TestClock.adjust("1 second")
        isDown = false
        yield* enqueueAll(
          { ...place(), submission: add(2) },
          { ...place("order-2"), submission: add(3) },
          { ...place(), submission: add(4) }
        )
        yield* TestClock.adjust("1 second")
      }).pipe(inAnotherProcess(), Effect.provide(recovering))
      assert.deepStrictEqual(published, [["order-1", "order-2"]])
    }).pipe(Effect.provide(memory()))
  )
})
