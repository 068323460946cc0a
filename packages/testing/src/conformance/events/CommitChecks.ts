/** Checks of `commit`: positions, batches, refusals, races. */
import { Partition, WorkflowEvent, WorkflowEventModel } from "@refold/core"
import { Array, Effect, Result, Schema, Stream } from "effect"
import { type Check, equal, holds } from "../Check.ts"
import { accepted, feedOf, freshTenant, imports, keyed, logOf, moves } from "../Sample.ts"
import { positionOf, stateOf, partitionOf, ofTenant, refusals, conflict, summaryOf } from "./EventSample.ts"

export const commitChecks: ReadonlyArray<Check<WorkflowEventModel>> = [
  {
    title: "a commit returns its events with stamps, positions and offsets, exactly as a read returns them",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const model = yield* WorkflowEventModel
      const commit = moves(ref, 0, ["open"])
      const [event, ...others] = yield* accepted(commit)
      const partition = Partition.of(ref.tenant, "one", model.partitionCount)
      yield* equal("number of events", others.length, 0)
      yield* holds("an event of the schema `WorkflowEvent`", Schema.is(WorkflowEvent)(event), event)
      yield* equal("the event", event, {
        ...commit.events[0],
        tenant: ref.tenant,
        execution_id: "one",
        position: 1,
        partition,
        offset: event?.offset,
        created_at: event?.created_at,
        recorded_at: event?.created_at
      })
      yield* equal("the log", yield* logOf(ref), [event])
    })
  },
  {
    title: "the events of a commit take the positions after the expected one",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const events = [
        ...(yield* accepted(moves(ref, 0, ["1", "2", "3"]))),
        ...(yield* accepted(moves(ref, 3, ["4"]))),
        ...(yield* accepted(moves(ref, 4, ["5", "6"])))
      ]
      yield* equal("positions", Array.map(events, positionOf), [1, 2, 3, 4, 5, 6])
      yield* equal("states", Array.map(events, stateOf), ["1", "2", "3", "4", "5", "6"])
      yield* equal("the log", yield* logOf(ref), events)
    })
  },
  {
    title: "results of commits come in the order of the commits, each with its own events",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const ids = ["m", "z", "a", "k", "b"]
      const [first, ...rest] = Array.map(ids, (executionId) => moves({ tenant, executionId }, 0, [executionId, "end"]))
      const model = yield* WorkflowEventModel
      const results = first === undefined ? [] : yield* model.commit([first, ...rest])
      const answered = results.map((result) =>
        Result.isSuccess(result) ? result.success.events.map((event) => [event.execution_id, event.to_state]) : []
      )
      yield* equal(
        "events by commit",
        answered,
        ids.map((id) => [
          [id, id],
          [id, "end"]
        ])
      )
    })
  },
  {
    title: "a commit at another position is refused with the actual one, and writes nothing",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const written = yield* accepted(moves(ref, 0, ["1", "2", "3"]))
      const feed = yield* feedOf(partitionOf(written))
      for (const expected of [0, 1, 2, 4, 100]) {
        const refused = yield* refusals(moves(ref, expected, ["x", "y"]))
        yield* equal("refusals", refused, [conflict({ ...ref, expected, actual: 3 })])
      }
      yield* equal("the log", yield* logOf(ref), written)
      yield* equal("events of the tenant in the feed", ofTenant(yield* feedOf(partitionOf(written)), ref.tenant), [
        ...ofTenant(feed, ref.tenant)
      ])
    })
  },
  {
    title: "a commit to an execution that was not started is refused with position 0, and starts nothing",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      yield* equal("refusals", yield* refusals(moves(ref, 1, ["x"])), [conflict({ ...ref, expected: 1, actual: 0 })])
      yield* equal("the log", yield* logOf(ref), [])
      yield* accepted(moves(ref, 0, ["open"]))
    })
  },
  {
    title: "in a batch, each accepted commit is written whole, and a refused one not at all",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const noon = "2001-01-01T12:00:00.000Z"
      const morning = "2001-01-01T08:00:00.000Z"
      yield* accepted(moves(at("behind"), 0, ["1", "2"]), moves(at("ahead"), 0, ["1"]))
      yield* accepted(imports(at("reversed"), 0, [["1", noon]]), moves(at("moved"), 0, ["1"]))
      const model = yield* WorkflowEventModel
      const results = yield* model.commit([
        moves(at("behind"), 1, ["x", "y"]),
        moves(at("started"), 0, ["1", "2"]),
        moves(at("ahead"), 2, ["x"]),
        imports(at("reversed"), 1, [["x", morning]]),
        moves(at("moved"), 1, ["2", "3"]),
        imports(at("backwards"), 0, [
          ["x", noon],
          ["y", morning]
        ]),
        moves(at("unknown"), 7, ["x"])
      ])
      yield* equal("answers", results.map(summaryOf), [
        "PositionConflict 1 2",
        "1 2",
        "PositionConflict 2 1",
        `TimeReversed 2 ${morning} ${noon}`,
        "2 3",
        `TimeReversed 2 ${morning} ${noon}`,
        "PositionConflict 7 0"
      ])
      const logs = yield* Effect.forEach(
        ["behind", "started", "ahead", "reversed", "moved", "backwards", "unknown"],
        (executionId) => Effect.map(logOf(at(executionId)), (events) => events.map(stateOf).join(" "))
      )
      yield* equal("logs", logs, ["1 2", "1 2", "1", "1", "1 2 3", "", ""])
    })
  },
  {
    title: "an event id or an idempotency key that is taken fails the whole call as Refused, and writes nothing",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const model = yield* WorkflowEventModel
      const written = yield* accepted(keyed(moves(at("one"), 0, ["1", "2"]), "key"))
      const [taken] = moves(at("one"), 0, ["1"]).events
      const good = moves(at("good"), 0, ["1"])
      for (const [what, bad] of [
        ["an id that the execution has", { ...moves(at("one"), 2, ["x"]), events: [taken] }],
        ["an id that the tenant has", { ...moves(at("two"), 0, ["x"]), events: [taken] }],
        ["a key that the execution has", keyed(moves(at("one"), 2, ["x"]), "key")]
      ] as const) {
        for (const call of [[bad], [good, bad], [bad, good]] as const) {
          const answer = yield* Effect.result(model.commit(call))
          const index = call.indexOf(bad) + 1
          yield* equal(
            `a call of ${call.length} commits, whose commit ${index} bears ${what}`,
            Result.isFailure(answer) ? answer.failure.reason._tag : "answered",
            "Refused"
          )
        }
      }
      yield* equal("the log", yield* logOf(at("one")), written)
      yield* equal("the tenant's events", yield* Stream.runCollect(model.readTenant({ tenant })), written)
      const feed = ofTenant(yield* feedOf(partitionOf(written)), tenant)
      yield* equal("the tenant's events in the feed", feed, written)
      // Another execution may use the key, and another tenant the id.
      yield* accepted(keyed(good, "key"))
      yield* accepted({ ...moves({ tenant: yield* freshTenant, executionId: "one" }, 0, ["x"]), events: [taken] })
    })
  },
  {
    title: "when commits race for one position, one is written, and the others are refused with the new position",
    check: Effect.gen(function* () {
      const ref = { tenant: yield* freshTenant, executionId: "one" }
      const model = yield* WorkflowEventModel
      yield* accepted(moves(ref, 0, ["start"]))
      for (const position of Array.range(1, 5)) {
        const answers = yield* Effect.forEach(
          Array.range(1, 8),
          (racer) => {
            const [event] = moves(ref, position, [`racer ${racer}`]).events
            const events = [{ ...event, event_id: `${racer} at ${position}` }] as const
            return model.commit([{ ...moves(ref, position, ["x"]), events }])
          },
          { concurrency: "unbounded" }
        )
        yield* equal(`the answers at position ${position}`, answers.map(([result]) => summaryOf(result)).toSorted(), [
          `${position + 1}`,
          ...Array.makeBy(7, () => `PositionConflict ${position} ${position + 1}`)
        ])
      }
      yield* equal("positions", (yield* logOf(ref)).map(positionOf), [1, 2, 3, 4, 5, 6])
    })
  }
]
