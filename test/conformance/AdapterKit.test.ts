/** Running the kits: what they need, their messages, and that they end. */
import { assert, describe, it } from "@effect/vitest"
import { KitName, adapterChecks, checkAdapter, testAdapter } from "@refold/testing/conformance"
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import {
  WakeUpChannel,
  StoreError,
  WorkflowEventModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { type Array, Effect, Layer } from "effect"

/** A layer with one port of the store in memory. */
const snapshotsAlone = Layer.effect(WorkflowSnapshotModel, WorkflowSnapshotModel).pipe(Layer.provide(MemoryStore.layer))

const kitsOf = <Provided, E>(layer: Layer.Layer<Provided, E>, kits?: Array.NonEmptyReadonlyArray<KitName>) =>
  Effect.map(adapterChecks(layer, kits === undefined ? {} : { kits }), (checks) => [
    ...new Set(checks.map(({ kit }) => kit))
  ])

describe("The kits of an adapter", () => {
  it.effect("are those of the ports that the layer provides, or those that are named", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* kitsOf(Layer.merge(MemoryStore.layer, MemoryWakeUpChannel.layer)),
        KitName.literals.filter((name) => name !== "DurableWakeUpChannel")
      )
      assert.deepStrictEqual(yield* kitsOf(MemoryWakeUpChannel.layer), ["WakeUpChannel"])
      assert.deepStrictEqual(yield* kitsOf(MemoryStore.layer, ["PartitionLeases"]), ["PartitionLeases"])
    })
  )

  it.effect("say which port is missing, before any check", () =>
    Effect.gen(function* () {
      const failures = yield* Effect.forEach(
        [
          checkAdapter(snapshotsAlone),
          checkAdapter(MemoryStore.layer, { kits: ["WakeUpChannel"] }),
          checkAdapter(Layer.empty)
        ],
        Effect.flip
      )
      assert.deepStrictEqual(
        failures.map(({ message }) => message),
        [
          "The layer does not provide WorkflowEventModel, which the kit WorkflowSnapshotModel needs: merge a layer that does, or name other kits",
          "The layer does not provide WakeUpChannel, which the kit WakeUpChannel needs: merge a layer that does, or name other kits",
          "The layer provides none of the ports that have a kit: WorkflowEventModel, WorkflowSnapshotModel, WorkflowExecutionModel, WorkflowEventProcessingModel, PartitionLeases, WakeUpChannel"
        ]
      )
    })
  )

  it.effect("fail as the layer does that cannot be opened", () =>
    Effect.gen(function* () {
      const closed = new StoreError({ operation: "Opening", reason: { _tag: "Unavailable", isRetryable: false } })
      const layer = Layer.effect(WorkflowEventModel, Effect.fail(closed))
      assert.strictEqual(yield* Effect.flip(checkAdapter(layer)), closed)
    })
  )

  it.effect("build the layer anew for each check, and close it after", () =>
    Effect.gen(function* () {
      let [opened, isOpen] = [0, false]
      const counted = Layer.effectDiscard(
        Effect.acquireRelease(
          Effect.sync(() => {
            assert.isFalse(isOpen)
            isOpen = true
            opened++
          }),
          () => Effect.sync(() => (isOpen = false))
        )
      )
      const store = Layer.provideMerge(counted, MemoryStore.layer)
      const [passed, ...others] = yield* checkAdapter(store, { kits: ["WorkflowSnapshotModel"] })
      assert.deepStrictEqual(others, [])
      assert.strictEqual(opened, (passed?.promiseCount ?? 0) + 1)
      assert.isFalse(isOpen)
    })
  )

  it.live("take what an adapter throws for a broken promise, and name the promise", () =>
    Effect.gen(function* () {
      const throwing = Layer.effect(
        WorkflowExecutionModel,
        Effect.map(WorkflowExecutionModel, (model) => ({
          ...model,
          find: (): never => {
            throw new TypeError("find is not written yet")
          }
        }))
      ).pipe(Layer.provideMerge(MemoryStore.layer))
      const unfit = yield* Effect.flip(checkAdapter(throwing, { kits: ["WorkflowExecutionModel"] }))
      assert.match(
        unfit.message,
        /^\d+ of 13 promises are broken\n\nWorkflowExecutionModel promises: the header is .*\n +find is not written yet\n/
      )
    })
  )

  it("register one test per check, in the order of the kits, and wait for each", async () => {
    const titles: Array<string> = []
    await testAdapter(
      MemoryWakeUpChannel.layer,
      async (title, run) => {
        titles.push(title)
        await run()
      },
      { kits: ["DurableWakeUpChannel"] }
    )
    assert.strictEqual(titles.length, 5)
    assert.isTrue(titles.every((title) => title.startsWith("DurableWakeUpChannel: ")))
  })

  it("tell an absent field from one that is undefined, and show where values differ", async () => {
    const extra = Layer.effect(
      WakeUpChannel,
      Effect.map(WakeUpChannel, ({ publish, reader }) => ({
        publish,
        reader: Effect.map(reader, ({ acknowledge, read }) => ({
          acknowledge,
          read: (options) => Effect.map(read(options), (received) => ({ ...received, lag: undefined }))
        }))
      }))
    ).pipe(Layer.provide(MemoryWakeUpChannel.layer))
    const [check] = await Effect.runPromise(adapterChecks(extra))
    const failure = await check?.run().then(
      () => "none",
      (error: Error) => error.message
    )
    assert.strictEqual(
      failure,
      [
        "WakeUpChannel promises: a wake-up arrives with all its fields, whatever they hold",
        "    the first read of a reader:",
        '    expected: {"deliveries":[],"hasGap":true}',
        '       found: {"deliveries":[],"hasGap":true,"lag":undefined}',
        "          at: .lag, which should be absent"
      ].join("\n")
    )
  })
})
