/** Checks of reads of one execution and of a tenant: bounds, pages, order. */
import { Instant, WorkflowEventModel } from "@refold/core"
import { Array, Effect, Option, Stream } from "effect"
import { type Check, equal } from "../Check.ts"
import { accepted, freshTenant, imports, logOf, moves, numbered } from "../Sample.ts"
import { stateOf } from "./EventSample.ts"

export const readChecks: ReadonlyArray<Check<WorkflowEventModel>> = [
  {
    title: "a read respects its bounds, for every batch size",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const events = yield* accepted(moves(ref, 0, numbered(5)))
      yield* accepted(
        moves({ ...ref, executionId: "onf" }, 0, numbered(5)),
        moves({ ...ref, executionId: "ond" }, 0, ["x"])
      )
      const model = yield* WorkflowEventModel
      for (const batchSize of [1, 2, 4, 5, 6]) {
        yield* equal(`all, ${batchSize} at a time`, yield* Stream.runCollect(model.read({ ...ref, batchSize })), events)
        for (const [after, to] of [
          [0, 5],
          [0, 1],
          [2, 4],
          [4, 100],
          [3, 3],
          [4, 2],
          [5, 9],
          [0, 0]
        ] as const) {
          yield* equal(
            `after ${after} to ${to}, ${batchSize} at a time`,
            yield* Stream.runCollect(model.read({ ...ref, after, to, batchSize })),
            events.slice(after, to)
          )
        }
      }
    })
  },
  {
    title: "a read until an instant gives the events of that instant and earlier",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const at = (millis: number) => Instant.fromEpochMillis(Instant.toEpochMillis("2001-01-01T00:00:00.000Z") + millis)
      yield* accepted(
        imports(ref, 0, [
          ["1", at(0)],
          ["2", at(10)],
          ["3", at(10)],
          ["4", at(20)]
        ])
      )
      const model = yield* WorkflowEventModel
      for (const batchSize of [1, 2, 3, 1000]) {
        for (const [millis, count] of [
          [-1, 0],
          [0, 1],
          [9, 1],
          [10, 3],
          [11, 3],
          [20, 4],
          [1_000_000, 4]
        ] as const) {
          const read = yield* Stream.runCollect(model.read({ ...ref, until: at(millis), batchSize }))
          yield* equal(`until ${millis} ms, ${batchSize} at a time`, read.length, count)
        }
        const both = yield* Stream.runCollect(model.read({ ...ref, after: 1, to: 2, until: at(15), batchSize }))
        yield* equal("within both bounds", both.map(stateOf), ["2"])
      }
    })
  },
  {
    title: "a read until its last event's own instant gives that event",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const events = yield* accepted(moves(ref, 0, ["1", "2"]))
      const model = yield* WorkflowEventModel
      const until = Array.last(events).pipe(Option.match({ onNone: () => "", onSome: (event) => event.created_at }))
      yield* equal("events", yield* Stream.runCollect(model.read({ ...ref, until })), events)
    })
  },
  {
    title: "an unknown execution is empty",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const model = yield* WorkflowEventModel
      yield* equal("the log", yield* logOf(ref), [])
      yield* equal("its past", yield* Stream.runCollect(model.read({ ...ref, until: "2001-01-01T00:00:00.000Z" })), [])
      yield* equal("the tenant's", yield* Stream.runCollect(model.readTenant({ tenant: ref.tenant })), [])
    })
  },
  {
    title: "a long commit is read back whole",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      yield* accepted(moves(ref, 0, numbered(2500)))
      yield* equal("states", (yield* logOf(ref)).map(stateOf), [...numbered(2500)])
    })
  },
  {
    title: "a tenant is read by execution id in order of UTF-8 bytes, then position",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowEventModel
      // In order of UTF-16 units the emoji would precede U+FF21; in order of a language, capitals would be among small letters.
      const ordered = ["A", "B", "a", "a!", "aa", "b", "ä", "\uff21", "😀"]
      const shuffled: Array.NonEmptyReadonlyArray<string> = ["😀", "b", "a!", "B", "\uff21", "aa", "ä", "A", "a"]
      yield* accepted(...Array.map(shuffled, (executionId) => moves({ tenant, executionId }, 0, ["1", "2"])))
      yield* accepted(...Array.map(shuffled, (executionId) => moves({ tenant, executionId }, 2, ["3"])))
      yield* accepted(moves({ tenant: yield* freshTenant, executionId: "aa" }, 0, ["other"]))
      const expected = ordered.flatMap((id) => [`${id} 1`, `${id} 2`, `${id} 3`])
      for (const batchSize of [1, 2, 3, 26, 27, 28, 1000]) {
        const read = yield* Stream.runCollect(model.readTenant({ tenant, batchSize }))
        yield* equal(
          `${batchSize} at a time`,
          read.map((event) => `${event.execution_id} ${event.position}`),
          expected
        )
      }
      for (const [fromExecutionId, toExecutionId, ids] of [
        ["aa", "ä", ["aa", "b", "ä"]],
        ["C", "aa", ["a", "a!", "aa"]],
        ["\uff21", "😀", ["\uff21", "😀"]],
        ["b", "a", []]
      ] as const) {
        for (const batchSize of [1, 3, 1000]) {
          const read = yield* Stream.runCollect(model.readTenant({ tenant, fromExecutionId, toExecutionId, batchSize }))
          yield* equal(
            `from ${fromExecutionId} to ${toExecutionId}, ${batchSize} at a time`,
            read.map((event) => `${event.execution_id} ${event.position}`),
            ids.flatMap((id) => [`${id} 1`, `${id} 2`, `${id} 3`])
          )
        }
        const [from, to] = [{ fromExecutionId }, { toExecutionId }]
        for (const [bounds, isWithin] of [
          [from, (id: string) => ordered.indexOf(id) >= ordered.findIndex((each) => ids[0] === each)],
          [to, (id: string) => ordered.indexOf(id) <= ordered.findIndex((each) => ids.at(-1) === each)]
        ] as const) {
          if (ids.length === 0) continue
          const read = yield* Stream.runCollect(model.readTenant({ tenant, ...bounds, batchSize: 2 }))
          yield* equal(
            `within ${JSON.stringify(bounds)}`,
            [...new Set(read.map((event) => event.execution_id))],
            ordered.filter(isWithin)
          )
        }
      }
    })
  }
]
