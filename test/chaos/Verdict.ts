/** The result of a run, from the log only. */
import { WorkflowEventModel, WorkflowEventProcessingModel, WorkflowExecutionModel } from "@refold/core"
import { Effect, Stream } from "effect"

export interface Verdict {
  readonly lost: number
  readonly doubled: number
  readonly outOfOrder: number
  readonly positionGaps: number
  readonly offsetGaps: number
  /** Headers that differ from the log. */
  readonly headersOff: number
  /** Queued events that were not applied. */
  readonly notApplied: number
}

/** Every execution must contain the numbers 1 to `eventCount` after its first event. */
export const judge = Effect.fnUntraced(function* (
  tenants: ReadonlyArray<string>,
  executionCount: number,
  eventCount: number
) {
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  const queue = yield* WorkflowEventProcessingModel
  const found = { lost: 0, doubled: 0, outOfOrder: 0, positionGaps: 0, offsetGaps: 0, headersOff: 0, notApplied: 0 }

  let executionsSeen = 0
  for (const tenant of tenants) {
    const logs = new Map<string, { positions: Array<number>; numbers: Array<number> }>()
    yield* Stream.runForEach(events.readTenant({ tenant }), (event) =>
      Effect.sync(() => {
        const log = logs.get(event.execution_id) ?? { positions: [], numbers: [] }
        logs.set(event.execution_id, log)
        log.positions.push(event.position)
        if (event.event_name === "Counted") log.numbers.push(numberOf(event.payload))
      })
    )
    const headers = yield* Stream.runCollect(executions.list({ tenant }))
    found.headersOff += headers.filter(
      (header) => header.position !== logs.get(header.executionId)?.positions.length
    ).length
    executionsSeen += logs.size
    for (const { numbers, positions } of logs.values()) {
      const distinct = new Set(numbers)
      found.lost += Array.from({ length: eventCount }, (_, place) => place + 1).filter((n) => !distinct.has(n)).length
      found.doubled += numbers.length - distinct.size
      found.outOfOrder += numbers.filter((n, place) => place > 0 && n < (numbers[place - 1] ?? 0)).length
      found.positionGaps += positions.filter((position, place) => position !== place + 1).length
    }
  }
  found.lost += (executionCount - executionsSeen) * eventCount

  for (let partition = 0; partition < events.partitionCount; partition++) {
    let after = 0
    for (;;) {
      const page = yield* events.readFeed({ partition, after, limit: 5000 })
      for (const event of page) {
        if (event.offset !== after + 1) found.offsetGaps++
        after = event.offset
      }
      if (page.length < 5000) break
    }
  }
  const others = queue.list({ statuses: ["Pending", "Dead", "Rejected", "Skipped", "Discarded"] })
  found.notApplied = yield* Stream.runCount(others)
  const verdict: Verdict = found
  return verdict
})

const numberOf = (payload: unknown): number =>
  typeof payload === "object" && payload !== null && "n" in payload ? Number(payload.n) : Number.NaN
