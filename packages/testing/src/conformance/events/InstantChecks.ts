/** Checks of `created_at` and `recorded_at`, and of imports. */
import type { WorkflowEventModel } from "@refold/core"
import { Array, Effect } from "effect"
import { type Check, equal, holds } from "../Check.ts"
import { accepted, freshTenant, imports, logOf, moves } from "../Sample.ts"
import { stateOf, refusals, conflict, reversal } from "./EventSample.ts"

export const instantChecks: ReadonlyArray<Check<WorkflowEventModel>> = [
  {
    title: "created_at never decreases and equals recorded_at, even if the clock steps back",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      yield* accepted(moves(ref, 0, ["0"]))
      for (const position of Array.range(1, 20)) yield* accepted(moves(ref, position, [String(position)]))
      const now = yield* logOf(ref)
      const stamps = now.map((event) => event.created_at)
      yield* equal("instants", stamps, stamps.toSorted())
      yield* equal(
        "recorded_at",
        now.map((event) => event.recorded_at),
        stamps
      )

      const later = { ...ref, executionId: "later" }
      yield* accepted(imports(later, 0, [["1", "9998-07-01T00:00:00.000Z"]]))
      const following = yield* accepted(moves(later, 1, ["2", "3"]))
      yield* equal(
        "instants after one of the future",
        following.map((event) => [event.created_at, event.recorded_at]),
        following.map(() => ["9998-07-01T00:00:00.000Z", "9998-07-01T00:00:00.000Z"])
      )
    })
  },
  {
    title: "an imported event keeps its created_at, and recorded_at is when the store stamped it",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const instants = [
        "0001-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "2001-02-03T04:05:06.007Z",
        "9999-12-31T23:59:59.999Z"
      ]
      const clock = (yield* accepted(moves({ ...ref, executionId: "clock" }, 0, ["now"])))[0]?.recorded_at ?? ""
      for (const [position, instant] of instants.entries()) {
        yield* accepted(imports(ref, position, [[String(position), instant]]))
      }
      const events = yield* logOf(ref)
      yield* equal(
        "created_at",
        events.map((event) => event.created_at),
        instants
      )
      yield* holds(
        `every recorded_at to be of the store's clock, from ${clock} on`,
        events.every((event) => event.recorded_at >= clock && event.recorded_at < "9000"),
        events.map((event) => event.recorded_at)
      )
    })
  },
  {
    title: "imported events of one instant are accepted and keep their order",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const noon = "2001-01-01T12:00:00.000Z"
      yield* accepted(
        imports(
          ref,
          0,
          Array.map(Array.make("c", "a", "b"), (state) => [state, noon] as const)
        )
      )
      yield* accepted(imports(ref, 3, [["e", noon]]))
      yield* accepted(imports(ref, 4, [["d", noon]]))
      yield* equal("states", (yield* logOf(ref)).map(stateOf), ["c", "a", "b", "e", "d"])
    })
  },
  {
    title: "an import with decreasing instants is refused with the first such event, and writes nothing",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const [first, second, third] = [
        "2001-01-01T00:00:00.000Z",
        "2001-01-01T00:00:00.001Z",
        "2002-01-01T00:00:00.000Z"
      ]
      yield* equal(
        "an import out of order by itself",
        yield* refusals(
          imports(ref, 0, [
            ["1", second],
            ["2", third],
            ["3", first],
            ["4", third]
          ])
        ),
        [reversal({ ...ref, position: 3, createdAt: first, previousCreatedAt: third })]
      )
      yield* equal("the log", yield* logOf(ref), [])
      const written = yield* accepted(imports(ref, 0, [["1", second]]))
      yield* equal(
        "an import before the end of the log",
        yield* refusals(
          imports(ref, 1, [
            ["2", first],
            ["3", third]
          ])
        ),
        [reversal({ ...ref, position: 2, createdAt: first, previousCreatedAt: second })]
      )
      yield* equal(
        "an import before the end of the log that goes back further",
        yield* refusals(
          imports(ref, 1, [
            ["2", first],
            ["3", "2000-01-01T00:00:00.000Z"]
          ])
        ),
        [reversal({ ...ref, position: 2, createdAt: first, previousCreatedAt: second })]
      )
      yield* equal(
        "an import out of order by itself, at another position",
        yield* refusals(
          imports(ref, 2, [
            ["3", third],
            ["4", second]
          ])
        ),
        [conflict({ ...ref, expected: 2, actual: 1 })]
      )
      yield* equal("the log", yield* logOf(ref), written)
    })
  }
]
