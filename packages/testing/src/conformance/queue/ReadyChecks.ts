/** Checks of `findReady` and `markUnclaimed`: ready executions, unclaimed events, limits. */
import { Partition, WorkflowEventModel, WorkflowEventProcessingModel, type WorkflowRef } from "@refold/core"
import { Array, Effect } from "effect"
import { equal, holds, present } from "../Check.ts"
import { accepted, freshTenant, moves, workflow } from "../Sample.ts"
import {
  startedBoth,
  newEvent,
  newEvents,
  enqueued,
  claimed,
  applied,
  settle,
  inAnHour,
  atOnce,
  fail,
  failNext,
  markUnclaimed,
  find,
  redrive,
  list,
  idsOf,
  ready,
  unclaimed,
  summaryOf,
  type QueueCheck
} from "./QueueSample.ts"

export const readyChecks: ReadonlyArray<QueueCheck> = [
  {
    title: "an event marked unclaimed gives its attempt back, and is found among the unclaimed",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const [first] = yield* enqueued(...newEvents(a, 2), newEvent(b, "1"))
      yield* claimed(a)
      yield* markUnclaimed(first)
      yield* equal("the entry", yield* find(first), first)
      yield* equal("ready", yield* ready(a.tenant), ["b"])
      yield* equal("unclaimed", yield* unclaimed(a.tenant), ["a"])
      yield* equal("claims", (yield* claimed(a)).map(summaryOf), ["a after 0: 1 (attempt 1), 2"])
      yield* fail(first, inAnHour, { attemptCount: 1 })
      yield* equal("unclaimed, and not due", yield* unclaimed(a.tenant), [])
      const model = yield* WorkflowEventProcessingModel
      yield* model.claim({ executions: [a], limit: 1, ignoreDelay: true })
      yield* fail(first, atOnce, { attemptCount: 2 })
      yield* equal(
        "ready and unclaimed, once due again",
        [yield* ready(a.tenant), yield* unclaimed(a.tenant)],
        [["b"], ["a"]]
      )
      yield* settle(a, 1, 0, [applied(2)], ["paid"])
      yield* equal(
        "ready and unclaimed, once it is settled",
        [yield* ready(a.tenant), yield* unclaimed(a.tenant)],
        [["a", "b"], []]
      )
      yield* markUnclaimed(first)
      yield* markUnclaimed({ ...first, queuePosition: 9 })
      yield* equal(
        "ready and unclaimed, after a settled one is marked",
        [yield* ready(a.tenant), yield* unclaimed(a.tenant)],
        [["a", "b"], []]
      )
    })
  },
  {
    title: "unclaimed events are found except those of excluded workflows; dead and skipped ones are not unclaimed",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const kinds: ReadonlyArray<readonly [string, WorkflowRef]> = [
        ["a", workflow],
        ["b", { ...workflow, version: 2 }],
        ["c", { ...workflow, name: "other" }]
      ]
      for (const [id, kind] of kinds) {
        yield* accepted({ ...moves(at(id), 0, ["open"]), workflow: kind })
        const [first] = yield* enqueued(...newEvents(at(id), 2))
        yield* claimed(at(id))
        yield* markUnclaimed(first)
      }
      yield* equal("unclaimed, without exclusions", yield* unclaimed(tenant), ["a", "b", "c"])
      yield* equal("unclaimed, without one workflow", yield* unclaimed(tenant, [workflow]), ["b", "c"])
      yield* equal(
        "unclaimed, without two workflows",
        yield* unclaimed(tenant, [workflow, { ...workflow, name: "other" }]),
        ["b"]
      )
      yield* equal(
        "unclaimed, without a workflow that has no events",
        yield* unclaimed(tenant, [{ ...workflow, version: 9 }]),
        ["a", "b", "c"]
      )
      yield* claimed(at("a"), at("b"))
      const [a, , b] = yield* list({ tenant })
      const dead = yield* present("an entry of the first execution in the list", a)
      const skipped = yield* present("an entry of the second execution in the list", b)
      yield* fail(dead, "Block", { attemptCount: 1 })
      yield* fail(skipped, "Skip", { attemptCount: 1 })
      yield* equal(
        "ready and unclaimed, once one is dead and one skipped",
        [yield* ready(tenant), yield* unclaimed(tenant)],
        [["b"], ["c"]]
      )
      yield* redrive(dead)
      yield* equal(
        "ready and unclaimed after a redrive",
        [yield* ready(tenant), yield* unclaimed(tenant)],
        [["a", "b"], ["c"]]
      )
    })
  },
  {
    title: "ready executions are found in the requested partitions, and in no other",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const { partitionCount } = yield* WorkflowEventModel
      const ids = Array.makeBy(partitionCount * 2, (n) => `execution-${String(n).padStart(4, "0")}`)
      yield* accepted(...Array.map(ids, (executionId) => moves({ tenant, executionId }, 0, ["open"])))
      yield* enqueued(...Array.map(ids, (executionId) => newEvent({ tenant, executionId }, "1")))
      const model = yield* WorkflowEventProcessingModel
      const of = (...partitions: ReadonlyArray<number>) =>
        Effect.map(model.findReady({ of: partitions, limitPerTenant: 1_000_000, except: [] }), idsOf(tenant))
      const idsIn = (...partitions: ReadonlyArray<number>) =>
        ids.filter((id) => partitions.includes(Partition.of(tenant, id, partitionCount)))
      yield* equal("of none", yield* of(), [])
      for (const partition of Array.range(0, partitionCount - 1)) {
        yield* equal(`of partition ${partition}`, yield* of(partition), idsIn(partition))
      }
      yield* equal("of the last and the first", yield* of(partitionCount - 1, 0), idsIn(0, partitionCount - 1))
      yield* equal("of one that is not", yield* of(partitionCount), [])
      yield* equal("of all", yield* ready(tenant), ids)
    })
  },
  {
    title: "the limit applies to each tenant and partition, and counts only ready executions",
    check: Effect.gen(function* () {
      const [ours, theirs] = [yield* freshTenant, yield* freshTenant]
      const { partitionCount } = yield* WorkflowEventModel
      const at = (tenant: string, count: number) =>
        Array.makeBy(partitionCount * count * 20, (n) => `execution-${String(n).padStart(6, "0")}`)
          .filter((id) => Partition.of(tenant, id, partitionCount) === partitionCount - 1)
          .slice(0, count)
          .map((executionId) => ({ tenant, executionId }))
      const [delayed, blocked, unknown, ...rest] = at(ours, 7)
      const [first, ...others] = at(theirs, 3)
      if (delayed === undefined || blocked === undefined || unknown === undefined || first === undefined) return
      const all = [delayed, blocked, unknown, first, ...rest, ...others] as const
      yield* accepted(...Array.map(all, (each) => moves(each, 0, ["open"])))
      yield* enqueued(...Array.flatMap(all, (each) => newEvents(each, 20)))
      yield* failNext(delayed, inAnHour)
      yield* failNext(blocked, "Block")
      yield* markUnclaimed({ ...unknown, queuePosition: 1 })
      const model = yield* WorkflowEventProcessingModel
      for (const limitPerTenant of [1, 2, 3, 4, 100]) {
        const found = yield* model.findReady({ of: [partitionCount - 1], limitPerTenant, except: [] })
        for (const [tenant, expected] of [
          [ours, rest],
          [theirs, [first, ...others]]
        ] as const) {
          const mine = idsOf(tenant)(found)
          yield* equal(
            `how many are found with limit ${limitPerTenant}`,
            mine.length,
            Math.min(limitPerTenant, expected.length)
          )
          yield* holds(
            "executions with something ready alone",
            mine.every((id) => expected.some(({ executionId }) => executionId === id)),
            mine
          )
          yield* equal("how many different executions are found", new Set(mine).size, mine.length)
        }
      }
      yield* markUnclaimed({ ...first, queuePosition: 1 })
      for (const one of others) yield* markUnclaimed({ ...one, queuePosition: 1 })
      const found = yield* model.findReady({ of: "unclaimed", limitPerTenant: 2, except: [] })
      yield* equal("unclaimed", [idsOf(ours)(found).length, idsOf(theirs)(found).length], [1, 2])
    })
  }
]
