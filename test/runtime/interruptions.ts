/**
 * Interrupts calls, as a caller's timeout or a closed connection does, and repeats them. On every store, nothing is half
 * written, and the next caller finds a consistent state.
 */
import { assert } from "@effect/vitest"
import { TypeScriptWorkflowRuntime, Verification, WorkflowEventSourcing } from "@refold/runtime"
import { Effect, Fiber, type Layer, References } from "effect"
import { Order, add } from "./Order.ts"
import { entriesOf, type memory, orderOf, place, processAll } from "./Services.ts"

/** With fewer, a yielding fiber makes no step at all. */
export const leastSteps = 3

/** Runs the call for this many steps, after which its fiber yields. */
export const runFor = <A, E, R>(call: Effect.Effect<A, E, R>, steps: number) =>
  Effect.tap(Effect.forkChild(Effect.provideService(call, References.MaxOpsBeforeYield, steps)), () => Effect.yieldNow)

export interface Interrupting {
  /** Runs the call of a round up to its interruption, which is later in each round. */
  readonly until: <A, E, R>(call: Effect.Effect<A, E, R>, round: number) => Effect.Effect<Fiber.Fiber<A, E>, never, R>
  readonly maxRounds: number
}

/** Runs each round on a new execution, until a call ends before its interruption. Returns the ids. */
const interruptedEverywhere = Effect.fnUntraced(function* <Prepared, E1, R1, A, E2, R2>(
  { maxRounds, until }: Interrupting,
  prepare: (executionId: string) => Effect.Effect<Prepared, E1, R1>,
  call: (executionId: string, prepared: Prepared) => Effect.Effect<A, E2, R2>
) {
  const executionIds: Array<string> = []
  for (let round = 0; round < maxRounds; round++) {
    const executionId = `order-${round}`
    const prepared = yield* prepare(executionId)
    executionIds.push(executionId)
    const fiber = yield* until(call(executionId, prepared), round)
    if (fiber.pollUnsafe() !== undefined) break
    yield* Fiber.interrupt(fiber)
  }
  return executionIds
})

const verified = Effect.fnUntraced(function* (executionIds: ReadonlyArray<string>) {
  assert.isAbove(executionIds.length, 1)
  const report = yield* Verification.verify({ tenant: place().tenant })
  assert.deepStrictEqual(report.findings, [])
  assert.strictEqual(report.executionCount, executionIds.length)
})

/** The call, interrupted at every step and repeated, returns the same position as a single call. */
const answersWith = Effect.fnUntraced(function* <E1, R1, E2, R2>(
  position: number,
  interrupting: Interrupting,
  prepare: (executionId: string) => Effect.Effect<unknown, E1, R1>,
  call: (executionId: string) => Effect.Effect<{ readonly position: number }, E2, R2>
) {
  const executionIds = yield* interruptedEverywhere(interrupting, prepare, call)
  for (const executionId of executionIds) assert.strictEqual((yield* call(executionId)).position, position)
  yield* verified(executionIds)
})

const positionOf = Effect.fnUntraced(function* (executionId: string) {
  const runtime = yield* TypeScriptWorkflowRuntime
  return (yield* runtime.getExecutionState(place(executionId))).position
})

type Checked = Effect.Effect<void, unknown, Layer.Success<ReturnType<typeof memory>>>

/** The result of each call on a new store, on orders with this many events. */
export const interruptedCalls = (interrupting: Interrupting, eventCount: number): Readonly<Record<string, Checked>> => {
  const prepare = (executionId: string) => orderOf(eventCount - 1, executionId)
  return {
    "startWorkflow starts once": TypeScriptWorkflowRuntime.use(({ startWorkflow }) =>
      answersWith(
        1,
        interrupting,
        () => Effect.void,
        (executionId) => startWorkflow({ ...place(executionId), workflow: Order, idempotencyKey: "k" })
      )
    ),

    "submitEvent appends once": TypeScriptWorkflowRuntime.use(({ submitEvent }) =>
      answersWith(eventCount + 1, interrupting, prepare, (executionId) =>
        submitEvent({ ...place(executionId), submission: add(1), idempotencyKey: "k" })
      )
    ),

    "enqueueEvent queues once": Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const enqueue = (executionId: string) =>
        runtime.enqueueEvent({ ...place(executionId), submission: add(1), idempotencyKey: "k" })
      const executionIds = yield* interruptedEverywhere(interrupting, prepare, enqueue)
      for (const executionId of executionIds) {
        yield* enqueue(executionId)
        assert.strictEqual((yield* entriesOf(executionId)).length, 1)
      }
      yield* processAll()
      for (const executionId of executionIds) assert.strictEqual(yield* positionOf(executionId), eventCount + 1)
      yield* verified(executionIds)
    }),

    "processQueuedEvent applies once": Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const enqueued = (executionId: string) =>
        Effect.andThen(prepare(executionId), runtime.enqueueEvent({ ...place(executionId), submission: add(1) }))
      const process = (executionId: string, queued: Effect.Success<ReturnType<typeof enqueued>>) =>
        runtime.processQueuedEvent({ ...place(executionId), ...queued, workerId: "worker-1" })
      const executionIds = yield* interruptedEverywhere(interrupting, enqueued, process)
      for (const executionId of executionIds) {
        const [entry] = yield* entriesOf(executionId)
        const { eventId, processingId } = yield* Effect.fromNullishOr(entry)
        assert.isTrue((yield* process(executionId, { eventId, processingId })).success)
        assert.strictEqual(yield* positionOf(executionId), eventCount + 1)
      }
      yield* verified(executionIds)
    }),

    "createSnapshot stores what the log folds to": WorkflowEventSourcing.use(({ createSnapshot }) =>
      answersWith(eventCount, interrupting, prepare, (executionId) => createSnapshot(executionId, place().tenant))
    )
  }
}
