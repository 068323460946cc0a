/** `submitEvent`: an accepted event is appended and its state returned; a refused one leaves no trace. */
import { assert, describe, it } from "@effect/vitest"
import { Commit, type Submission } from "@refold/core"
import { TypeScriptWorkflowRuntime, type SubmitOptions, maxSubmitAttempts } from "@refold/runtime"
import { Array as Arr, Effect, Fiber, Layer, Metric, Result } from "effect"
import { TestClock } from "effect/testing"
import { Order, OrderTwo, add } from "./Order.ts"
import {
  brokenStore,
  changed,
  eventsOf,
  inAnotherProcess,
  memory,
  memoryPorts,
  orderOf,
  place,
  servicesWith
} from "./Services.ts"

const submit = (submission: Submission, options: Partial<SubmitOptions> = {}) =>
  TypeScriptWorkflowRuntime.use((runtime) => runtime.submitEvent({ ...place(), submission, ...options }))

const open = (executionId = "open-1") =>
  TypeScriptWorkflowRuntime.use((runtime) =>
    runtime.startWorkflow({ ...place(executionId), workflow: { name: "anything" } })
  )

const submitOpen = (payload: Parameters<typeof submit>[0]["payload"]) =>
  submit({ event_name: "Noted", ...(payload === undefined ? {} : { payload }) }, { executionId: "open-1" })

const rejected = Metric.value(Metric.counter("refold_submissions_rejected", { incremental: true }))

describe("submitEvent", () => {
  it.effect("appends the event with all that it says, and returns the state it led to", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* TestClock.adjust("1 hour")
      const state = yield* submit({
        ...add(5, "ink"),
        user_id: "ann",
        event_type: "manual",
        metadata: { correlation_id: "c-1" }
      })
      assert.strictEqual(state.position, 2)
      assert.deepStrictEqual(state.data, { cents: 5, skus: ["ink"] })
      assert.strictEqual(state.updatedAt, "1970-01-01T01:00:00.000Z")
      assert.deepInclude((yield* eventsOf())[1], {
        event_name: "Added",
        event_type: "manual",
        from_state: "Draft",
        to_state: "Draft",
        user_id: "ann",
        payload: { cents: 5, sku: "ink" },
        created_at: "1970-01-01T01:00:00.000Z",
        recorded_at: "1970-01-01T01:00:00.000Z",
        metadata: { correlation_id: "c-1" }
      })
    }).pipe(Effect.provide(memory()))
  )

  it.effect.each<[string, Submission, string]>([
    ["an event of another state", { event_name: "Approved", payload: { by: "bob" } }, "TransitionRejected"],
    ["an event whose guard fails", { event_name: "Placed", payload: {} }, "TransitionRejected"],
    ["an event nobody knows", { event_name: "Exploded" }, "TransitionRejected"],
    ["another target", { ...add(1), to_state: "Done" }, "TransitionRejected"],
    ["a payload of a wrong type", { event_name: "Added", payload: { cents: "1", sku: "a" } }, "PayloadInvalid"],
    ["no payload where there is one", { event_name: "Added" }, "PayloadInvalid"],
    ["an event name with NUL", { event_name: "Added\0" }, "InvalidInput"],
    ["an event for another workflow", { ...add(1), workflow: "invoice" }, "WorkflowMismatch"]
  ])("refuses %s, and leaves no trace", ([, submission, tag]) =>
    Effect.gen(function* () {
      const before = yield* orderOf(0)
      const error = yield* Effect.flip(submit(submission, { idempotencyKey: "k" }))
      assert.strictEqual(error._tag, tag)
      assert.strictEqual((yield* eventsOf()).length, 1)
      const runtime = yield* TypeScriptWorkflowRuntime
      assert.deepStrictEqual(yield* runtime.getExecutionState(place()), before)
      // The key is still free.
      assert.strictEqual((yield* submit(add(1), { idempotencyKey: "k" })).position, 2)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("a rejection names what is allowed, and is counted", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const before = (yield* rejected).count
      const error = yield* Effect.flip(submit({ event_name: "Approved", payload: { by: "bob" } }))
      assert.strictEqual(
        error.message,
        'Execution "order-1" in state "Draft" does not accept Approved; it accepts Added, Placed, Cancelled'
      )
      assert.strictEqual((yield* rejected).count - before, 1)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("a complete execution accepts nothing more", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      yield* submit({ event_name: "Placed", payload: {} })
      const done = yield* submit({ event_name: "Approved", payload: { by: "bob" } })
      assert.isTrue(done.isComplete)
      const error = yield* Effect.flip(submit(add(1)))
      assert.strictEqual(error._tag, "ExecutionComplete")
      assert.strictEqual((yield* eventsOf()).length, 4)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("an execution that is not there, or another tenant's, is not found", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      assert.strictEqual((yield* Effect.flip(submit(add(1), { executionId: "none" })))._tag, "ExecutionNotFound")
      assert.strictEqual((yield* Effect.flip(submit(add(1), { tenant: "rival" })))._tag, "ExecutionNotFound")
      assert.strictEqual((yield* Effect.flip(submit(add(1), { tenant: "" })))._tag, "InvalidInput")
    }).pipe(Effect.provide(memory()))
  )

  it.effect("decides by the version that the execution was started with", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      const state = yield* submit({ event_name: "Placed", payload: {} })
      assert.strictEqual(state.currentState, "Review")
    }).pipe(Effect.provide(memory({ definitions: [OrderTwo, Order] })))
  )

  describe("payload rules", () => {
    const cycle: { [key: string]: unknown } = {}
    cycle["self"] = cycle
    /** Input of a caller without types, as if it had been checked. */
    const isTyped = (_submission: unknown): _submission is Submission => true
    const fromJavaScript = (payload: unknown): Submission => {
      const submission: unknown = { event_name: "Noted", payload }
      return isTyped(submission) ? submission : { event_name: "Noted" }
    }

    it.effect.each<[string, unknown, string]>([
      ["NUL", { text: "a\0b" }, "/text"],
      ["NUL in a key", { "a\0": 1 }, "/a\0"],
      ["a lone surrogate", { deep: [{ text: "\ud83d" }] }, "/deep/0/text"],
      ["a key __proto__", JSON.parse('{"__proto__":{"admin":true}}'), "/__proto__"],
      ["NaN", { ratio: Number.NaN }, "/ratio"],
      ["Infinity", { ratio: Number.POSITIVE_INFINITY }, "/ratio"],
      ["a cycle", cycle, "/self"],
      ["a bigint", { id: 1n }, "/id"],
      ["a Date", { at: new Date(0) }, "/at"],
      ["undefined", { gone: undefined }, "/gone"],
      ["a function", { run: () => 1 }, "/run"],
      ["a text, where an open workflow merges", "text", ""],
      ["300 KiB", { text: "x".repeat(300 * 1024) }, ""]
    ])("refuses %s by its path, with a key in use or not", ([, payload, path]) =>
      Effect.gen(function* () {
        yield* open()
        const options = { executionId: "open-1", idempotencyKey: "k" }
        const error = yield* Effect.flip(submit(fromJavaScript(payload), options))
        if (error._tag !== "PayloadInvalid") return assert.fail(error.message)
        assert.isTrue(error.path.startsWith(path))
        assert.strictEqual((yield* eventsOf("open-1")).length, 1)

        yield* submit({ event_name: "Noted", payload: {} }, options)
        const used = yield* Effect.flip(submit(fromJavaScript(payload), options))
        assert.include(["PayloadInvalid", "IdempotencyConflict"], used._tag)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("accepts odd keys and texts, and gives them back as they were", () =>
      Effect.gen(function* () {
        yield* open()
        const payload = { constructor: "c", toString: 1, hasOwnProperty: null, "": [[]], "😀": "\u2028 \\ \" ' %" }
        const { data } = yield* submitOpen(payload)
        assert.deepStrictEqual(data, payload)
        assert.deepStrictEqual((yield* eventsOf("open-1"))[1]?.payload, payload)
        assert.isUndefined(Reflect.get({}, "c"))
      }).pipe(Effect.provide(memory()))
    )

    it.effect("the bound is the one that the layer was given, in bytes of JSON", () =>
      Effect.gen(function* () {
        yield* open()
        assert.strictEqual((yield* submitOpen({ a: "é" })).position, 2)
        assert.strictEqual((yield* Effect.flip(submitOpen({ a: "éé" })))._tag, "PayloadInvalid")
      }).pipe(Effect.provide(memory({ maxPayloadBytes: 10 })))
    )

    it.effect("what the caller does to its payload afterwards changes nothing", () =>
      Effect.gen(function* () {
        yield* open()
        const payload = { list: [1] }
        yield* submitOpen(payload)
        payload.list.push(2)
        const runtime = yield* TypeScriptWorkflowRuntime
        assert.deepStrictEqual((yield* runtime.getExecutionState(place("open-1"))).data, { list: [1] })
      }).pipe(Effect.provide(memory()))
    )
  })

  describe("with an idempotency key", () => {
    const keyed = { idempotencyKey: "k" }

    it.effect("gives the first result ever after, also after further events and completion", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        const first = yield* submit(add(5), keyed)
        assert.deepStrictEqual(yield* submit(add(5), keyed), first)
        yield* submit(add(6))
        yield* submit({ event_name: "Cancelled", payload: null })
        assert.deepStrictEqual(yield* submit(add(5), keyed), first)
        assert.deepStrictEqual(yield* submit(add(5), keyed).pipe(inAnotherProcess()), first)
        assert.strictEqual((yield* eventsOf()).length, 4)
      }).pipe(Effect.provide(memory({ policy: { _tag: "Every", eventCount: 2 } })))
    )

    it.effect("takes the same payload in another order of keys for the same request", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        const first = yield* submit({ event_name: "Added", payload: { cents: 1, sku: "a" } }, keyed)
        const again = yield* submit({ event_name: "Added", payload: { sku: "a", cents: 1 } }, keyed)
        assert.deepStrictEqual(again, first)
      }).pipe(Effect.provide(memory()))
    )

    it.effect.each<[string, Submission]>([
      ["payload", add(6)],
      ["event", { event_name: "Cancelled", payload: { cents: 5, sku: "pen" } }],
      ["user", { ...add(5), user_id: "ann" }],
      ["type", { ...add(5), event_type: "manual" }],
      ["target", { ...add(5), to_state: "Review" }],
      ["workflow", { ...add(5), workflow: "invoice" }]
    ])("refuses another %s under the same key", ([, other]) =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* submit(add(5), keyed)
        const error = yield* Effect.flip(submit(other, keyed))
        assert.strictEqual(error._tag, "IdempotencyConflict")
        assert.strictEqual((yield* eventsOf()).length, 2)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("a key of one execution says nothing about another", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* orderOf(0, "order-2")
        yield* submit(add(5), keyed)
        assert.strictEqual((yield* submit(add(6), { ...keyed, executionId: "order-2" })).position, 2)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("submitted many times at once it is appended once, and all get the same state", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        const submits = Array.from({ length: 8 }, () => submit(add(5), keyed))
        const all = yield* Effect.forkChild(Effect.all(submits, { concurrency: "unbounded" }))
        yield* TestClock.adjust("1 minute")
        const states = yield* Fiber.join(all)
        for (const state of states) assert.deepStrictEqual(state, states[0])
        assert.strictEqual((yield* eventsOf()).length, 2)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("a rival that uses the key between our two reads is seen", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        let rivals = 0
        // Before each read, a rival completes a whole submission.
        const rival = Effect.suspend(() => (rivals++ === 1 ? Effect.orDie(submit(add(5), keyed)) : Effect.void))
        const context = yield* Effect.context<TypeScriptWorkflowRuntime>()
        const interleaved = changed({
          executions: ({ find }) => ({
            find: (options) => Effect.andThen(Effect.provideContext(rival, context), find(options))
          }),
          events: ({ findByIdempotencyKey }) => ({
            findByIdempotencyKey: (options) =>
              Effect.andThen(Effect.provideContext(rival, context), findByIdempotencyKey(options))
          })
        })
        const ours = yield* submit(add(5), keyed).pipe(
          inAnotherProcess(),
          Effect.provide(interleaved),
          Effect.forkChild
        )
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(ours)).position, 2)
        assert.strictEqual((yield* eventsOf()).length, 2)
      }).pipe(Effect.provide(memory()))
    )
  })

  describe("against faster writers", () => {
    /** A rival adds an item before each of the first `count` commits. */
    const overtaken = Effect.fnUntraced(function* (count: number) {
      const context = yield* Effect.context<TypeScriptWorkflowRuntime>()
      let attemptCount = 0
      const layer = changed({
        events: ({ commit }) => ({
          commit: (commits) =>
            Effect.suspend(() => {
              attemptCount += 1
              const rival = attemptCount <= count ? Effect.orDie(submit(add(1, "rival"))) : Effect.void
              return Effect.andThen(Effect.provideContext(rival, context), commit(commits))
            })
        })
      })
      return { layer, attempts: () => attemptCount }
    })

    it.effect("decides anew on the newer state", () =>
      Effect.gen(function* () {
        yield* orderOf(1)
        const { attempts, layer } = yield* overtaken(3)
        const ours = yield* submit(add(10)).pipe(inAnotherProcess(), Effect.provide(layer), Effect.forkChild)
        yield* TestClock.adjust("1 minute")
        const state = yield* Fiber.join(ours)
        assert.strictEqual(attempts(), 4)
        assert.strictEqual(state.position, 6)
        assert.deepStrictEqual(state.data, { cents: 14, skus: ["pen", "rival", "rival", "rival", "pen"] })
      }).pipe(Effect.provide(memory()))
    )

    it.effect("rejects what the newer state does not accept", () =>
      Effect.gen(function* () {
        yield* orderOf(1)
        const context = yield* Effect.context<TypeScriptWorkflowRuntime>()
        const cancelled = changed({
          events: ({ commit }) => ({
            commit: (commits) =>
              Effect.andThen(
                Effect.provideContext(Effect.ignore(submit({ event_name: "Cancelled", payload: null })), context),
                commit(commits)
              )
          })
        })
        const ours = yield* submit(add(10)).pipe(
          inAnotherProcess(),
          Effect.provide(cancelled),
          Effect.flip,
          Effect.forkChild
        )
        yield* TestClock.adjust("1 minute")
        assert.strictEqual((yield* Fiber.join(ours))._tag, "ExecutionComplete")
        assert.strictEqual((yield* eventsOf()).length, 3)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("gives up after so many attempts, having written nothing", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        let attemptCount = 0
        const contended = changed({
          events: () => ({
            commit: (commits) => {
              attemptCount += 1
              return Effect.succeed(
                Arr.map(commits, ({ executionId, expectedPosition, tenant }) =>
                  Result.fail(
                    new Commit.PositionConflict({
                      tenant,
                      executionId,
                      expected: expectedPosition,
                      actual: expectedPosition + 1
                    })
                  )
                )
              )
            }
          })
        })
        const ours = yield* submit(add(1)).pipe(
          inAnotherProcess(),
          Effect.provide(contended),
          Effect.flip,
          Effect.forkChild
        )
        yield* TestClock.adjust("1 minute")
        const error = yield* Fiber.join(ours)
        if (error._tag !== "ExecutionContended") return assert.fail(error.message)
        assert.strictEqual(error.attemptCount, maxSubmitAttempts)
        assert.strictEqual(attemptCount, maxSubmitAttempts)
        assert.strictEqual((yield* eventsOf()).length, 1)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("many different submissions at once are all appended, each once", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        const all = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 6 }, (_, place) => submit(add(1, `sku-${place}`))),
            { concurrency: "unbounded" }
          )
        )
        yield* TestClock.adjust("1 minute")
        const states = yield* Fiber.join(all)
        assert.deepStrictEqual(new Set(states.map((state) => state.position)), new Set([2, 3, 4, 5, 6, 7]))
        const positions = (yield* eventsOf()).map((event) => event.position)
        assert.deepStrictEqual(positions, [1, 2, 3, 4, 5, 6, 7])
      }).pipe(Effect.provide(memory()))
    )
  })

  describe("on a state that it remembers", () => {
    it.effect("reads nothing, and goes on where it stopped", () => {
      let reads = 0
      const counting = changed({
        executions: (executions) => ({
          find: (options) => Effect.suspend(() => (reads++, executions.find(options)))
        })
      })
      return Effect.gen(function* () {
        yield* orderOf(1)
        const readsBefore = reads
        const state = yield* submit(add(7))
        assert.deepStrictEqual([state.position, reads - readsBefore], [3, 0])
        assert.deepStrictEqual((yield* TypeScriptWorkflowRuntime.use((own) => own.getExecutionState(place()))).data, {
          cents: 8,
          skus: ["pen", "pen"]
        })
      }).pipe(Effect.provide(servicesWith().pipe(Layer.provideMerge(counting), Layer.provide(memoryPorts))))
    })

    it.effect("accepts what only the newer state of another process accepts", () =>
      Effect.gen(function* () {
        yield* orderOf(1)
        yield* submit({ event_name: "Placed", payload: {} }).pipe(inAnotherProcess())
        const state = yield* submit({ event_name: "Approved", payload: { by: "bob" } })
        assert.deepStrictEqual([state.currentState, state.position], ["Done", 4])
      }).pipe(Effect.provide(memory()))
    )

    it.effect("forgets it when another process was faster, and decides on what that one wrote", () =>
      Effect.gen(function* () {
        yield* orderOf(1)
        yield* submit(add(10, "theirs")).pipe(inAnotherProcess())
        const state = yield* submit(add(100, "ours"))
        assert.deepStrictEqual(state.data, { cents: 111, skus: ["pen", "theirs", "ours"] })
        assert.strictEqual(state.position, 4)
      }).pipe(Effect.provide(memory()))
    )

    it.effect("what a caller does to a state that it was given cannot change the next decision", () =>
      Effect.gen(function* () {
        const state = yield* orderOf(1)
        assert.isTrue(Object.isFrozen(state.data))
        assert.isTrue(Object.isFrozen(Object(state.data).skus))
        assert.throws(() => Object.assign(Object(state.data), { cents: 1_000_000 }), TypeError)
        assert.deepInclude((yield* submit(add(1))).data, { cents: 2 })
      }).pipe(Effect.provide(memory()))
    )
  })

  it.effect("a store that fails is the caller's to see, and is not tried again", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      let attemptCount = 0
      const full = changed({
        events: () => ({
          commit: () => {
            attemptCount += 1
            return Effect.fail(brokenStore)
          }
        })
      })
      const error = yield* submit(add(1)).pipe(inAnotherProcess(), Effect.provide(full), Effect.flip)
      assert.strictEqual(error._tag, "StoreError")
      assert.strictEqual(attemptCount, 1)
      assert.strictEqual((yield* eventsOf()).length, 1)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("events of one execution never go back in time, though the clock does", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2025, 0, 1))
      yield* orderOf(0)
      yield* TestClock.setTime(Date.UTC(2024, 0, 1))
      yield* submit(add(1))
      assert.deepStrictEqual(
        (yield* eventsOf()).map((event) => event.created_at),
        ["2025-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"]
      )
    }).pipe(Effect.provide(memory()))
  )
})
