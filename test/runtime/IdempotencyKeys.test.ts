/** `idempotencyKeys`: a runtime may require a key of every request that writes. */
import { assert, describe, it } from "@effect/vitest"
import { TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Effect } from "effect"
import { Order, add } from "./Order.ts"
import { entriesOf, eventsOf, memory, place } from "./Services.ts"

describe("A runtime that requires idempotency keys", () => {
  it.effect("refuses every request without one, says what to do, and writes nothing", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* runtime.startWorkflow({ ...place(), workflow: Order, idempotencyKey: "start" })
      const keyed = { ...place(), submission: add(1), idempotencyKey: "add" }
      const { idempotencyKey: _key, ...unkeyed } = keyed
      const refused = [
        yield* Effect.flip(runtime.startWorkflow({ ...place("order-2"), workflow: Order })),
        yield* Effect.flip(runtime.submitEvent(unkeyed)),
        yield* Effect.flip(runtime.enqueueEvent(unkeyed)),
        yield* Effect.flip(runtime.enqueueEvents([keyed, unkeyed]))
      ]
      for (const error of refused) {
        assert.strictEqual(error._tag, "InvalidInput")
        assert.strictEqual(
          error.message,
          "idempotencyKey is absent, but this runtime requires one: give each request a key of its own, and the same key when you repeat it"
        )
      }
      assert.strictEqual((yield* eventsOf()).length, 1)
      assert.strictEqual((yield* eventsOf("order-2")).length, 0)
      assert.strictEqual((yield* entriesOf()).length, 0)
    }).pipe(Effect.provide(memory({ idempotencyKeys: "required" })))
  )

  it.effect("accepts requests with one, each once", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const start = { ...place(), workflow: Order, idempotencyKey: "start" }
      assert.deepStrictEqual(yield* runtime.startWorkflow(start), yield* runtime.startWorkflow(start))
      const submit = { ...place(), submission: add(1), idempotencyKey: "submit" }
      assert.deepStrictEqual(yield* runtime.submitEvent(submit), yield* runtime.submitEvent(submit))
      const enqueue = { ...place(), submission: add(2), idempotencyKey: "enqueue" }
      assert.deepStrictEqual(yield* runtime.enqueueEvent(enqueue), yield* runtime.enqueueEvent(enqueue))
      assert.strictEqual((yield* eventsOf()).length, 2)
      assert.strictEqual((yield* entriesOf()).length, 1)
    }).pipe(Effect.provide(memory({ idempotencyKeys: "required" })))
  )
})

describe("A runtime without a setting for idempotency keys", () => {
  it.effect("accepts requests without one", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* runtime.startWorkflow({ ...place(), workflow: Order })
      yield* runtime.submitEvent({ ...place(), submission: add(1) })
      yield* runtime.enqueueEvent({ ...place(), submission: add(2) })
      assert.strictEqual((yield* eventsOf()).length, 2)
    }).pipe(Effect.provide(memory()))
  )
})
