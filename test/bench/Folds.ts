/** The fold in memory against a loop by hand. */
import { deepStrictEqual } from "node:assert"
import { Replay, Workflow, type WorkflowEvent } from "@refold/core"
import { Array, Effect, Result } from "effect"
import { Ledger, foldByHand, log } from "./Ledger.ts"
import { compare } from "./Measure.ts"

const fold = (eventCount: number) =>
  Effect.suspend(() => {
    const events = log(eventCount)
    const ours = () => Result.getOrThrow(Replay.fold(Ledger, undefined, events))
    deepStrictEqual(ours()?.data, foldByHand(events).data)
    return compare({
      name: `fold/${eventCount}`,
      work: { count: eventCount, unit: "events" },
      target: 0.5,
      // Several folds to a step, so that what is measured is not the steps.
      ours: Effect.sync(() => repeat(eventCount, ours)),
      reference: Effect.sync(() => repeat(eventCount, () => foldByHand(events)))
    }).pipe(Effect.map((figure) => ({ ...figure, ...perFold(eventCount, figure) })))
  })

const foldsPerStep = (eventCount: number) => Math.max(1, Math.round(10_000 / eventCount))

/** Where the states go: one that nobody is given need not be made, which no caller's loop is spared. */
const given: { state: unknown } = { state: undefined }

const repeat = (eventCount: number, run: () => unknown) => {
  for (let count = foldsPerStep(eventCount); count > 0; count--) given.state = run()
}

const perFold = (eventCount: number, { ours, reference }: { readonly ours: number; readonly reference: number }) => ({
  ours: ours * foldsPerStep(eventCount),
  reference: reference * foldsPerStep(eventCount)
})

/** Every event adds a key: where a copy for each event is quadratic. */
const widening = Effect.suspend(() => {
  const workflow = Workflow.open("widening")
  const events: ReadonlyArray<WorkflowEvent> = Array.map(log(10_000), (event, place) => ({
    ...event,
    payload: { [`key-${place}`]: place }
  }))
  const byHand = () => {
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
  deepStrictEqual(ours()?.data, byHand().data)
  return compare({
    name: "fold/widening",
    work: { count: events.length, unit: "events" },
    target: 0.3,
    ours: Effect.sync(ours),
    reference: Effect.sync(byHand)
  })
})

export const folds = {
  "fold/10": fold(10),
  "fold/1000": fold(1000),
  "fold/100000": fold(100_000),
  "fold/widening": widening
}
