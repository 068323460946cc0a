/** The sweep: its queries and its reports, on a queue with given answers. */
import { assert, describe, it } from "@effect/vitest"
import { type PartitionLag, type WorkflowEventProcessingModel, Instant } from "@refold/core"
import { Sweeper } from "@refold/runtime/src/queue/Sweeper"
import { Clock, Effect, Layer, Metric } from "effect"
import { TestClock } from "effect/testing"
import { capturedLogs, changed, memoryPorts, place } from "./Services.ts"

type Sought = Parameters<WorkflowEventProcessingModel["Service"]["findReady"]>[0]

/** A sweeper over a queue that returns the present contents of `queue` and records the queries. */
const sweeperOf = (queue: { sought: Array<Sought>; lags: ReadonlyArray<PartitionLag> }) =>
  Sweeper.layer.pipe(
    Layer.provide(
      changed({
        queue: () => ({
          findReady: (sought) =>
            Effect.sync(() => {
              queue.sought.push(sought)
              return [place(sought.of === "unclaimed" ? "unclaimed" : "due")]
            }),
          lag: Effect.sync(() => queue.lags)
        })
      })
    ),
    Layer.provide(memoryPorts)
  )

const lagOf = (partition: number, fields: Partial<PartitionLag> = {}): PartitionLag => ({
  partition,
  pendingCount: 1,
  deadCount: 0,
  unclaimedCount: 0,
  ...fields
})

describe("Sweeper.find", () => {
  it.effect("gives what is due in the partitions, and what was left to others, but for workflows passed over", () => {
    const queue = { sought: new Array<Sought>(), lags: [] }
    return Effect.gen(function* () {
      const sweeper = yield* Sweeper
      assert.deepStrictEqual(yield* sweeper.find([3, 5]), [place("due"), place("unclaimed")])
      yield* sweeper.skipWorkflow({ name: "a", version: 1 })
      yield* sweeper.skipWorkflow({ name: "a", version: 2 })
      yield* sweeper.skipWorkflow({ name: "a", version: 1 })
      yield* sweeper.find([3])
      assert.deepStrictEqual(
        queue.sought.map(({ except, of }) => [of, except]),
        [
          [[3, 5], []],
          ["unclaimed", []],
          [[3], []],
          [
            "unclaimed",
            [
              { name: "a", version: 1 },
              { name: "a", version: 2 }
            ]
          ]
        ]
      )
    }).pipe(Effect.provide(sweeperOf(queue)))
  })

  it.effect("remembers no more than a thousand workflows as unknown", () => {
    const queue = { sought: new Array<Sought>(), lags: [] }
    return Effect.gen(function* () {
      const sweeper = yield* Sweeper
      for (let version = 1; version <= 1500; version++) yield* sweeper.skipWorkflow({ name: "a", version })
      yield* sweeper.find([])
      assert.strictEqual(queue.sought.at(-1)?.except.length, 1000)
    }).pipe(Effect.provide(sweeperOf(queue)))
  })
})

describe("Sweeper.report", () => {
  it.effect("measures what waits in these partitions alone", () =>
    Effect.gen(function* () {
      const sweeper = yield* Sweeper
      yield* sweeper.report([1, 2])
      assert.strictEqual((yield* Metric.value(Metric.gauge("refold_events_pending"))).value, 7)
    }).pipe(
      Effect.provide(
        sweeperOf({
          sought: [],
          lags: [lagOf(1, { pendingCount: 3 }), lagOf(2, { pendingCount: 4 }), lagOf(3, { pendingCount: 9 })]
        })
      )
    )
  )

  const late = "1970-01-01T00:00:00.000Z"
  it.effect.each<[string, Partial<PartitionLag>]>([
    ["dead letters", { deadCount: 1 }],
    ["events left to others", { unclaimedCount: 1 }],
    ["an event that waits for more than a minute", { oldestQueuedAt: late }]
  ])("warns of %s once, and again when there is something else to say", ([, stuck]) => {
    const queue = { sought: [], lags: [lagOf(1, stuck), lagOf(2)] }
    const logs = capturedLogs()
    return Effect.gen(function* () {
      const sweeper = yield* Sweeper
      yield* TestClock.adjust("61 seconds")
      const warnings = Effect.map(sweeper.report([1, 2, 3]), () => logs.lines.length)
      assert.deepStrictEqual([yield* warnings, yield* warnings], [1, 1])
      assert.match(logs.lines[0] ?? "", /^Warn Queued events wait longer than they should: see `refold lag`/)
      queue.lags = [lagOf(1, stuck), lagOf(3, stuck)]
      assert.deepStrictEqual([yield* warnings, yield* warnings], [2, 2])
      // The end of the problem needs no warning; its return does.
      queue.lags = [lagOf(1)]
      assert.strictEqual(yield* warnings, 2)
      queue.lags = [lagOf(1, stuck)]
      assert.strictEqual(yield* warnings, 3)
    }).pipe(Effect.provide(sweeperOf(queue)), Effect.provide(logs.layer))
  })

  it.effect("warns of nothing that is not its own, or has waited for no more than a minute", () => {
    const queue = { sought: [], lags: new Array<PartitionLag>() }
    const logs = capturedLogs()
    return Effect.gen(function* () {
      const sweeper = yield* Sweeper
      yield* TestClock.adjust("1 hour")
      const minuteAgo = Instant.fromEpochMillis((yield* Clock.currentTimeMillis) - 60_000)
      queue.lags = [lagOf(1, { oldestQueuedAt: minuteAgo }), lagOf(2, { deadCount: 1, oldestQueuedAt: late })]
      yield* sweeper.report([1])
      assert.deepStrictEqual(logs.lines, [])
      yield* TestClock.adjust("1 millis")
      yield* sweeper.report([1])
      assert.strictEqual(logs.lines.length, 1)
    }).pipe(Effect.provide(sweeperOf(queue)), Effect.provide(logs.layer))
  })
})
