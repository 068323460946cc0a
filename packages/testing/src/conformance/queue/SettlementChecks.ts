/** Checks of commits that settle queued events. */
import { Instant, WorkflowEventModel, WorkflowExecutionModel } from "@refold/core"
import { Array, Effect, Result, Schema, Stream } from "effect"
import { equal, holds } from "../Check.ts"
import { accepted, freshTenant, keyed, logOf, moves } from "../Sample.ts"
import {
  started,
  newEvents,
  enqueued,
  claimed,
  headerOf,
  applied,
  rejected,
  settling,
  settle,
  refusalOf,
  list,
  queueOf,
  summaryOf,
  shown,
  type QueueCheck
} from "./QueueSample.ts"

export const settlementChecks: ReadonlyArray<QueueCheck> = [
  {
    title:
      "a commit settles the next queued events, each with its own settlement, together with its events or not at all",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [, , , fourth] = yield* enqueued(...newEvents(at, 4))
      yield* claimed(at)
      const before = yield* headerOf(at)
      yield* settle(at, 1, 0, [applied(2), rejected, applied(3)], ["paid", "sent"])
      const entries = yield* queueOf(at)
      yield* equal(
        "statuses",
        entries.map((entry) => entry.status),
        [applied(2), rejected, applied(3), { _tag: "Pending" }]
      )
      yield* holds(
        "an instant in `settledAt` of all that is settled",
        entries.slice(0, 3).every((entry) => Schema.is(Instant.Instant)(entry.settledAt)),
        entries.map((entry) => entry.settledAt)
      )
      yield* equal("the fourth", entries[3], fourth)
      const header = yield* headerOf(at)
      yield* equal("the header", header, {
        ...before,
        position: 3,
        currentState: "sent",
        updatedAt: header?.updatedAt
      })
      yield* equal(
        "the log",
        (yield* logOf(at)).map((event) => event.to_state),
        ["open", "paid", "sent"]
      )
      yield* equal("what follows", (yield* claimed(at)).map(summaryOf), ["a after 3: 4 (attempt 1)"])
    })
  },
  {
    title: "a commit without events settles, and does not change the execution or its log",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...newEvents(at, 3))
      const before = yield* headerOf(at)
      const log = yield* logOf(at)
      yield* equal("answer", yield* settle(at, 1, 0, [rejected, rejected]), [])
      yield* equal("the header", yield* headerOf(at), before)
      yield* equal("the log", yield* logOf(at), log)
      yield* equal("what follows", (yield* claimed(at)).map(summaryOf), ["a after 2: 3 (attempt 1)"])
      const executions = yield* WorkflowExecutionModel
      const listed = yield* Stream.runCollect(executions.list({ tenant: at.tenant, state: "open" }))
      yield* equal("listed", listed, [before])
      yield* settle(at, 1, 2, [applied(2)], ["end"], true)
      yield* equal("complete", (yield* headerOf(at))?.isComplete, true)
    })
  },
  {
    title: "a commit is refused if the queue has moved, even at the expected position, and writes nothing",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...newEvents(at, 3))
      yield* settle(at, 1, 0, [rejected])
      const [header, entries, log] = [yield* headerOf(at), yield* queueOf(at), yield* logOf(at)]
      for (const after of [0, 2, 3]) {
        for (const states of [[], ["paid"]]) {
          yield* equal(
            `after ${after}, with ${states.length} events`,
            yield* refusalOf(settling(at, 1, after, [rejected], states)),
            { _tag: "PositionConflict", ...at, expected: 1, actual: 1 }
          )
        }
      }
      yield* equal("the header", yield* headerOf(at), header)
      yield* equal("the queue", yield* queueOf(at), entries)
      yield* equal("the log", yield* logOf(at), log)
      yield* settle(at, 1, 1, [rejected, applied(2)], ["paid"])
    })
  },
  {
    title: "a commit is refused if the position has moved, and settles nothing",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...newEvents(at, 2))
      yield* accepted(moves(at, 1, ["paid"]))
      const [header, entries] = [yield* headerOf(at), yield* queueOf(at)]
      for (const states of [[], ["sent"]]) {
        for (const expected of [1, 3]) {
          yield* equal(
            `at ${expected}, with ${states.length} events`,
            yield* refusalOf(settling(at, expected, 0, [applied(2), rejected], states)),
            { _tag: "PositionConflict", ...at, expected, actual: 2 }
          )
        }
      }
      yield* equal("the header", yield* headerOf(at), header)
      yield* equal("the queue", yield* queueOf(at), entries)
      yield* equal("what follows", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 1), 2"])
    })
  },
  {
    title: "concurrent commits each settle their own events, and a refused one delays no other",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const ids = ["z", "moved", "a", "settled", "m"] as const
      yield* accepted(...Array.map(ids, (id) => moves(at(id), 0, ["open"])))
      yield* enqueued(...Array.flatMap(ids, (id) => newEvents(at(id), 2)))
      yield* accepted(moves(at("moved"), 1, ["paid"]))
      yield* settle(at("settled"), 1, 0, [rejected])
      const model = yield* WorkflowEventModel
      const results = yield* model.commit([
        settling(at("z"), 1, 0, [applied(2), rejected], ["paid"]),
        settling(at("moved"), 1, 0, [rejected], ["sent"]),
        settling(at("a"), 1, 0, [rejected], []),
        settling(at("settled"), 1, 0, [applied(2)], ["paid"]),
        settling(at("m"), 1, 0, [applied(2), applied(3)], ["paid", "sent"]),
        moves(at("new"), 0, ["open"])
      ])
      yield* equal(
        "answers",
        results.map((result) => (Result.isSuccess(result) ? result.success.events.length : "refused")),
        [1, "refused", 0, "refused", 2, 1]
      )
      yield* equal("statuses", (yield* list({ tenant })).map(shown), [
        "a1 Rejected",
        "a2 Pending",
        "m1 Applied",
        "m2 Applied",
        "moved1 Pending",
        "moved2 Pending",
        "settled1 Rejected",
        "settled2 Pending",
        "z1 Applied",
        "z2 Rejected"
      ])
    })
  },
  {
    title: "a commit that settles nothing moves the execution, even with pending events",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...newEvents(at, 2))
      const [first] = yield* claimed(at)
      yield* accepted(keyed(moves(at, 1, ["paid"]), "key"))
      yield* equal("a claim from before", yield* refusalOf(settling(at, 1, 0, [applied(2)], ["sent"])), {
        _tag: "PositionConflict",
        ...at,
        expected: 1,
        actual: 2
      })
      const [second] = yield* claimed(at)
      yield* equal("positions", [first?.header.position, second?.header.position], [1, 2])
      yield* settle(at, 2, 0, [applied(3)], ["sent"])
    })
  }
]
