/** Snapshots in the background: how many may be in progress, and the fate of those due meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import { type ExecutionState, type Snapshot, Workflow } from "@refold/core"
import { SnapshotUnencodable, SnapshotWriter } from "@refold/runtime/src/replay/SnapshotWriter"
import { Deferred, Effect, Layer, Schema } from "effect"
import { changed, memoryPorts } from "./Services.ts"

const Counter = Workflow.make({
  name: "counter",
  events: {},
  data: Schema.Struct({ sum: Schema.Int }),
  initial: { state: "Open", data: { sum: 0 } },
  states: { Open: {} }
})

const stateOf = (executionId: string, position: number, sum = 0): ExecutionState.ExecutionState<{ sum: number }> => ({
  tenant: "acme",
  executionId,
  workflow: Counter.ref,
  currentState: "Open",
  data: { sum },
  position,
  isComplete: false,
  startedAt: "2025-03-01T12:00:00.000Z",
  updatedAt: "2025-03-01T12:00:00.000Z"
})

/** A writer with a snapshot due at every event, on a store that records its input and holds every save until released. */
const writerOn = (saving: { readonly begun: Array<Snapshot.Snapshot>; readonly mayEnd: Deferred.Deferred<void> }) =>
  SnapshotWriter.layer({ policy: { _tag: "Every", eventCount: 1 }, retention: { _tag: "KeepAll" } }).pipe(
    Layer.provide(
      changed({
        snapshots: () => ({
          save: ({ snapshot }) =>
            Effect.suspend(() => {
              saving.begun.push(snapshot)
              return Deferred.await(saving.mayEnd)
            })
        })
      })
    ),
    Layer.provide(memoryPorts)
  )

const withWriter = <A, E>(
  use: (writer: SnapshotWriter["Service"], begun: ReadonlyArray<Snapshot.Snapshot>) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const saving = { begun: new Array<Snapshot.Snapshot>(), mayEnd: yield* Deferred.make<void>() }
    yield* Effect.gen(function* () {
      yield* use(yield* SnapshotWriter, saving.begun)
      // Closing waits for the snapshots in progress.
      yield* Deferred.succeed(saving.mayEnd, undefined)
    }).pipe(Effect.provide(writerOn(saving)))
    return saving.begun
  })

const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

describe("SnapshotWriter.offer", () => {
  it.effect("has no more than 64 under way, and leaves what is due beyond that to the next replay", () =>
    Effect.gen(function* () {
      const begun = yield* withWriter((writer) =>
        Effect.gen(function* () {
          for (let id = 0; id < 70; id++) yield* writer.offer(Counter, stateOf(`${id}`, 1))
          yield* settle
        })
      )
      assert.deepStrictEqual(
        begun.map((snapshot) => snapshot.execution_id),
        Array.from({ length: 64 }, (_, id) => `${id}`)
      )
    })
  )

  it.effect("finishes the snapshot of an execution that is under way, whatever is due of it meanwhile", () =>
    Effect.gen(function* () {
      const begun = yield* withWriter((writer) =>
        Effect.gen(function* () {
          yield* writer.offer(Counter, stateOf("1", 1))
          yield* settle
          yield* writer.offer(Counter, stateOf("1", 2))
          yield* settle
        })
      )
      assert.deepStrictEqual(
        begun.map((snapshot) => snapshot.position),
        [1]
      )
    })
  )
})

describe("SnapshotWriter.store", () => {
  it.effect("fails for data that cannot be stored, and says where and what to do", () =>
    withWriter((writer) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(writer.store(Counter, stateOf("1", 1, Number.NaN)))
        assert.instanceOf(error, SnapshotUnencodable)
        assert.match(
          error.message,
          /^The data of execution "1" at \/sum must be a finite number: make evolve return what the data's schema describes$/
        )
        const whole = new SnapshotUnencodable({ executionId: "1", path: "", problem: "must be a plain object" })
        assert.match(whole.message, /^The data of execution "1" must be a plain object: /)
      })
    )
  )
})
