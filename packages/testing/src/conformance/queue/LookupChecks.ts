/** Checks of `find`, `list` and `lag`, and of the separation of tenants. */
import { Identifier, Partition, WorkflowEventModel, WorkflowEventProcessingModel } from "@refold/core"
import { Array, Effect } from "effect"
import { equal } from "../Check.ts"
import { accepted, freshTenant, moves } from "../Sample.ts"
import {
  started,
  startedBoth,
  newEvent,
  newEvents,
  enqueued,
  claimed,
  applied,
  rejected,
  settle,
  fail,
  failNext,
  discardNext,
  markUnclaimed,
  find,
  redrive,
  discard,
  list,
  queueOf,
  ready,
  shown,
  type QueueCheck
} from "./QueueSample.ts"

export const lookupChecks: ReadonlyArray<QueueCheck> = [
  {
    title: "finds an entry by tenant, execution and processing id, all three",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const other = yield* started()
      const [entry, theirs] = yield* enqueued(
        { ...newEvent(a, "1"), processingId: "same" },
        {
          ...newEvent(other, "1"),
          processingId: "same"
        }
      )
      yield* equal("ours", yield* find(entry), entry)
      yield* equal("theirs", yield* find({ ...other, processingId: "same" }), theirs)
      yield* equal("of another execution", yield* find({ ...b, processingId: "same" }), undefined)
      yield* equal("of another id", yield* find({ ...a, processingId: "other" }), undefined)
    })
  },
  {
    title:
      "lists a tenant's entries with the given statuses, by execution id in order of UTF-8 bytes, then queue position",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const shuffled: Array.NonEmptyReadonlyArray<string> = ["😀", "a!", "B", "\uff21", "a"]
      yield* accepted(...Array.map(shuffled, (id) => moves(at(id), 0, ["open"])))
      yield* enqueued(...Array.flatMap(shuffled, (id) => newEvents(at(id), 3)))
      yield* settle(at("B"), 1, 0, [rejected, applied(2)], ["paid"])
      yield* failNext(at("a"), "Skip")
      yield* failNext(at("a"), "Block")
      yield* failNext(at("😀"), "Block")
      yield* failNext(at("\uff21"), "Skip")
      yield* discardNext(at("\uff21"))
      const expected = [
        "B1 Rejected",
        "B2 Applied",
        "B3 Pending",
        "a1 Skipped",
        "a2 Dead",
        "a3 Pending",
        "a!1 Pending",
        "a!2 Pending",
        "a!3 Pending",
        "\uff211 Skipped",
        "\uff212 Discarded",
        "\uff213 Pending",
        "😀1 Dead",
        "😀2 Pending",
        "😀3 Pending"
      ]
      for (const batchSize of [1, 2, 3, 14, 15, 16, 1000]) {
        yield* equal(`${batchSize} at a time`, (yield* list({ tenant, batchSize })).map(shown), expected)
        for (const statuses of [
          ["Pending"],
          ["Dead"],
          ["Skipped"],
          ["Dead", "Skipped"],
          ["Applied", "Rejected"],
          ["Discarded", "Pending"]
        ] as const) {
          const wanted = expected.filter((entry) => statuses.some((status) => entry.endsWith(status)))
          yield* equal(`of ${statuses.join()}`, (yield* list({ tenant, statuses, batchSize })).map(shown), wanted)
        }
        const ofOne = yield* list({ tenant, executionId: "a", batchSize })
        yield* equal("of one execution", ofOne.map(shown), ["a1 Skipped", "a2 Dead", "a3 Pending"])
      }
      const everywhere = yield* list({ statuses: ["Dead"], batchSize: 1 })
      const ours = everywhere.filter((entry) => entry.tenant === tenant)
      yield* equal("of all tenants", ours.map(shown), ["a2 Dead", "😀1 Dead"])
      const tenants = everywhere.map((entry) => entry.tenant)
      yield* equal("tenants in order", tenants, tenants.toSorted(Identifier.compare))
    })
  },
  {
    title: "the lag counts pending, dead or skipped, and unclaimed events by partition, with the oldest instant",
    // Other checks may use the same store at the same time and disturb the counts, but not at every attempt.
    check: Effect.gen(function* () {
      const at = yield* started()
      const { partitionCount } = yield* WorkflowEventModel
      const partition = Partition.of(at.tenant, at.executionId, partitionCount)
      const model = yield* WorkflowEventProcessingModel
      const lagHere = Effect.map(model.lag, (lags) => lags.find((lag) => lag.partition === partition))
      const before = yield* lagHere
      const countsNow = Effect.map(lagHere, (lag) =>
        (["pendingCount", "deadCount", "unclaimedCount"] as const).map(
          (count) => (lag?.[count] ?? 0) - (before?.[count] ?? 0)
        )
      )
      const [first, second] = yield* enqueued(...newEvents(at, 4))
      if (second === undefined) return
      yield* equal("pending", yield* countsNow, [4, 0, 0])
      yield* equal("the oldest", (yield* lagHere)?.oldestQueuedAt, before?.oldestQueuedAt ?? first.queuedAt)
      yield* claimed(at)
      yield* markUnclaimed(first)
      yield* equal("one unclaimed", yield* countsNow, [4, 0, 1])
      yield* failNext(at, "Block")
      yield* equal("one dead", yield* countsNow, [3, 1, 0])
      yield* discard(first)
      yield* equal("none dead", yield* countsNow, [3, 0, 0])
      yield* failNext(at, "Skip")
      yield* equal("one skipped", yield* countsNow, [2, 1, 0])
      yield* redrive(second)
      yield* equal("one redriven", yield* countsNow, [3, 0, 0])
      yield* markUnclaimed({ ...at, queuePosition: 3 })
      yield* equal("another unclaimed", yield* countsNow, [3, 0, 1])
      yield* settle(at, 1, 2, [rejected, rejected])
      yield* equal("all but one settled", yield* countsNow, [1, 0, 0])
      yield* settle(at, 1, 4, [rejected])
      yield* equal("all settled", yield* lagHere, before)
      const partitions = (yield* model.lag).map((lag) => lag.partition)
      yield* equal(
        "partitions in order",
        partitions,
        partitions.toSorted((left, right) => left - right)
      )
    }).pipe(Effect.retry({ times: 5 }))
  },
  {
    title: "one tenant does not see another tenant's queue",
    check: Effect.gen(function* () {
      const [ours, theirs] = [yield* started(), yield* started()]
      const [mine] = yield* enqueued(newEvent(ours, "1"), newEvent(ours, "2"))
      const [other] = yield* enqueued(newEvent(theirs, "1"))
      yield* equal("places", [mine.queuePosition, other.queuePosition], [1, 1])
      yield* failNext(theirs, "Block")
      const before = yield* queueOf(theirs)
      yield* equal("ready", [yield* ready(ours.tenant), yield* ready(theirs.tenant)], [["a"], []])
      yield* claimed(ours)
      yield* fail(mine, "Skip", { attemptCount: 1 })
      yield* redrive(mine)
      yield* claimed(ours)
      yield* markUnclaimed({ ...ours, queuePosition: 2 })
      yield* settle(ours, 1, 1, [rejected])
      yield* equal("theirs", yield* queueOf(theirs), before)
      yield* equal("ours", (yield* queueOf(ours)).map(shown), ["a2 Rejected", "a3 Pending"])
    })
  }
]
