/** Submitting and enqueueing, against one hand-written statement per event. */
import { TypeScriptWorkflowRuntime } from "@refold/runtime"
import { Effect, type Layer } from "effect"
import * as ByHand from "./ByHand.ts"
import { runtimeOnServers, startLedgers, tenant } from "./Database.ts"
import { booking } from "./Ledger.ts"
import { alternate, closedLoop, figureOf, shortTurnCount, warmUp, warmUpFiberCount } from "./Measure.ts"
import type { Run } from "./Run.ts"

const schema = "refold_bench_submit"

const submission = { event_name: "Booked", payload: booking }

/** One step of each side, by fiber number. */
interface Steps {
  readonly ours: (fiber: number) => Effect.Effect<unknown, unknown>
  readonly reference: (fiber: number) => Effect.Effect<unknown, unknown>
}

const compareLoops = <R, RL>(
  name: string,
  target: number,
  fiberCount: number,
  steps: Effect.Effect<Steps, unknown, R>,
  live: Layer.Layer<R, unknown, RL>
) => ({
  names: [name],
  diskGiB: 1,
  figures: Effect.gen(function* () {
    const { ours, reference } = yield* steps
    const rateOf = (step: (fiber: number) => Effect.Effect<unknown, unknown>) =>
      Effect.map(closedLoop(fiberCount, step), ({ perSecond }) => perSecond)
    yield* warmUp(ours)
    yield* warmUp(reference)
    const turns = yield* alternate(rateOf(ours), rateOf(reference), shortTurnCount)
    return [figureOf(name, "events/s", target, turns, "more")]
  }).pipe(Effect.provide(live))
})

/** Executions of both sides, as many as are ever in flight, and the operations on them. */
const prepare = Effect.fnUntraced(function* (executionCount: number) {
  const runtime = yield* TypeScriptWorkflowRuntime
  const byHand = yield* ByHand.make(schema)
  yield* byHand.createTables
  const executionIds = yield* startLedgers("submit", executionCount)
  yield* byHand.start("submit", executionCount)
  const idOf = (fiber: number) => executionIds[fiber] ?? ""
  return { runtime, byHand, idOf }
})

/** Each fiber has its own execution. */
const submit = (fiberCount: number, target: number): Run =>
  compareLoops(
    `submit/${fiberCount}`,
    target,
    fiberCount,
    Effect.gen(function* () {
      const { byHand, idOf, runtime } = yield* prepare(warmUpFiberCount)
      return {
        ours: (fiber) => runtime.submitEvent({ tenant, executionId: idOf(fiber), submission }),
        reference: Effect.fnUntraced(function* (fiber) {
          const execution = yield* byHand.remembered(idOf(fiber))
          if (!(yield* byHand.append(idOf(fiber), execution.position))) return yield* Effect.die("somebody else wrote")
          ByHand.remember(execution, booking)
        })
      }
    }),
    runtimeOnServers(schema)
  )

/** All fibers use one execution. After a conflict a fiber reads the position and tries again, until it succeeds. */
const hot: Run = compareLoops(
  "submit/hot",
  2,
  64,
  Effect.gen(function* () {
    const { byHand, idOf, runtime } = yield* prepare(1)
    const executionId = idOf(0)
    return {
      ours: () =>
        Effect.retry(runtime.submitEvent({ tenant, executionId, submission }), {
          while: (error) => error._tag === "ExecutionContended"
        }),
      reference: Effect.fnUntraced(function* () {
        const execution = yield* byHand.remembered(executionId)
        let { position } = execution
        while (!(yield* byHand.append(executionId, position))) position = yield* byHand.readPosition(executionId)
        ByHand.remember(execution, booking)
      })
    }
  }),
  runtimeOnServers(schema)
)

/** Measures until the event is accepted. There is no worker. */
const enqueue = (fiberCount: number, target: number): Run =>
  compareLoops(
    `enqueue/${fiberCount}`,
    target,
    fiberCount,
    Effect.gen(function* () {
      const { byHand, idOf, runtime } = yield* prepare(warmUpFiberCount)
      return {
        ours: (fiber) => runtime.enqueueEvent({ tenant, executionId: idOf(fiber), submission }),
        reference: (fiber) => byHand.enqueue(crypto.randomUUID(), idOf(fiber))
      }
    }),
    runtimeOnServers(schema)
  )

export const submits: ReadonlyArray<Run> = [submit(1, 0.7), submit(16, 1), submit(64, 1.3), hot, enqueue(64, 1.5)]
