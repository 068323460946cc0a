/** The registry of definitions. */
import { assert, describe, it } from "@effect/vitest"
import { Workflow } from "@refold/core"
import { Workflows } from "@refold/runtime"
import { Effect } from "effect"
import { Order, OrderTwo } from "./Order.ts"

const get = (name: string, version?: number) => Workflows.use((workflows) => workflows.get(name, version))

describe("Workflows.layer", () => {
  it.effect.each([
    [OrderTwo, Order],
    [Order, OrderTwo]
  ])("gives the version asked for, or the newest, in whatever order they were registered", (definitions) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* get("order"), OrderTwo)
      assert.strictEqual(yield* get("order", 1), Order)
      assert.strictEqual(yield* get("order", 2), OrderTwo)
    }).pipe(Effect.provide(Workflows.layer(...definitions)))
  )

  it.effect("refuses what is not registered, by name and version", () =>
    Effect.gen(function* () {
      const name = yield* Effect.flip(get("invoice"))
      assert.include(name.message, `"invoice" is not registered`)
      assert.isFalse("version" in name)
      const version = yield* Effect.flip(get("order", 3))
      assert.include(version.message, `"order" version 3 is not registered`)
      assert.strictEqual((yield* Effect.flip(get("order", 0)))._tag, "WorkflowNotFound")
    }).pipe(Effect.provide(Workflows.layer(Order, OrderTwo)))
  )
})

describe("Workflows.layerOpen", () => {
  it.effect("knows every name as an open workflow, beside the definitions given", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* get("order"), Order)
      const open = yield* get("anything")
      assert.isTrue(Workflow.isOpen(open))
      assert.strictEqual(open.name, "anything")
      assert.isTrue(Workflow.isOpen(yield* get("order", Workflow.openVersion)))
      assert.strictEqual((yield* Effect.flip(get("order", 2)))._tag, "WorkflowNotFound")
      assert.strictEqual((yield* Effect.flip(get("anything", 1)))._tag, "WorkflowNotFound")
    }).pipe(Effect.provide(Workflows.layerOpen(Order)))
  )
})
