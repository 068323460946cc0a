/** The one way an execution moves: what is decided on a stale state never stands, and no move spoils another. */
import { assert, describe, it } from "@effect/vitest"
import { Commit, Decision, type ExecutionRef, Step, type Submission } from "@refold/core"
import { TypeScriptWorkflowRuntime } from "@refold/runtime"
import {
  DecisionFailed,
  Executions,
  type Loaded,
  type Move,
  maxAttempts
} from "@refold/runtime/src/execution/Executions"
import { Effect, Layer, Result } from "effect"
import { add } from "./Order.ts"
import { type Options, eventsOf, inAnotherProcess, memory, orderOf, place } from "./Services.ts"

/** A cache of its own, beside the runtime's: what the runtime writes is another writer's. */
const executions = Executions.layer({})
const layer = (options: Options = {}) => executions.pipe(Layer.provideMerge(memory(options)))

const approved: Submission = { event_name: "Placed", payload: {} }
const at = "2025-03-01T12:00:00.000Z"

const submit = (submission: Submission, executionId?: string) =>
  TypeScriptWorkflowRuntime.use((runtime) => runtime.submitEvent({ ...place(executionId), submission }))

let eventCount = 0
const moveOf = (ref: ExecutionRef, submission: Submission, { state, workflow }: Loaded) =>
  Result.map(
    Step.take(workflow, state, submission, { eventId: `event-${++eventCount}`, at }),
    ({ events, state: after }): Move => ({ ...ref, workflow, from: state, events, isComplete: after.isComplete })
  )

/** Moves by a submission; `before` runs after the load, as another writer between load and commit. */
const moveBy = Effect.fnUntraced(function* (
  submission: Submission,
  before: (loaded: Loaded) => Effect.Effect<void, never, TypeScriptWorkflowRuntime> = () => Effect.void
) {
  const { move } = yield* Executions
  const runtime = yield* TypeScriptWorkflowRuntime
  return yield* move(place(), (loaded) =>
    Effect.andThen(
      Effect.provideService(before(loaded), TypeScriptWorkflowRuntime, runtime),
      Effect.map(Effect.fromResult(moveOf(place(), submission, loaded)), Result.succeed)
    )
  )
})

describe("Executions.load", () => {
  it.effect("gives a remembered state at the position asked for, and the log's at any other", () =>
    Effect.gen(function* () {
      const { load } = yield* Executions
      yield* orderOf(1)
      yield* moveBy(add(5))
      assert.strictEqual((yield* load(place())).state.position, 3)
      yield* submit(add(6))
      // The runtime's writer is another one: what is remembered here is stale, and given as such.
      assert.strictEqual((yield* load(place())).state.position, 3)
      assert.strictEqual((yield* load(place(), { position: 3 })).state.position, 3)
      assert.strictEqual((yield* load(place(), { position: 4 })).state.position, 4)
    }).pipe(Effect.provide(layer()))
  )
})

describe("Executions.commit", () => {
  it.effect("answers in the order of the moves: one that is late is refused alone, and its state is forgotten", () =>
    Effect.gen(function* () {
      const { commit, load } = yield* Executions
      yield* orderOf(0, "a")
      yield* orderOf(0, "b")
      // Remembered here, since this cache wrote it.
      yield* commit([yield* Effect.fromResult(moveOf(place("a"), add(1), yield* load(place("a"))))])
      const [a, b] = [yield* load(place("a")), yield* load(place("b"))]
      const moves = [
        yield* Effect.fromResult(moveOf(place("a"), add(1), a)),
        yield* Effect.fromResult(moveOf(place("b"), add(2), b))
      ] as const
      yield* submit(add(9), "a")
      const [late, made] = yield* commit(moves)
      assert.deepInclude(Result.isFailure(late) ? late.failure : {}, { executionId: "a", expected: 2, actual: 3 })
      const state = Result.flatMap(Result.mapError(made ?? Result.fail(late), String), (moved) => moved.state)
      assert.deepInclude(Result.getOrThrow(state), { executionId: "b", position: 2 })
      assert.strictEqual((yield* load(place("a"))).state.position, 3)
      assert.strictEqual((yield* eventsOf("b")).length, 2)
    }).pipe(Effect.provide(layer()))
  )
})

describe("Executions.move", () => {
  it.effect("decides again on the newer state when another writer was faster, and adds to what that wrote", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      let rivalCount = 0
      const decidedOn: Array<number> = []
      const moved = yield* moveBy(add(5), ({ state }) => {
        decidedOn.push(state.position)
        return rivalCount++ < 2 ? Effect.orDie(Effect.asVoid(submit(add(1)))) : Effect.void
      })
      assert.isTrue(Result.isSuccess(moved))
      assert.deepStrictEqual(decidedOn, [1, 2, 3])
      assert.strictEqual((yield* eventsOf()).length, 4)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("gives up after a bounded number of attempts, having written nothing", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      let decisionCount = 0
      const error = yield* Effect.flip(
        moveBy(add(5), () => {
          decisionCount++
          return Effect.orDie(Effect.asVoid(submit(add(1))))
        })
      )
      assert.instanceOf(error, Commit.PositionConflict)
      assert.strictEqual(decisionCount, maxAttempts)
      assert.strictEqual((yield* eventsOf()).length, 1 + maxAttempts)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("asks the log before it rejects: the remembered state may be stale", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const { load } = yield* Executions
      yield* moveBy(add(5))
      yield* Effect.flip(moveBy({ event_name: "Approved", payload: { by: "bob" } }))
      yield* load(place())
      yield* submit(approved)
      // Here the order is still a draft; the log says that it is under review.
      const moved = yield* moveBy({ event_name: "Approved", payload: { by: "bob" } })
      assert.isTrue(Result.isSuccess(moved))
      const rejected = yield* Effect.flip(moveBy(approved))
      assert.instanceOf(rejected, Decision.ExecutionComplete)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("asks the log before it gives up a decision that failed on a remembered state", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const { move } = yield* Executions
      yield* moveBy(add(5))
      yield* submit(add(6))
      const moved = yield* move(place(), (loaded) =>
        loaded.state.position < 3
          ? Effect.fail(new DecisionFailed({ cause: "a guard that expects two lines" }))
          : Effect.map(Effect.orDie(Effect.fromResult(moveOf(place(), add(7), loaded))), Result.succeed)
      )
      assert.isTrue(Result.isSuccess(moved))
      const failed = yield* Effect.flip(move(place(), () => Effect.fail(new DecisionFailed({ cause: "always" }))))
      assert.instanceOf(failed, DecisionFailed)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("returns an answer as it is, and commits nothing", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const { move } = yield* Executions
      const answered = yield* move(place(), () => Effect.succeed(Result.fail("known")))
      assert.deepStrictEqual(answered, Result.fail("known"))
      assert.strictEqual((yield* eventsOf()).length, 1)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("a queue that has moved is no conflict to decide again for", () =>
    Effect.gen(function* () {
      yield* orderOf(0)
      const { move } = yield* Executions
      let decisionCount = 0
      const error = yield* Effect.flip(
        move(place(), (loaded) => {
          decisionCount++
          const settlement = { _tag: "Rejected", error: "Test", reason: "a test", currentState: "Draft" } as const
          return Effect.map(Effect.fromResult(moveOf(place(), add(5), loaded)), (made) =>
            Result.succeed({ ...made, settles: { after: 7, settlements: [settlement] } as const })
          )
        })
      )
      assert.deepInclude(error, { _tag: "PositionConflict", expected: 1, actual: 1 })
      assert.strictEqual(decisionCount, 1)
    }).pipe(Effect.provide(layer()))
  )
})

describe("Executions.exclusively", () => {
  it.effect("lets callers of one execution follow one another, and others pass", () =>
    Effect.gen(function* () {
      const { exclusively } = yield* Executions
      const order: Array<string> = []
      const call = (executionId: string, name: string) =>
        exclusively(
          place(executionId),
          Effect.gen(function* () {
            order.push(`${name} begins`)
            yield* Effect.yieldNow
            yield* Effect.yieldNow
            order.push(`${name} ends`)
          })
        )
      yield* Effect.all([call("a", "1"), call("a", "2"), call("b", "3")], { concurrency: "unbounded" })
      assert.isBelow(order.indexOf("1 ends"), order.indexOf("2 begins"))
      assert.isBelow(order.indexOf("3 begins"), order.indexOf("1 ends"))
    }).pipe(Effect.provide(layer()))
  )
})

describe("Executions.workflowsOf", () => {
  it.effect("names the workflow of each execution that exists, and leaves out the others", () =>
    Effect.gen(function* () {
      yield* orderOf(0, "a")
      const { workflowsOf } = yield* Executions
      const asked = [place("a"), place("nowhere"), { tenant: "other", executionId: "a" }]
      assert.deepStrictEqual([...(yield* workflowsOf(asked)).values()], [{ name: "order", version: 1 }])
      // One that starts later is found then: absence is not remembered.
      yield* orderOf(0, "nowhere").pipe(inAnotherProcess())
      assert.strictEqual((yield* workflowsOf(asked)).size, 2)
    }).pipe(Effect.provide(layer()))
  )
})
