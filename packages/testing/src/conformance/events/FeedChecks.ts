/** Checks of the feed of a partition. */
import { Partition, type WorkflowEvent, WorkflowEventModel } from "@refold/core"
import { Array, Effect, Fiber, Option } from "effect"
import { type Check, equal, holds } from "../Check.ts"
import { accepted, feedOf, freshTenant, moves } from "../Sample.ts"
import { positionOf, partitionOf, ofTenant, refusals } from "./EventSample.ts"

export const feedChecks: ReadonlyArray<Check<WorkflowEventModel>> = [
  {
    title: "a reader that follows the feed during commits misses no event",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowEventModel
      const { partitionCount } = model
      const ids = Array.makeBy(partitionCount * 40, (n) => `execution-${n}`)
        .filter((id) => Partition.of(tenant, id, partitionCount) === 0)
        .slice(0, 8)
      const write = Effect.forEach(
        ids,
        (executionId) =>
          Effect.forEach(Array.range(0, 9), (position) => accepted(moves({ tenant, executionId }, position, ["x"]))),
        { concurrency: "unbounded" }
      )
      const start = Array.last(yield* feedOf(0)).pipe(Option.match({ onNone: () => 0, onSome: ({ offset }) => offset }))
      const writing = yield* Effect.forkChild(write)
      const seen: Array<WorkflowEvent> = []
      let [isWriting, isRead] = [true, false]
      for (let readCount = 0; (isWriting || !isRead) && readCount < 100_000; readCount++) {
        // After the writers ended, one more read must find the end of the feed.
        isWriting = writing.pollUnsafe() === undefined
        const events = yield* model.readFeed({ partition: 0, after: seen.at(-1)?.offset ?? start, limit: 3 })
        seen.push(...events)
        isRead = events.length === 0
        yield* Effect.yieldNow
      }
      yield* Fiber.join(writing)
      yield* equal(
        "the offsets followed",
        seen.map(({ offset }) => offset),
        seen.map((_, index) => start + index + 1)
      )
      yield* equal("how many of the events were seen", ofTenant(seen, tenant).length, ids.length * 10)
    })
  },
  {
    title: "offsets count every partition's events from 1 without gaps, in order of position",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowEventModel
      const ids = Array.makeBy(model.partitionCount * 2, (n) => `execution-${n}`)
      yield* accepted(...Array.map(ids, (executionId) => moves({ tenant, executionId }, 0, ["1", "2"])))
      yield* refusals(...Array.map(ids, (executionId) => moves({ tenant, executionId }, 1, ["x"])))
      yield* accepted(...Array.map(ids, (executionId) => moves({ tenant, executionId }, 2, ["3"])))
      for (const partition of Array.range(0, model.partitionCount - 1)) {
        const feed = yield* feedOf(partition)
        yield* equal(
          `offsets of partition ${partition}`,
          feed.map((event) => event.offset),
          feed.map((_, index) => index + 1)
        )
        const here = ids.filter((id) => Partition.of(tenant, id, model.partitionCount) === partition)
        const positions = here.map((id) =>
          feed.filter((event) => event.tenant === tenant && event.execution_id === id).map(positionOf)
        )
        yield* equal(
          `positions in partition ${partition}`,
          positions,
          here.map(() => [1, 2, 3])
        )
      }
    })
  },
  {
    title: "the feed returns the events of the log after the offset, at most the limit",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const events = yield* accepted(moves(ref, 0, ["1", "2", "3", "4", "5"]))
      const partition = partitionOf(events)
      const before = Math.min(...events.map((event) => event.offset)) - 1
      const model = yield* WorkflowEventModel
      const end = (yield* feedOf(partition)).length
      for (const limit of [1, 2, 5]) {
        for (const skipped of [0, 1, 3]) {
          const read = yield* model.readFeed({ partition, after: before + skipped, limit })
          const expected = events.slice(skipped, skipped + limit)
          yield* equal(`${limit} events after ${skipped}`, read.slice(0, expected.length), expected)
          yield* holds(`at most ${limit} events of the feed`, read.length <= limit, read.length)
        }
      }
      yield* equal("events after the end", yield* model.readFeed({ partition, after: end + 1_000_000, limit: 10 }), [])
    })
  }
]
