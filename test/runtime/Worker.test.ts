/** Workers on the test clock process all queued events, under failures of workers, channel and store. */
import { assert, describe, it } from "@effect/vitest"
import {
  WakeUpChannelError,
  FailurePolicy,
  StoreError,
  WorkflowEventProcessingModel,
  type Submission
} from "@refold/core"
import { TypeScriptWorkflowRuntime, Workflows } from "@refold/runtime"
import { Array as Arr, Clock, Deferred, Duration, Effect, Ref } from "effect"
import { TestClock } from "effect/testing"
import { Fragile, added, burst } from "./Fragile.ts"
import { add } from "./Order.ts"
import {
  type Changes,
  capturedLogs,
  elapse,
  entriesOf,
  eventsOf,
  memory,
  orderOf,
  place,
  standingsOf,
  tenant
} from "./Services.ts"
import { everyPartitionIsFree, startWorker } from "./Workers.ts"

const enqueue = (submission: Submission = add(1), executionId = "order-1", ofTenant = tenant) =>
  TypeScriptWorkflowRuntime.use((runtime) =>
    runtime.enqueueEvent({ ...place(executionId), tenant: ofTenant, submission })
  )

const ordersOf = (count: number) => Arr.makeBy(count, (index) => `order-${index}`)

/** Starts executions and queues events for each. */
const backlog = Effect.fnUntraced(function* (ids: ReadonlyArray<string>, eventCount: number, ofTenant = tenant) {
  const runtime = yield* TypeScriptWorkflowRuntime
  for (const executionId of ids) {
    const at = { tenant: ofTenant, executionId }
    yield* runtime.startWorkflow({ ...at, workflow: { name: "order" } })
    if (eventCount > 0) {
      yield* runtime.enqueueEvents(Arr.makeBy(eventCount, (index) => ({ ...at, submission: add(index + 1) })))
    }
  }
})

/** Seconds until every queued event is settled, at most `limit`. */
const secondsUntilSettled = Effect.fnUntraced(function* (limit: number, ofTenant = tenant) {
  const queue = yield* WorkflowEventProcessingModel
  for (let tenths = 0; tenths <= limit * 10; tenths++) {
    const waiting = yield* Effect.map(queue.lag, (lags) => lags.some((lag) => lag.pendingCount > 0))
    if (!waiting) return tenths / 10
    yield* TestClock.adjust("100 millis")
  }
  return yield* Effect.die(`of tenant ${ofTenant} something still waits after ${limit} seconds`)
})

const isOnceAndInOrder = Effect.fnUntraced(function* (ids: ReadonlyArray<string>, eventCount: number) {
  for (const id of ids) {
    assert.deepStrictEqual(
      (yield* eventsOf(id)).slice(1).map((event) => event.payload),
      Arr.makeBy(eventCount, (index) => ({ cents: index + 1, sku: "pen" }))
    )
  }
})

/** A store that holds commits, or selected ones, until they are released. */
const holding = Effect.fnUntraced(function* (isHeld: (executionId: string) => boolean = () => true) {
  const [mayCommit, isCommitting] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const ports: Changes = {
    events: ({ commit }) => ({
      commit: (commits) =>
        commits.some(({ executionId }) => isHeld(executionId))
          ? Deferred.succeed(isCommitting, undefined).pipe(
              Effect.andThen(Deferred.await(mayCommit)),
              Effect.andThen(commit(commits))
            )
          : commit(commits)
    })
  }
  return { ports, isCommitting: Deferred.await(isCommitting), letGo: Deferred.succeed(mayCommit, undefined) }
})

const down = new WakeUpChannelError({ operation: "A test", reason: { _tag: "Unavailable", isRetryable: true } })
const noStream: Changes = { stream: () => ({ publish: () => Effect.fail(down), reader: Effect.fail(down) }) }
const noWakeUps: Changes = { stream: () => ({ publish: () => Effect.void }) }
const unavailable = new StoreError({ operation: "A test", reason: { _tag: "Unavailable", isRetryable: true } })
const full = new StoreError({ operation: "A test", reason: { _tag: "Full" } })

describe("Worker", () => {
  it.effect("processes what was queued before it started, and at once what is queued from then on", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      yield* enqueue(add(1))
      yield* startWorker()
      assert.isAtMost(yield* secondsUntilSettled(3), 2.5)
      yield* TestClock.adjust("10 seconds")
      for (let cents = 2; cents <= 5; cents++) {
        yield* enqueue(add(cents))
        assert.isAtMost(yield* secondsUntilSettled(1), 0.2)
      }
      yield* isOnceAndInOrder(["order-1"], 5)
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  it.effect("drains a queue longer than a turn, without being woken for each", () =>
    Effect.gen(function* () {
      yield* backlog(ordersOf(10), 100)
      const worker = yield* startWorker()
      assert.isAtMost(yield* secondsUntilSettled(5), 3)
      yield* isOnceAndInOrder(ordersOf(10), 100)
      // Many events of many executions in one commit.
      assert.isAtMost(worker.calls("commit"), 100)
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  it.effect("owns all partitions alone, and with another one half of them; both work", () =>
    Effect.gen(function* () {
      const first = yield* startWorker()
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* first.partitions).length, 64)
      const second = yield* startWorker()
      yield* TestClock.adjust("5 seconds")
      const [ofFirst, ofSecond] = [yield* first.partitions, yield* second.partitions]
      assert.deepStrictEqual([ofFirst.length, ofSecond.length], [32, 32])
      assert.strictEqual(new Set([...ofFirst, ...ofSecond]).size, 64)

      yield* backlog(ordersOf(40), 5)
      yield* secondsUntilSettled(5)
      yield* isOnceAndInOrder(ordersOf(40), 5)
      assert.isAbove(first.calls("commit"), 0)
      assert.isAbove(second.calls("commit"), 0)
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  it.effect("that is killed is taken over within its lease and two seconds, with what it had taken up", () =>
    Effect.gen(function* () {
      yield* backlog(ordersOf(30), 0)
      const first = yield* startWorker({ leaseDuration: "10 seconds" })
      const second = yield* startWorker({ leaseDuration: "10 seconds" })
      yield* TestClock.adjust("10 seconds")
      yield* first.kill
      for (const id of ordersOf(30)) for (let cents = 1; cents <= 3; cents++) yield* enqueue(add(cents), id)
      assert.isAtMost(yield* secondsUntilSettled(12), 12)
      assert.strictEqual((yield* second.partitions).length, 64)
      yield* isOnceAndInOrder(ordersOf(30), 3)
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  it.effect.each([
    ["before", false],
    ["after", true]
  ] as const)("killed %s a commit it had decided on: what it had taken up is applied once", ([, isMade]) =>
    Effect.gen(function* () {
      yield* backlog(ordersOf(8), 4)
      const dead = yield* Deferred.make<void>()
      const first = yield* startWorker({
        ports: {
          events: ({ commit }) => ({
            commit: (commits) =>
              Effect.andThen(
                isMade ? Effect.asVoid(commit(commits)) : Effect.void,
                Deferred.succeed(dead, undefined)
              ).pipe(Effect.andThen(Effect.never))
          })
        }
      })
      yield* TestClock.adjust("3 seconds")
      yield* Deferred.await(dead)
      yield* first.kill
      yield* startWorker()
      yield* secondsUntilSettled(14)
      yield* isOnceAndInOrder(ordersOf(8), 4)
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  describe("closing", () => {
    it.effect("finishes what is under way, takes up nothing more, and gives the leases back at once", () =>
      Effect.gen(function* () {
        yield* backlog(["order-1"], 600)
        const { isCommitting, letGo, ports } = yield* holding()
        const worker = yield* startWorker({ ports })
        yield* TestClock.adjust("3 seconds")
        yield* isCommitting
        const closing = yield* Effect.forkChild(worker.close)
        yield* TestClock.adjust("5 seconds")
        assert.isUndefined(closing.pollUnsafe())
        yield* letGo
        yield* elapse(closing, "1 second")
        const committed = (yield* standingsOf()).filter((status) => status === "Applied").length
        assert.isTrue(committed > 0 && committed < 600, `${committed} events`)
        yield* everyPartitionIsFree

        yield* startWorker()
        assert.isAtMost(yield* secondsUntilSettled(3), 2.5)
        yield* isOnceAndInOrder(["order-1"], 600)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )

    it.effect("waits for what does not end no longer than it was told, and still gives the leases back", () =>
      Effect.gen(function* () {
        yield* backlog(["order-1"], 1)
        const worker = yield* startWorker({
          drainTimeout: "5 seconds",
          ports: { events: () => ({ commit: () => Effect.never }) }
        })
        yield* TestClock.adjust("3 seconds")
        const closing = yield* Effect.forkChild(worker.close)
        yield* TestClock.adjust("4 seconds")
        assert.isUndefined(closing.pollUnsafe())
        yield* elapse(closing, "3 seconds")
        yield* everyPartitionIsFree
        assert.deepStrictEqual(yield* standingsOf(), ["Pending"])
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )

    it.effect("ends within its bound also where neither store nor stream answers", () =>
      Effect.gen(function* () {
        yield* backlog(["order-1"], 1)
        const isDown = yield* Ref.make(false)
        const hanging = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.flatMap(Ref.get(isDown), (down) => (down ? Effect.never : effect))
        const worker = yield* startWorker({
          drainTimeout: "5 seconds",
          ports: {
            events: ({ commit }) => ({ commit: (commits) => hanging(commit(commits)) }),
            queue: ({ claim }) => ({ claim: (options) => hanging(claim(options)) }),
            leases: ({ release, renew }) => ({
              renew: (options) => hanging(renew(options)),
              release: (workerId) => hanging(release(workerId))
            }),
            stream: ({ publish }) => ({ publish: (wakeUps) => hanging(publish(wakeUps)) })
          }
        })
        yield* TestClock.adjust("3 seconds")
        yield* Ref.set(isDown, true)
        yield* enqueue(add(2))
        yield* TestClock.adjust("1 second")
        const closing = yield* Effect.forkChild(worker.close)
        yield* elapse(closing, "20 seconds")
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )
  })

  it.effect("tries again after the delay of the policy, and no sooner", () =>
    Effect.gen(function* () {
      const failurePolicy: FailurePolicy.FailurePolicy = {
        maxAttempts: 4,
        firstDelay: Duration.seconds(8),
        maxDelay: Duration.minutes(1),
        afterLast: "block"
      }
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* runtime.startWorkflow({ ...place(), workflow: Fragile })
      const failedAt: Array<number> = []
      yield* startWorker({
        services: { definitions: [Fragile], failurePolicy },
        ports: {
          queue: ({ fail }) => ({
            fail: (options) =>
              Effect.flatMap(Clock.currentTimeMillis, (millis) => {
                failedAt.push(millis)
                return fail(options)
              })
          })
        }
      })
      yield* enqueue(burst)
      yield* enqueue(added(1))
      for (let second = 0; second < 120; second++) yield* TestClock.adjust("1 second")
      const gaps = failedAt.slice(1).map((millis, index) => (millis - (failedAt[index] ?? 0)) / 1000)
      assert.strictEqual(gaps.length, 3)
      for (const [index, gap] of gaps.entries()) {
        assert.isAtLeast(gap, 8 * 2 ** index * 0.75)
        assert.isAtMost(gap, 8 * 2 ** index * 1.25 + 0.1)
      }
      assert.deepStrictEqual(yield* standingsOf(), ["Dead", "Pending"])
    }).pipe(Effect.scoped, Effect.provide(memory({ definitions: [Fragile] })))
  )

  describe("without wake-ups", () => {
    it.effect("finds by the sweep what nobody woke it for, within three seconds", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        yield* startWorker()
        yield* TestClock.adjust("10 seconds")
        // Another process queues these events, and its wake-ups are lost.
        const lost = yield* startWorker({ workerId: "loses", ports: noWakeUps })
        yield* lost.close
        const queue = yield* WorkflowEventProcessingModel
        yield* queue.enqueue([{ ...place(), processingId: "p", eventId: "e", submission: add(1) }])
        assert.isAtMost(yield* secondsUntilSettled(4), 3)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )

    it.effect("processes all by the sweep while the stream is down, for an hour, and warns once an outage", () => {
      const logs = capturedLogs()
      return Effect.gen(function* () {
        yield* orderOf(0)
        const isDown = yield* Ref.make(true)
        const ifUp = <A, R>(effect: Effect.Effect<A, WakeUpChannelError, R>): Effect.Effect<A, WakeUpChannelError, R> =>
          Effect.flatMap(Ref.get(isDown), (down_) => (down_ ? Effect.fail(down) : effect))
        yield* startWorker({
          workerId: "w",
          ports: {
            stream: ({ publish, reader }) => ({
              publish: (wakeUps) => ifUp(publish(wakeUps)),
              reader: ifUp(
                Effect.map(reader, (opened) => ({ ...opened, read: (options) => ifUp(opened.read(options)) }))
              )
            })
          }
        })
        const queue = yield* WorkflowEventProcessingModel
        const warnings = () => logs.lines.filter((line) => line.includes("waits to read wake-ups")).length
        for (let third = 0; third < 3; third++) {
          yield* queue.enqueue([
            { ...place(), processingId: `p${third}`, eventId: `e${third}`, submission: add(third + 1) }
          ])
          assert.isAtMost(yield* secondsUntilSettled(4), 3)
          for (let minute = 0; minute < 20; minute++) yield* TestClock.adjust("1 minute")
        }
        assert.strictEqual(warnings(), 1)
        yield* Ref.set(isDown, false)
        yield* TestClock.adjust("10 seconds")
        yield* enqueue(add(4))
        assert.isAtMost(yield* secondsUntilSettled(1), 0.2)
        yield* Ref.set(isDown, true)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(warnings(), 2)
        yield* isOnceAndInOrder(["order-1"], 4)
      }).pipe(Effect.scoped, Effect.provide(memory()), Effect.provide(logs.layer))
    })
  })

  describe("while the store fails", () => {
    it.effect.each<[string, StoreError, ReadonlyArray<"claim" | "commit" | "renew" | "findReady">]>([
      ["entirely", unavailable, ["claim", "commit", "renew", "findReady"]],
      ["at commits, which an operator must mend", full, ["commit"]],
      ["at commits, as of a lost connection", unavailable, ["commit"]],
      ["at renewals of the leases", unavailable, ["renew"]],
      ["at the sweeps", full, ["findReady"]]
    ])("%s, for ten minutes: waits, blames no event, and goes on within seconds", ([, error, failing]) => {
      const logs = capturedLogs()
      return Effect.gen(function* () {
        yield* orderOf(0)
        yield* orderOf(0, "order-2")
        const isDown = yield* Ref.make(false)
        const unless = <A>(
          call: (typeof failing)[number],
          effect: Effect.Effect<A, StoreError>
        ): Effect.Effect<A, StoreError> =>
          Effect.flatMap(Ref.get(isDown), (down_) => (down_ && failing.includes(call) ? Effect.fail(error) : effect))
        const worker = yield* startWorker({
          workerId: "w",
          ports: {
            events: ({ commit }) => ({ commit: (commits) => unless("commit", commit(commits)) }),
            queue: ({ claim, findReady }) => ({
              claim: (options) => unless("claim", claim(options)),
              findReady: (options) => unless("findReady", findReady(options))
            }),
            leases: ({ renew }) => ({ renew: (options) => unless("renew", renew(options)) })
          }
        })
        yield* TestClock.adjust("5 seconds")
        yield* Ref.set(isDown, true)
        yield* enqueue(add(1))
        yield* enqueue(add(1), "order-2")
        const before = worker.callCount()
        for (let second = 0; second < 600; second++) yield* TestClock.adjust("1 second")
        // No busy loop: a few calls per second under every failure.
        assert.isAtMost(worker.callCount() - before, 600 * 15)
        yield* enqueue(add(2))
        yield* Ref.set(isDown, false)
        assert.isAtMost(yield* secondsUntilSettled(10), 6)
        yield* isOnceAndInOrder(["order-1"], 2)
        yield* isOnceAndInOrder(["order-2"], 1)
        assert.isAtMost(logs.lines.filter((line) => line.includes("Worker w waits to")).length, 6)
      }).pipe(Effect.scoped, Effect.provide(memory()), Effect.provide(logs.layer))
    })

    it.effect("with a defect, of one execution: the others are unharmed, and it shows in the log", () => {
      const logs = capturedLogs()
      return Effect.gen(function* () {
        yield* backlog(ordersOf(5), 2)
        yield* startWorker({
          ports: {
            queue: ({ claim }) => ({
              claim: (options) =>
                options.executions.some(({ executionId }) => executionId === "order-3")
                  ? Effect.die(new Error("a row that nobody can read"))
                  : claim(options)
            })
          }
        })
        for (let second = 0; second < 30; second++) yield* TestClock.adjust("1 second")
        yield* isOnceAndInOrder(
          ordersOf(5).filter((id) => id !== "order-3"),
          2
        )
        assert.deepStrictEqual(yield* standingsOf("order-3"), ["Pending", "Pending"])
        const shown = logs.lines.filter((line) => line.includes("a row that nobody can read")).length
        assert.isTrue(shown >= 1 && shown <= 20, `${shown} lines`)
      }).pipe(Effect.scoped, Effect.provide(memory()), Effect.provide(logs.layer))
    })

    it.effect("with a defect in renewing, sweeping or reading: it goes on when that is over", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        const isBroken = yield* Ref.make(true)
        const unless = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
          Effect.flatMap(Ref.get(isBroken), (broken) => (broken ? Effect.die("a bug") : effect))
        yield* startWorker({
          ports: {
            queue: ({ findReady }) => ({ findReady: (options) => unless(findReady(options)) }),
            leases: ({ renew }) => ({ renew: (options) => unless(renew(options)) }),
            stream: ({ reader }) => ({ reader: unless(reader) })
          }
        })
        yield* enqueue(add(1))
        yield* TestClock.adjust("1 minute")
        yield* Ref.set(isBroken, false)
        assert.isAtMost(yield* secondsUntilSettled(6), 5)
        yield* TestClock.adjust("5 seconds")
        yield* enqueue(add(2))
        assert.isAtMost(yield* secondsUntilSettled(1), 0.2)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )
  })

  it.effect("leaves a workflow that it does not know to a worker that does, and shows it in the lag", () =>
    Effect.gen(function* () {
      yield* backlog(ordersOf(4), 2)
      const queue = yield* WorkflowEventProcessingModel
      const stranger = yield* startWorker({ services: { registry: Workflows.layer() } })
      for (let second = 0; second < 30; second++) yield* TestClock.adjust("1 second")
      const lags = yield* queue.lag
      assert.strictEqual(
        lags.reduce((total, lag) => total + lag.unclaimedCount, 0),
        4
      )
      // The worker does not query them again and again.
      assert.isAtMost(stranger.calls("claim"), 8)
      assert.deepInclude((yield* entriesOf("order-0"))[0], { attemptCount: 0 })

      // The worker without the workflow stays and owns half of the partitions.
      yield* startWorker()
      yield* secondsUntilSettled(10)
      yield* isOnceAndInOrder(ordersOf(4), 2)
      yield* backlog(["late"], 3)
      yield* secondsUntilSettled(10)
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  it.effect("processes one tenant's single event within a batch or two, whatever backlog another has", () =>
    Effect.gen(function* () {
      yield* backlog(ordersOf(1000), 5)
      yield* backlog(["single"], 0, "small")
      const worker = yield* startWorker({
        // A batch takes a second.
        ports: {
          queue: ({ claim }) => ({ claim: (options) => Effect.andThen(Effect.sleep("1 second"), claim(options)) })
        }
      })
      yield* TestClock.adjust("3 seconds")
      assert.isAbove(worker.calls("claim"), 0)
      yield* enqueue(add(1), "single", "small")
      const before = worker.calls("claim")
      const settled = Effect.map(standingsOf("single", "small"), ([status]) => status === "Applied")
      for (let tenths = 0; tenths < 60 && !(yield* settled); tenths++) yield* TestClock.adjust("100 millis")
      assert.isTrue(yield* settled)
      // Two batches are in flight at once: the one in progress when it arrived, and the next.
      assert.isAtMost(worker.calls("claim") - before, 4)
      const lags = yield* WorkflowEventProcessingModel.use((queue) => queue.lag)
      assert.isAbove(
        lags.reduce((total, lag) => total + lag.pendingCount, 0),
        1000
      )
    }).pipe(Effect.scoped, Effect.provide(memory()))
  )

  describe("while a batch is under way", () => {
    /** A worker whose first batch, of two executions, is held by the store. Then wake-ups for these executions arrive one by one. */
    const wokenMeanwhile = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
      yield* backlog(["first", "second"], 1)
      yield* backlog(ids, 0)
      const { isCommitting, letGo, ports } = yield* holding((executionId) => executionId === "first")
      const worker = yield* startWorker({ ports })
      yield* TestClock.adjust("3 seconds")
      yield* isCommitting
      const before = worker.calls("read")
      for (const id of ids) {
        yield* enqueue(add(1), id)
        // Enough time for a reader to read the wake-up.
        yield* TestClock.adjust("1 millis")
      }
      return { readCount: worker.calls("read") - before, end: letGo }
    })

    it.effect("wake-ups gather, and are read together when it ends", () =>
      Effect.gen(function* () {
        const { end, readCount } = yield* wokenMeanwhile(ordersOf(50))
        assert.isAtMost(readCount, 2)
        yield* end
        yield* TestClock.adjust("10 millis")
        yield* isOnceAndInOrder(ordersOf(50), 1)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )

    it.effect("that does not end, others are worked on as soon as they are enough for a batch", () =>
      Effect.gen(function* () {
        const { readCount } = yield* wokenMeanwhile(ordersOf(64))
        assert.isAtMost(readCount, 2)
        yield* TestClock.adjust("1 second")
        yield* isOnceAndInOrder(ordersOf(64), 1)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )
  })

  describe("does not spin", () => {
    const callsPerSecond = Effect.fnUntraced(function* (worker: { readonly callCount: () => number }) {
      yield* TestClock.adjust("10 seconds")
      const before = worker.callCount()
      for (let second = 0; second < 300; second++) yield* TestClock.adjust("1 second")
      return (worker.callCount() - before) / 300
    })

    it.effect("with nothing to do", () =>
      Effect.gen(function* () {
        assert.isAtMost(yield* callsPerSecond(yield* startWorker()), 6)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )

    it.effect("under a stream that always fails", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        const worker = yield* startWorker({ ports: noStream })
        yield* enqueue()
        assert.isAtMost(yield* callsPerSecond(worker), 6)
        assert.deepStrictEqual(yield* standingsOf(), ["Applied"])
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )

    it.effect("under a stream that gives the same wake-ups again and again, a few at a time, with gaps", () =>
      Effect.gen(function* () {
        yield* orderOf(0)
        const partition = 0
        const worker = yield* startWorker({
          ports: {
            stream: () => ({
              reader: Effect.succeed({
                read: () =>
                  Effect.as(Effect.sleep("200 millis"), {
                    deliveries: Arr.makeBy(3, (index) => ({ ...place(), partition, deliveryId: String(index) })),
                    hasGap: true
                  }),
                acknowledge: () => Effect.fail(down)
              })
            })
          }
        })
        yield* enqueue()
        // Five reads per second, each with one claim, one sweep and one acknowledgement.
        assert.isAtMost(yield* callsPerSecond(worker), 40)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )

    it.effect("over executions that cannot go on: dead letters, workflows unknown, retries far away", () =>
      Effect.gen(function* () {
        const runtime = yield* TypeScriptWorkflowRuntime
        for (const id of ["dead", "slow"]) yield* runtime.startWorkflow({ ...place(id), workflow: Fragile })
        yield* backlog(["unknown"], 3)
        yield* enqueue(burst, "dead")
        yield* enqueue(added(1), "dead")
        yield* startWorker({
          workerId: "blocks",
          services: {
            registry: Workflows.layer(Fragile),
            failurePolicy: { ...FailurePolicy.defaultPolicy, maxAttempts: 1 }
          }
        }).pipe(Effect.flatMap((blocks) => Effect.andThen(TestClock.adjust("5 seconds"), blocks.close)))
        yield* enqueue(burst, "slow")
        const hour = Duration.hours(1)
        const worker = yield* startWorker({
          services: {
            registry: Workflows.layer(Fragile),
            failurePolicy: { ...FailurePolicy.defaultPolicy, firstDelay: hour, maxDelay: hour }
          }
        })
        assert.isAtMost(yield* callsPerSecond(worker), 6)
        assert.deepStrictEqual(yield* standingsOf("dead"), ["Dead", "Pending"])
        assert.deepInclude((yield* entriesOf("slow"))[0], { attemptCount: 1 })
      }).pipe(Effect.scoped, Effect.provide(memory({ definitions: [Fragile] })))
    )

    it.effect("over a backlog of one tenant larger than its list, beside a busy small one", () =>
      Effect.gen(function* () {
        yield* backlog(ordersOf(1500), 1)
        yield* backlog(["small"], 0, "other")
        const worker = yield* startWorker({
          ports: {
            queue: ({ claim }) => ({ claim: (options) => Effect.andThen(Effect.sleep("1 second"), claim(options)) })
          }
        })
        for (let second = 0; second < 10; second++) {
          yield* enqueue(add(1), "small", "other")
          yield* TestClock.adjust("1 second")
        }
        // A sweep every two seconds and few others, because each sweep reads the whole backlog.
        assert.isAtMost(worker.calls("findReady"), 2 * 12)
        yield* secondsUntilSettled(60)
        yield* isOnceAndInOrder(ordersOf(1500), 1)
      }).pipe(Effect.scoped, Effect.provide(memory()))
    )
  })
})
