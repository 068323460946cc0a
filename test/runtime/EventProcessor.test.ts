/** The processor handles each execution separately, each event once and in queue order, under failures. */
import { assert, describe, it } from "@effect/vitest"
import { type FailurePolicy, StoreError, type Submission, Workflow, WorkflowEventProcessingModel } from "@refold/core"
import { EventProcessor, TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Array as Arr, Duration, Effect, Fiber, Layer, Metric, Ref, Schema, Tracer } from "effect"
import { TestClock } from "effect/testing"
import { Fragile, FragileMended, added, burst, guarded } from "./Fragile.ts"
import {
  brokenStore,
  changed,
  entriesOf,
  eventsOf,
  findDue,
  inAnotherProcess,
  memory,
  place,
  processAll,
  servicesWith,
  standingsOf
} from "./Services.ts"

const start = Effect.fnUntraced(function* (...executionIds: ReadonlyArray<string>) {
  const runtime = yield* TypeScriptWorkflowRuntime
  yield* Effect.forEach(executionIds, (id) => runtime.startWorkflow({ ...place(id), workflow: Fragile }))
})

const enqueue = Effect.fnUntraced(function* (executionId: string, ...submissions: ReadonlyArray<Submission>) {
  const runtime = yield* TypeScriptWorkflowRuntime
  return yield* Effect.forEach(submissions, (submission) => runtime.enqueueEvent({ ...place(executionId), submission }))
})

const submit = (executionId: string, submission: Submission, idempotencyKey?: string) =>
  TypeScriptWorkflowRuntime.use((runtime) =>
    runtime.submitEvent({
      ...place(executionId),
      submission,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey })
    })
  )

const pass = (...executionIds: readonly [string, ...Array<string>]) =>
  EventProcessor.use((processor) =>
    processor.process({ executions: Arr.map(executionIds, (id) => place(id)), limit: 16 })
  )

const payloadsOf = (executionId: string) =>
  Effect.map(eventsOf(executionId), (events) => events.slice(1).map((event) => event.payload))

const sumOf = (executionId: string) =>
  TypeScriptWorkflowRuntime.use((runtime) =>
    Effect.map(runtime.getExecutionState(place(executionId)), ({ data }) => data)
  )

const policy: FailurePolicy.FailurePolicy = {
  maxAttempts: 3,
  firstDelay: Duration.seconds(1),
  maxDelay: Duration.seconds(10),
  afterLast: "block"
}
const fragile = (failurePolicy = policy) => memory({ definitions: [Fragile], failurePolicy })
const mended = inAnotherProcess({ definitions: [FragileMended], failurePolicy: policy })

/** Processes due events and advances the clock, until the retries are over. */
const persist = Effect.gen(function* () {
  for (let second = 0; second < 60; second++) {
    yield* processAll()
    yield* TestClock.adjust("1 second")
  }
})

describe("EventProcessor", () => {
  it.effect("gives each execution one pass, of many events in one commit", () =>
    Effect.gen(function* () {
      yield* start("a", "b", "c")
      yield* enqueue("a", ...Arr.makeBy(20, added))
      yield* enqueue("b", added(1))
      const commitSizes: Array<number> = []
      const counting = changed({
        events: ({ commit }) => ({
          commit: (commits) => {
            commitSizes.push(commits.length)
            return commit(commits)
          }
        })
      })
      const outcomes = yield* pass("a", "b", "c").pipe(
        inAnotherProcess({ definitions: [Fragile] }),
        Effect.provide(counting)
      )
      assert.deepStrictEqual(outcomes, [
        { ...place("a"), outcome: { _tag: "Settled", hasMore: true } },
        { ...place("b"), outcome: { _tag: "Settled", hasMore: false } }
      ])
      assert.deepStrictEqual(commitSizes, [2])
      assert.strictEqual((yield* eventsOf("a")).length, 17)
      assert.strictEqual((yield* eventsOf("b")).length, 2)
    }).pipe(Effect.provide(fragile()))
  )

  it.effect("goes on where a cached state is behind what others wrote, in this process or another", () =>
    Effect.gen(function* () {
      yield* start("a")
      yield* enqueue("a", added(1))
      yield* pass("a")
      yield* submit("a", added(2))
      yield* enqueue("a", added(3))
      yield* pass("a").pipe(inAnotherProcess({ definitions: [Fragile] }))
      yield* enqueue("a", added(4))
      yield* pass("a")
      assert.deepStrictEqual(yield* sumOf("a"), { sum: 10 })
      assert.deepStrictEqual(
        (yield* eventsOf("a")).map((event) => event.position),
        [1, 2, 3, 4, 5]
      )
    }).pipe(Effect.provide(fragile()))
  )

  describe("of an event that throws", () => {
    it.effect.each([
      ["evolve", burst, "TypeError: evolve is broken"],
      ["a guard", guarded, "TypeError: the guard is broken"]
    ] as const)("in %s: retries, then a dead letter with the cause; neighbours are unharmed", ([, poison, cause]) =>
      Effect.gen(function* () {
        yield* start("a", "b", "c")
        yield* enqueue("a", added(1))
        yield* enqueue("b", added(1), poison, added(2))
        yield* enqueue("c", added(1))
        const outcomes = yield* pass("a", "b", "c")
        assert.deepStrictEqual(
          outcomes.map((each) => each.outcome._tag),
          ["Settled", "Settled", "Settled"]
        )
        assert.deepStrictEqual(yield* payloadsOf("b"), [{ by: 1 }])
        const [failed] = yield* pass("b")
        assert(failed?.outcome._tag === "Failed")
        assert.strictEqual(failed.outcome.cause, cause)
        const retryAfter = failed.outcome.retryAfter
        assert.isAtLeast(retryAfter === undefined ? 0 : Duration.toMillis(retryAfter), 750)
        assert.deepStrictEqual(yield* pass("b"), [])

        yield* persist
        assert.deepStrictEqual(yield* standingsOf("b"), ["Applied", "Dead", "Pending"])
        const [, dead] = yield* entriesOf("b")
        assert.deepInclude(dead, { status: { _tag: "Dead", cause }, attemptCount: 3 })
        assert.deepStrictEqual(yield* payloadsOf("b"), [{ by: 1 }])
        for (const id of ["a", "c"]) assert.deepStrictEqual(yield* standingsOf(id), ["Applied"])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect("by the policy that skips, its execution goes on without it", () =>
      Effect.gen(function* () {
        yield* start("a")
        yield* enqueue("a", added(1), burst, added(2), guarded, added(3))
        yield* persist
        assert.deepStrictEqual(yield* standingsOf("a"), ["Applied", "Skipped", "Applied", "Skipped", "Applied"])
        assert.deepStrictEqual(yield* sumOf("a"), { sum: 6 })
      }).pipe(Effect.provide(fragile({ ...policy, afterLast: "skip" })))
    )

    it.effect("redriven after the fix, it is applied in its place, before those behind it", () =>
      Effect.gen(function* () {
        yield* start("a")
        const [, poison] = yield* enqueue("a", added(1), burst, added(2))
        yield* persist
        assert(poison !== undefined)
        yield* WorkflowEventProcessingModel.use((queue) => queue.redrive({ ...place("a"), ...poison }))
        yield* processAll().pipe(mended)
        assert.deepStrictEqual(yield* standingsOf("a"), ["Applied", "Applied", "Applied"])
        assert.deepStrictEqual(yield* payloadsOf("a"), [{ by: 1 }, {}, { by: 2 }])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect("discarded, its execution goes on without it, and it leaves no trace in the log", () =>
      Effect.gen(function* () {
        yield* start("a")
        const [poison] = yield* enqueue("a", burst, added(2))
        yield* persist
        assert(poison !== undefined)
        yield* WorkflowEventProcessingModel.use((queue) => queue.discard({ ...place("a"), ...poison }))
        yield* processAll()
        assert.deepStrictEqual(yield* standingsOf("a"), ["Discarded", "Applied"])
        assert.deepStrictEqual(yield* payloadsOf("a"), [{ by: 2 }])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect("while the log is replayed: each execution whose log cannot be folded fails alone", () =>
      Effect.gen(function* () {
        yield* start("a", "b")
        yield* submit("b", burst).pipe(mended)
        yield* enqueue("a", added(1))
        yield* enqueue("b", added(1))
        const outcomes = yield* pass("a", "b").pipe(inAnotherProcess({ definitions: [Fragile], failurePolicy: policy }))
        assert.deepStrictEqual(Object.fromEntries(outcomes.map((each) => [each.executionId, each.outcome._tag])), {
          a: "Settled",
          b: "Failed"
        })
        yield* processAll().pipe(mended)
        assert.deepStrictEqual(yield* standingsOf("a"), ["Applied"])
      }).pipe(Effect.provide(fragile()))
    )
  })

  describe("of attempts that never ended", () => {
    const claimWithoutEnd = WorkflowEventProcessingModel.use((queue) =>
      queue.claim({ executions: [place("a")], limit: 16 })
    )

    it.effect(
      "counts them, and makes a dead letter of the event after the last; those behind it are not to blame",
      () =>
        Effect.gen(function* () {
          yield* start("a")
          yield* enqueue("a", added(1), added(2))
          for (let attempt = 1; attempt <= policy.maxAttempts; attempt++) yield* claimWithoutEnd
          yield* pass("a")
          const [dead, behind] = yield* entriesOf("a")
          assert.strictEqual(dead?.status._tag, "Dead")
          assert.include(dead?.status._tag === "Dead" ? dead.status.cause : "", "no attempt came to an end")
          assert.deepInclude(behind, { attemptCount: 0, status: { _tag: "Pending" } })
        }).pipe(Effect.provide(fragile()))
    )

    it.effect("gives the event all the attempts of the policy", () =>
      Effect.gen(function* () {
        yield* start("a")
        yield* enqueue("a", added(1), added(2))
        for (let attempt = 1; attempt < policy.maxAttempts; attempt++) yield* claimWithoutEnd
        yield* pass("a")
        assert.deepStrictEqual(yield* standingsOf("a"), ["Applied", "Pending"])
      }).pipe(Effect.provide(fragile()))
    )
  })

  it.effect("of a caller that gives up while the store hangs: blames no event however often", () =>
    Effect.gen(function* () {
      yield* start("a")
      yield* enqueue("a", added(1))
      const hanging = changed({ events: () => ({ commit: () => Effect.never }) })
      yield* Effect.gen(function* () {
        for (let count = 0; count < 20; count++) {
          const turning = yield* Effect.forkChild(Effect.timeout(pass("a"), "1 second"))
          yield* TestClock.adjust("1 second")
          assert.strictEqual((yield* Effect.flip(Fiber.join(turning)))._tag, "TimeoutError")
          assert.deepStrictEqual(yield* standingsOf("a"), ["Pending"])
        }
      }).pipe(inAnotherProcess({ definitions: [Fragile], failurePolicy: policy }), Effect.provide(hanging))
      yield* processAll()
      assert.deepStrictEqual(yield* standingsOf("a"), ["Applied"])
    }).pipe(Effect.provide(fragile()))
  )

  describe("of a store that fails", () => {
    const refused = new StoreError({ operation: "A test", reason: { _tag: "Refused", isRetryable: false } })
    const lost = new StoreError({ operation: "A test", reason: { _tag: "Unavailable", isRetryable: true } })

    it.effect("refuses one commit of many: only that execution fails", () =>
      Effect.gen(function* () {
        yield* start("a", "b", "c")
        for (const id of ["a", "b", "c"]) yield* enqueue(id, added(1))
        const refusing = changed({
          events: ({ commit }) => ({
            commit: (commits) =>
              commits.some((each) => each.executionId === "b") ? Effect.fail(refused) : commit(commits)
          })
        })
        const outcomes = yield* pass("a", "b", "c").pipe(
          inAnotherProcess({ definitions: [Fragile], failurePolicy: policy }),
          Effect.provide(refusing)
        )
        assert.deepStrictEqual(
          outcomes.map((each) => each.outcome._tag),
          ["Settled", "Failed", "Settled"]
        )
        assert.deepStrictEqual(yield* standingsOf("b"), ["Pending"])
        yield* TestClock.adjust("1 minute")
        yield* processAll()
        assert.deepStrictEqual(yield* standingsOf("b"), ["Applied"])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect.each([
      ["before it was made", false],
      ["after it was made", true]
    ] as const)("loses the connection in a commit, %s: it is made once", ([, isMade]) =>
      Effect.gen(function* () {
        yield* start("a", "b")
        yield* enqueue("a", added(1), { event_name: "Added", payload: { by: 2 } })
        yield* enqueue("b", added(3))
        const lossCount = yield* Ref.make(0)
        const losing = changed({
          events: ({ commit }) => ({
            commit: (commits) =>
              Effect.flatMap(
                Ref.getAndUpdate(lossCount, (count) => count + 1),
                (count) => {
                  if (count > 0) return commit(commits)
                  return isMade ? Effect.andThen(commit(commits), Effect.fail(lost)) : Effect.fail(lost)
                }
              )
          })
        })
        const turning = yield* pass("a", "b").pipe(
          inAnotherProcess({ definitions: [Fragile] }),
          Effect.provide(losing),
          Effect.forkChild
        )
        yield* TestClock.adjust("5 seconds")
        const outcomes = yield* Effect.fromNullishOr(turning.pollUnsafe()).pipe(Effect.flatMap((exit) => exit))
        assert.deepStrictEqual(
          outcomes.map((each) => each.outcome._tag),
          ["Settled", "Settled"]
        )
        assert.deepStrictEqual(yield* payloadsOf("a"), [{ by: 1 }, { by: 2 }])
        assert.deepStrictEqual(yield* payloadsOf("b"), [{ by: 3 }])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect("for an operator to mend: fails, blames no event however often, and works when it does again", () =>
      Effect.gen(function* () {
        yield* start("a")
        yield* enqueue("a", added(1))
        const full = changed({ events: () => ({ commit: () => Effect.fail(brokenStore) }) })
        yield* Effect.gen(function* () {
          for (let count = 0; count < 20; count++) {
            assert.strictEqual((yield* Effect.flip(pass("a")))._tag, "StoreError")
            assert.deepStrictEqual(yield* standingsOf("a"), ["Pending"])
          }
        }).pipe(inAnotherProcess({ definitions: [Fragile], failurePolicy: policy }), Effect.provide(full))
        yield* processAll()
        assert.deepStrictEqual(yield* standingsOf("a"), ["Applied"])
      }).pipe(Effect.provide(fragile()))
    )
  })

  describe("of an execution that another process has moved", () => {
    /** Its guard throws while nothing was added, as code that expects a first line may. */
    const Wary = Workflow.make({
      name: "wary",
      events: { Added: Schema.Struct({ by: Schema.Int }), Closed: Schema.Struct({}) },
      data: Schema.Struct({ sum: Schema.Int }),
      initial: { state: "Open", data: { sum: 0 } },
      states: {
        Open: {
          Added: "Open",
          Closed: {
            to: "Closed",
            guard: ({ sum }) => {
              if (sum === 0) throw new TypeError("nothing was added")
              return true
            }
          }
        },
        Closed: {}
      },
      evolve: { Added: (data, { by }) => ({ sum: data.sum + by }) }
    })

    it.effect("decides on the log before it blames the event: the state in memory may be stale", () =>
      Effect.gen(function* () {
        const runtime = yield* TypeScriptWorkflowRuntime
        for (const id of ["a", "b"]) yield* runtime.startWorkflow({ ...place(id), workflow: Wary })
        const elsewhere = inAnotherProcess({ definitions: [Wary] })
        yield* submit("a", added(1)).pipe(elsewhere)
        yield* enqueue("a", { event_name: "Closed", payload: {} })
        // The store refuses the batch for this key, and so each execution is committed alone.
        yield* runtime.enqueueEvent({ ...place("b"), submission: added(2), idempotencyKey: "k" })
        yield* submit("b", added(2), "k").pipe(elsewhere)
        const outcomes = yield* pass("a", "b")
        assert.deepStrictEqual(
          outcomes.map((each) => each.outcome._tag),
          ["Settled", "Settled"]
        )
        assert.deepStrictEqual([yield* standingsOf("a"), yield* standingsOf("b")], [["Applied"], ["Applied"]])
      }).pipe(Effect.provide(memory({ definitions: [Wary], failurePolicy: { ...policy, maxAttempts: 1 } })))
    )
  })

  it.effect("of a batch whose commit the store fails: an attempt that has ended is not repeated", () =>
    Effect.gen(function* () {
      yield* start("a", "b")
      yield* enqueue("a", burst)
      yield* enqueue("b", added(1))
      const failCount = yield* Ref.make(0)
      const isDown = yield* Ref.make(true)
      const failing = changed({
        events: ({ commit }) => ({
          commit: (commits) =>
            Effect.flatMap(Ref.get(isDown), (down) => (down ? Effect.fail(brokenStore) : commit(commits)))
        }),
        queue: ({ fail }) => ({
          fail: (options) =>
            Effect.andThen(
              Ref.update(failCount, (count) => count + 1),
              fail(options)
            )
        })
      })
      yield* Effect.gen(function* () {
        yield* Effect.flip(pass("a", "b"))
        yield* Effect.flip(pass("a", "b"))
        yield* Ref.set(isDown, false)
        yield* pass("a", "b")
      }).pipe(
        inAnotherProcess({ definitions: [Fragile], failurePolicy: { ...policy, maxAttempts: 1 } }),
        Effect.provide(failing)
      )
      assert.deepStrictEqual([yield* standingsOf("a"), yield* standingsOf("b")], [["Dead"], ["Applied"]])
      assert.strictEqual(yield* Ref.get(failCount), 1)
    }).pipe(Effect.provide(fragile()))
  )

  describe("against submissions", () => {
    /** A rival submits before each of the processor's first `count` commits. */
    const overtaken = Effect.fnUntraced(function* (count: number, rival: Submission, key?: string) {
      const context = yield* Effect.context<TypeScriptWorkflowRuntime>()
      let commitCount = 0
      return changed({
        events: ({ commit }) => ({
          commit: (commits) =>
            Effect.suspend(() => {
              commitCount++
              const first = commitCount <= count ? Effect.orDie(submit("a", rival, key)) : Effect.void
              return Effect.andThen(Effect.provideContext(first, context), commit(commits))
            })
        })
      })
    })

    it.effect("decides again on the newer state, and keeps the order of the queue", () =>
      Effect.gen(function* () {
        yield* start("a", "b")
        yield* enqueue("a", added(1), added(2))
        yield* enqueue("b", added(3))
        const rival = yield* overtaken(3, added(100))
        yield* pass("a", "b").pipe(inAnotherProcess({ definitions: [Fragile] }), Effect.provide(rival))
        assert.deepStrictEqual(yield* payloadsOf("a"), [{ by: 100 }, { by: 100 }, { by: 100 }, { by: 1 }, { by: 2 }])
        assert.deepInclude((yield* entriesOf("a"))[0]?.status, { _tag: "Applied", position: 5 })
        assert.deepStrictEqual(yield* payloadsOf("b"), [{ by: 3 }])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect("that win at every round: gives up for now, blames no event, and goes on when they pause", () =>
      Effect.gen(function* () {
        yield* start("a")
        yield* enqueue("a", added(1))
        const rival = yield* overtaken(100, added(100))
        yield* Effect.gen(function* () {
          for (let count = 0; count < 8; count++) yield* Effect.orDie(pass("a"))
        }).pipe(inAnotherProcess({ definitions: [Fragile], failurePolicy: policy }), Effect.provide(rival))
        yield* persist
        assert.deepStrictEqual(yield* standingsOf("a"), ["Applied"])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect("that win at every round: reports what was queued meanwhile once it continues", () =>
      Effect.gen(function* () {
        yield* start("a")
        yield* enqueue("a", added(1))
        const rival = yield* overtaken(11, added(100))
        const outcomes = yield* Effect.gen(function* () {
          yield* Effect.orDie(pass("a"))
          yield* enqueue("a", added(2))
          return yield* Effect.orDie(pass("a"))
        }).pipe(inAnotherProcess({ definitions: [Fragile], failurePolicy: policy }), Effect.provide(rival))
        assert.deepStrictEqual(yield* standingsOf("a"), ["Applied", "Pending"])
        assert.deepStrictEqual(outcomes, [{ ...place("a"), outcome: { _tag: "Settled", hasMore: true } }])
      }).pipe(Effect.provide(fragile()))
    )

    it.effect("with the same key in between: one event, which settles the queued one", () =>
      Effect.gen(function* () {
        yield* start("a")
        const runtime = yield* TypeScriptWorkflowRuntime
        yield* runtime.enqueueEvent({ ...place("a"), submission: added(7), idempotencyKey: "k" })
        const rival = yield* overtaken(1, added(7), "k")
        yield* pass("a").pipe(inAnotherProcess({ definitions: [Fragile] }), Effect.provide(rival))
        yield* processAll()
        assert.deepStrictEqual(yield* payloadsOf("a"), [{ by: 7 }])
        assert.deepInclude((yield* entriesOf("a"))[0]?.status, { _tag: "Applied", position: 2, actionsExecuted: [] })
      }).pipe(Effect.provide(fragile()))
    )
  })

  it.effect("two of them at the same executions, at once: every event once, in order", () =>
    Effect.gen(function* () {
      const ids = ["a", "b", "c"]
      yield* start(...ids)
      for (const id of ids) yield* enqueue(id, ...Arr.makeBy(60, added))
      const zombie = yield* Layer.build(Layer.fresh(servicesWith({ definitions: [Fragile] })))
      yield* Effect.all(
        [
          processAll(),
          processAll().pipe(Effect.provide(zombie)),
          processAll(),
          processAll().pipe(Effect.provide(zombie))
        ],
        { concurrency: "unbounded" }
      )
      for (const id of ids) {
        assert.deepStrictEqual(
          yield* payloadsOf(id),
          Arr.makeBy(60, (by) => ({ by }))
        )
      }
    }).pipe(Effect.scoped, Effect.provide(fragile()))
  )

  it.effect(
    "1,000 events to one execution from 16 producers at once: each applied once, in the order of the queue",
    () =>
      Effect.gen(function* () {
        yield* start("a")
        yield* Effect.forEach(Arr.range(1, 1000), (by) => enqueue("a", added(by)), { concurrency: 16 })
        assert.strictEqual((yield* findDue).length, 1)
        yield* processAll()
        const entries = yield* entriesOf("a")
        const log = yield* eventsOf("a")
        assert.strictEqual(entries.length, 1000)
        assert.deepStrictEqual(
          log.slice(1).map((event) => event.event_id),
          entries.map((entry) => entry.eventId)
        )
        assert.deepStrictEqual(
          entries.map(({ status }) => (status._tag === "Applied" ? status.position : status._tag)),
          Arr.range(2, 1001)
        )
        assert.deepStrictEqual(yield* sumOf("a"), { sum: 500_500 })
      }).pipe(Effect.provide(fragile()))
  )

  it.effect("stores snapshots as it goes, by policy", () =>
    Effect.gen(function* () {
      yield* start("a")
      yield* enqueue("a", ...Arr.makeBy(60, added))
      yield* processAll()
      yield* TestClock.adjust("1 second")
      const stored = Metric.value(Metric.counter("refold_snapshots_stored", { incremental: true }))
      assert.isAtLeast((yield* stored).count, 1)
    }).pipe(Effect.provide(fragile()))
  )

  it.effect("counts what it applied and what it refused", () =>
    Effect.gen(function* () {
      yield* start("a")
      const count = (name: string) =>
        Effect.map(Metric.value(Metric.counter(name, { incremental: true })), (state) => state.count)
      const before = [yield* count("refold_queued_events_applied"), yield* count("refold_queued_events_rejected")]
      yield* enqueue("a", added(1), added(2), { ...added(3), to_state: "Nowhere" })
      yield* processAll()
      assert.deepStrictEqual(
        [yield* count("refold_queued_events_applied"), yield* count("refold_queued_events_rejected")],
        [before[0] === undefined ? 2 : before[0] + 2, before[1] === undefined ? 1 : before[1] + 1]
      )
    }).pipe(Effect.provide(fragile()))
  )

  it.effect("links its span to the traces that the events were queued in", () =>
    Effect.gen(function* () {
      yield* start("a")
      const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      yield* enqueue(
        "a",
        added(1),
        { ...added(2), metadata: { traceparent } },
        { ...added(3), metadata: { traceparent: "none" } }
      )
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.withTracer(pass("a"), tracer)
      const links = spans.flatMap((span) => (span.name === "EventProcessor.process" ? span.links : []))
      assert.deepStrictEqual(
        links.map(({ span }) => [span.traceId, span.spanId]),
        [["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"]]
      )
    }).pipe(Effect.provide(fragile()))
  )

  it.effect("asks nothing of the store where nothing is due, but for the claim", () =>
    Effect.gen(function* () {
      yield* start("a")
      const calls: Array<string> = []
      const watched = changed({
        events: () => ({ commit: () => Effect.die("nothing to commit") }),
        queue: ({ claim }) => ({
          claim: (options) => {
            calls.push("claim")
            return claim(options)
          },
          fail: () => Effect.die("nothing to fail")
        })
      })
      assert.deepStrictEqual(
        yield* pass("a", "none").pipe(inAnotherProcess({ definitions: [Fragile] }), Effect.provide(watched)),
        []
      )
      assert.deepStrictEqual(calls, ["claim"])
    }).pipe(Effect.provide(fragile()))
  )
})
