/** The cost of an event in a large database, against a small one: the same two paths and the same executions in use. */
import { TypeScriptWorkflowRuntime, Worker } from "@refold/runtime"
import { Array, Effect, Layer } from "effect"
import { Applied, telling } from "./Applied.ts"
import { onServers, startEach } from "./Database.ts"
import { booking } from "./Ledger.ts"
import { alternate, closedLoop, figureOf } from "./Measure.ts"
import type { Run } from "./Run.ts"
import { type Size, executionIdOf, seed, tenantOf } from "./Seed.ts"

const small: Size = { tenantCount: 1, executionCount: 1000, eventsPerExecution: 10, settledCount: 0 }

const fiberCount = 16

/** Executions in use, spread evenly over all executions and over the order of the keys. */
const usedPerFiber = 4

const submission = { event_name: "Booked", payload: booking }

/**
 * A step in a database of a given size: enqueues one event, waits until a worker has applied it, and submits one.
 */
const stepsIn = Effect.fnUntraced(function* (schema: string, size: Size) {
  const applied = new Applied()
  const services = yield* Layer.build(
    Worker.layer().pipe(
      Layer.provideMerge(TypeScriptWorkflowRuntime.layer),
      Layer.provideMerge(telling(applied)),
      Layer.provideMerge(onServers(schema))
    )
  )
  const used = Array.makeBy(fiberCount * usedPerFiber, (place) => {
    const nearby = Math.floor((place * size.executionCount) / (fiberCount * usedPerFiber))
    return { tenant: tenantOf(size, nearby), executionId: `${executionIdOf(nearby)} used` }
  })
  yield* Effect.provide(seed(schema, size), services)
  yield* Effect.provide(startEach(used), services)
  const runtime = yield* Effect.provide(TypeScriptWorkflowRuntime, services)
  let stepCount = 0
  return (fiber: number) =>
    Effect.gen(function* () {
      const ref = used[fiber * usedPerFiber + (stepCount++ % usedPerFiber)] ?? { tenant: "", executionId: "" }
      const { eventId } = yield* runtime.enqueueEvent({ ...ref, submission })
      yield* applied.wait(eventId)
      yield* runtime.submitEvent({ ...ref, submission })
    })
})

const scale = (name: string, diskGiB: number, reference: Size, large: Size): Run => ({
  names: [name],
  diskGiB,
  figures: Effect.gen(function* () {
    const inLarge = yield* stepsIn("refold_bench_large", large)
    const inSmall = yield* stepsIn("refold_bench_small", reference)
    // A step has two events.
    const costOf = (step: typeof inLarge) =>
      Effect.map(closedLoop(fiberCount, step), ({ perSecond }) => 1_000_000 / (perSecond * 2))
    yield* alternate(costOf(inLarge), costOf(inSmall), 2)
    return [figureOf(name, "µs/event", 0.8, yield* alternate(costOf(inLarge), costOf(inSmall), 7), "less")]
  })
})

export const scales: ReadonlyArray<Run> = [
  scale("scale/executions", 4, small, { ...small, executionCount: 1_000_000, eventsPerExecution: 1 }),
  scale("scale/events", 16, small, { ...small, eventsPerExecution: 10_000 }),
  scale(
    "scale/tenants",
    2,
    { ...small, executionCount: 10_000 },
    { ...small, executionCount: 10_000, tenantCount: 10_000 }
  ),
  scale("scale/queued", 4, { ...small, settledCount: 1000 }, { ...small, settledCount: 1_000_000 })
]
