/** The fold in memory, against a hand-written loop. */
import { deepStrictEqual } from "node:assert"
import { Replay, Workflow, type WorkflowEvent } from "@refold/core"
import { Array, Effect, Result } from "effect"
import { Bench } from "tinybench"
import { Ledger, foldByHand, log } from "./Ledger.ts"
import { alternate, figureOf, shortTurnCount } from "./Measure.ts"
import type { Run } from "./Run.ts"

/** Milliseconds of one task, by tinybench. This code makes the turns, because tinybench would run one task after the other. */
const measurement = (work: () => void) =>
  Effect.sync(() => {
    const bench = new Bench({ time: 100, iterations: 5, warmup: false, throws: true })
    const [task] = bench.add("fold", work).runSync()
    if (task?.result.state !== "completed") throw new Error("A fold was not measured")
    return task.result.latency.p50
  })

/** Keeps the states: V8 could skip an unused state, but a caller's loop cannot. */
const given: { state: unknown } = { state: undefined }

/** Several folds per task, so that the clock does not dominate. */
const eventsPerTask = 10_000

const compareFolds = (
  name: string,
  target: number,
  eventCount: number,
  prepare: () => { readonly ours: () => unknown; readonly reference: () => unknown }
): Run => ({
  names: [name],
  diskGiB: 0,
  figures: Effect.gen(function* () {
    const foldCount = Math.max(1, Math.round(eventsPerTask / eventCount))
    const rateOf = (fold: () => unknown) =>
      Effect.map(
        measurement(() => {
          for (let count = foldCount; count > 0; count--) given.state = fold()
        }),
        (millis) => (eventCount * foldCount * 1000) / millis
      )
    const prepared = prepare()
    const [ours, reference] = [rateOf(prepared.ours), rateOf(prepared.reference)]
    yield* alternate(ours, reference, warmUpTurnCount)
    return [figureOf(name, "events/s", target, yield* alternate(ours, reference, shortTurnCount), "more")]
  })
})

const warmUpTurnCount = 2

const fold = (eventCount: number) =>
  compareFolds(`fold/${eventCount}`, 0.6, eventCount, () => {
    const events = log(eventCount)
    const ours = () => Result.getOrThrow(Replay.fold(Ledger, undefined, events))
    const reference = () => foldByHand(events)
    deepStrictEqual(ours()?.data, reference().data)
    return { ours, reference }
  })

const wideningCount = 10_000

/** Every event adds a key, so a copy per event would be quadratic. */
const widening = compareFolds("fold/widening", 0.3, wideningCount, () => {
  const workflow = Workflow.open("widening")
  const events: ReadonlyArray<WorkflowEvent> = Array.map(log(wideningCount), (event, place) => ({
    ...event,
    payload: { [`key-${place}`]: place }
  }))
  const reference = () => {
    const data: { [key: string]: unknown } = {}
    let currentState = ""
    let position = 0
    for (const event of events) {
      Object.assign(data, event.payload)
      currentState = event.to_state
      position = event.position
    }
    return { data, currentState, position }
  }
  const ours = () => Result.getOrThrow(Replay.fold(workflow, undefined, events))
  deepStrictEqual(ours()?.data, reference().data)
  return { ours, reference }
})

export const folds: ReadonlyArray<Run> = [fold(10), fold(1000), fold(100_000), widening]
