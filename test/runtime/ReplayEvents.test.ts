/** `replayEvents`: present and past states, and errors. */
import { assert, describe, it } from "@effect/vitest"
import { TypeScriptWorkflowRuntime, WorkflowEventSourcing } from "@refold/runtime"
import { Effect, Layer } from "effect"
import { Order, OrderTwo, add } from "./Order.ts"
import { changed, inAnotherProcess, memory, orderOf, place, tenant, withoutEvents } from "./Services.ts"

const replay = (options?: Parameters<WorkflowEventSourcing["Service"]["replayEvents"]>[2], executionId = "order-1") =>
  WorkflowEventSourcing.use((sourcing) => sourcing.replayEvents(executionId, tenant, options))

const positionOf = (options: Parameters<typeof replay>[0]) =>
  Effect.map(replay(options), ({ executionState }) => executionState.position)

describe("replayEvents", () => {
  it.effect("folds the whole log, and says nothing of how unless asked", () =>
    Effect.gen(function* () {
      const submitted = yield* orderOf(3)
      const replayed = yield* replay()

      assert.deepStrictEqual(replayed, {
        executionState: {
          tenant,
          executionId: "order-1",
          workflow: { name: "order", version: 1 },
          currentState: "Draft",
          data: { cents: 6, skus: ["pen", "pen", "pen"] },
          position: 4,
          isComplete: false,
          startedAt: "1970-01-01T00:00:00.000Z",
          updatedAt: "1970-01-01T00:00:03.000Z"
        }
      })
      assert.deepStrictEqual(replayed.executionState, submitted)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("tells in debug how many events were folded, and from which snapshot", () =>
    Effect.gen(function* () {
      yield* orderOf(6)
      const { createSnapshot } = yield* WorkflowEventSourcing
      const { debug: without } = yield* replay({ debug: true })
      const { executionState } = yield* replay({ replayTo: 5 })
      yield* createSnapshot("order-1", tenant, executionState)
      const { debug } = yield* replay({ debug: true })
      const { debug: ignored } = yield* replay({ debug: true, useSnapshots: false })

      assert.deepStrictEqual(without, { eventsProcessed: 7, replayDurationMs: 0, fromSnapshot: false })
      assert.deepStrictEqual(debug, {
        eventsProcessed: 2,
        replayDurationMs: 0,
        fromSnapshot: true,
        snapshotPosition: 5
      })
      assert.deepStrictEqual(ignored, without)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
  )

  it.effect("answers as of an instant, that instant included, from snapshots not after it", () =>
    Effect.gen(function* () {
      yield* orderOf(9)
      const at = (text: string) => replay({ replayUntil: text, debug: true })

      const exact = yield* at("1970-01-01T00:00:04.000Z")
      assert.strictEqual(exact.executionState.position, 5)
      assert.strictEqual(exact.executionState.updatedAt, "1970-01-01T00:00:04.000Z")
      assert.strictEqual(exact.debug?.snapshotPosition, 4)
      assert.strictEqual((yield* at("1970-01-01T00:00:03.999Z")).executionState.position, 4)
      assert.strictEqual((yield* at("1970-01-01T00:00:02.999Z")).debug?.snapshotPosition, 2)
      assert.strictEqual((yield* at("1970-01-01T01:00:04.000+01:00")).executionState.position, 5)
      assert.strictEqual((yield* at("1970-01-01 00:00:04")).executionState.position, 5)
      assert.deepStrictEqual((yield* at("2100-01-01")).executionState, (yield* replay()).executionState)
    }).pipe(Effect.provide(memory({ policy: { _tag: "Every", eventCount: 2 }, retention: { _tag: "KeepAll" } })))
  )

  it.effect("answers up to a position, and with both bounds up to the earlier", () =>
    Effect.gen(function* () {
      yield* orderOf(4)
      assert.strictEqual(yield* positionOf({ replayTo: 1 }), 1)
      assert.strictEqual(yield* positionOf({ replayTo: 5 }), 5)
      assert.strictEqual(yield* positionOf({ replayTo: 2, replayUntil: "1970-01-01T00:00:04Z" }), 2)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("with both bounds, the instant may be the earlier", () =>
    Effect.gen(function* () {
      yield* orderOf(4)
      assert.strictEqual(yield* positionOf({ replayTo: 5, replayUntil: "1970-01-01T00:00:01Z" }), 2)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("before the first event it names the instant of the start", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      const error = yield* Effect.flip(replay({ replayUntil: "1969-12-31T23:59:59.999Z" }))
      assert.strictEqual(error._tag, "ExecutionNotStarted")
      assert.include(error.message, "1970-01-01T00:00:00.000Z")
      assert.strictEqual(yield* positionOf({ replayUntil: error.message.slice(-24) }), 1)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("refuses a position that has no event, naming the last", () =>
    Effect.gen(function* () {
      yield* orderOf(2)
      const error = yield* Effect.flip(replay({ replayTo: 4 }))
      assert.strictEqual(error._tag, "PositionNotReached")
      assert.strictEqual(error.message, `Execution "order-1" ends at position 3: there is no position 4`)
    }).pipe(Effect.provide(memory()))
  )

  it.effect.each([
    [{ replayUntil: "not-a-date" }, "InvalidInstant"],
    [{ replayUntil: "2025-02-30" }, "InvalidInstant"],
    [{ replayUntil: "" }, "InvalidInstant"],
    [{ replayTo: 0 }, "InvalidInput"],
    [{ replayTo: -1 }, "InvalidInput"],
    [{ replayTo: 1.5 }, "InvalidInput"],
    [{ replayTo: Number.NaN }, "InvalidInput"],
    [{ replayTo: 2 ** 31 }, "InvalidInput"],
    [{ batchSize: 0 }, "InvalidInput"],
    [{ batchSize: 1.5 }, "InvalidInput"],
    [{ batchSize: Number.POSITIVE_INFINITY }, "InvalidInput"]
  ] as const)("refuses %j with %s", ([options, tag]) =>
    Effect.gen(function* () {
      yield* orderOf(1)
      assert.strictEqual((yield* Effect.flip(replay(options)))._tag, tag)
    }).pipe(Effect.provide(memory()))
  )

  it.effect.each([1, 2, 3, 7, 10_000])("gives the same state in batches of %i", (batchSize) =>
    Effect.gen(function* () {
      const state = yield* orderOf(6)
      assert.deepStrictEqual((yield* replay({ batchSize })).executionState, state)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("answers for another tenant's execution as for one that is not there, byte for byte", () =>
    Effect.gen(function* () {
      const { replayEvents } = yield* WorkflowEventSourcing
      const missing = yield* Effect.flip(replayEvents("order-1", "rival"))
      yield* orderOf(2)
      const hidden = yield* Effect.flip(replayEvents("order-1", "rival", { replayUntil: "1960-01-01", debug: true }))

      assert.strictEqual(hidden._tag, "ExecutionNotFound")
      assert.strictEqual(JSON.stringify(hidden), JSON.stringify(missing))
      assert.strictEqual(hidden.message, missing.message)
      assert.deepStrictEqual(Object.entries(hidden), Object.entries(missing))
    }).pipe(Effect.provide(memory()))
  )

  it.effect("refuses ids that no store could hold", () =>
    Effect.gen(function* () {
      const { replayEvents } = yield* WorkflowEventSourcing
      for (const [executionId, tenantId, field] of [
        ["", "acme", "executionId"],
        ["a\0b", "acme", "executionId"],
        ["order-1", "\ud800", "tenant"],
        ["order-1", "x".repeat(256), "tenant"]
      ] as const) {
        const error = yield* Effect.flip(replayEvents(executionId, tenantId))
        assert.strictEqual(error._tag, "InvalidInput")
        assert.isTrue(error.message.startsWith(field))
      }
    }).pipe(Effect.provide(memory()))
  )

  it.effect("folds an execution by the version it was started with", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* runtime.startWorkflow({ ...place("old"), workflow: Order })
      yield* runtime.startWorkflow({ ...place("new"), workflow: { name: "order" } })
      yield* runtime.submitEvent({ ...place("old"), submission: add(5) })
      yield* runtime.submitEvent({ ...place("new"), submission: add(5) })

      assert.deepStrictEqual((yield* replay({}, "old")).executionState.data, { cents: 5, skus: ["pen"] })
      assert.deepStrictEqual((yield* replay({}, "new")).executionState.data, { total: 5 })
    }).pipe(Effect.provide(memory({ definitions: [OrderTwo, Order] })))
  )

  it.effect("an execution of a version that this process does not know is refused by name and version", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      const error = yield* replay().pipe(inAnotherProcess({ definitions: [OrderTwo] }), Effect.flip)
      assert.strictEqual(error._tag, "WorkflowNotFound")
      assert.include(error.message, `"order" version 1`)
    }).pipe(Effect.provide(memory()))
  )

  describe("a log that is not whole is CorruptHistory", () => {
    const replayWithout = (positions: ReadonlyArray<number>, options = {}) =>
      replay(options).pipe(
        inAnotherProcess(),
        Effect.provide(changed({ events: withoutEvents(({ position }) => positions.includes(position)) })),
        Effect.flip
      )

    it.effect.each([
      ["its end is missing", [4, 5], {}, 4],
      ["a gap", [3], {}, 4],
      ["its beginning is missing", [1], {}, 2],
      ["all of it is missing", [1, 2, 3, 4, 5], {}, 1],
      ["the end within a bound is missing", [3, 4, 5], { replayTo: 4 }, 3]
    ] as const)("%s", ([, positions, options, at]) =>
      Effect.gen(function* () {
        yield* orderOf(4)
        const error = yield* replayWithout(positions, options)
        if (error._tag !== "CorruptHistory") return assert.fail(error.message)
        assert.strictEqual(error.position, at)
        assert.strictEqual(error.executionId, "order-1")
      }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
    )

    it.effect("what is missing beyond the bound does no harm", () =>
      Effect.gen(function* () {
        yield* orderOf(4)
        const { executionState } = yield* replay({ replayTo: 3 }).pipe(
          inAnotherProcess(),
          Effect.provide(changed({ events: withoutEvents(({ position }) => position > 3) }))
        )
        assert.strictEqual(executionState.position, 3)
      }).pipe(Effect.provide(memory({ policy: { _tag: "Never" } })))
    )
  })

  it.effect("closing and reopening the services changes no answer", () =>
    Effect.gen(function* () {
      const state = yield* orderOf(5)
      const again = yield* replay().pipe(inAnotherProcess())
      assert.deepStrictEqual(again.executionState, state)
    }).pipe(Effect.provide(Layer.mergeAll(memory())))
  )
})
