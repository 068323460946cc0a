/** `waitForCompletion`, on the test clock. */
import { assert, describe, it } from "@effect/vitest"
import { TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { memory, orderOf, place } from "./Services.ts"

const wait = (timeout: "0 seconds" | "1 minute" = "1 minute") =>
  TypeScriptWorkflowRuntime.use((runtime) => runtime.waitForCompletion({ ...place(), timeout }))

const cancel = TypeScriptWorkflowRuntime.use((runtime) =>
  runtime.submitEvent({ ...place(), submission: { event_name: "Cancelled", payload: null } })
)

describe("waitForCompletion", () => {
  it.effect("returns the final state within a second of its being reached", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      const waiting = yield* Effect.forkChild(wait(), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      const final = yield* cancel
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(waiting), final)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("returns at once when the execution is complete already", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      const final = yield* cancel
      assert.deepStrictEqual(yield* wait("0 seconds"), final)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("fails after the timeout, naming the state; the execution goes on", () =>
    Effect.gen(function* () {
      yield* orderOf(1)
      const waiting = yield* Effect.forkChild(Effect.flip(wait()), { startImmediately: true })
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(waiting)
      assert.strictEqual(error._tag, "CompletionTimeout")
      assert.include(error.message, '"Draft"')
      assert.isTrue((yield* cancel).isComplete)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("refuses an execution that is not there before any waiting", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(wait()))._tag, "ExecutionNotFound")
    }).pipe(Effect.provide(memory()))
  )
})
