/** What every `WorkflowEventModel` promises. */
import { type Commit, Identifier, Instant, Partition, WorkflowEvent, WorkflowEventModel } from "@refold/core"
import { Array, Effect, Fiber, Option, Result, Schema, Stream } from "effect"
import { type Check, equal, holds } from "./Check.ts"
import {
  accepted,
  feedOf,
  freshTenant,
  imports,
  keyed,
  logOf,
  longName,
  moves,
  numbered,
  oddNames,
  payloads
} from "./Sample.ts"

/** Every promise of the port, as a check. */
export const eventModelSuite: ReadonlyArray<Check<WorkflowEventModel>> = [
  {
    title: "a commit answers with its events as they are read back, stamped and placed",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const model = yield* WorkflowEventModel
      const commit = moves(place, 0, ["open"])
      const [event, ...others] = yield* accepted(commit)
      const partition = Partition.of(place.tenant, "one", model.partitionCount)
      yield* equal("number of events", others.length, 0)
      yield* holds("an event of the schema `WorkflowEvent`", Schema.is(WorkflowEvent)(event), event)
      yield* equal("the event", event, {
        ...commit.events[0],
        tenant: place.tenant,
        execution_id: "one",
        position: 1,
        partition,
        offset: event?.offset,
        created_at: event?.created_at,
        recorded_at: event?.created_at
      })
      yield* equal("the log", yield* logOf(place), [event])
    })
  },
  {
    title: "the events of a commit take the positions after the expected one",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const events = [
        ...(yield* accepted(moves(place, 0, ["1", "2", "3"]))),
        ...(yield* accepted(moves(place, 3, ["4"]))),
        ...(yield* accepted(moves(place, 4, ["5", "6"])))
      ]
      yield* equal("positions", Array.map(events, positionOf), [1, 2, 3, 4, 5, 6])
      yield* equal("states", Array.map(events, stateOf), ["1", "2", "3", "4", "5", "6"])
      yield* equal("the log", yield* logOf(place), events)
    })
  },
  {
    title: "commits are answered in their order, and do not mix",
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
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const written = yield* accepted(moves(place, 0, ["1", "2", "3"]))
      const feed = yield* feedOf(partitionOf(written))
      for (const expected of [0, 1, 2, 4, 100]) {
        const refused = yield* refusals(moves(place, expected, ["x", "y"]))
        yield* equal("refusals", refused, [conflict({ ...place, expected, actual: 3 })])
      }
      yield* equal("the log", yield* logOf(place), written)
      yield* equal("events of the tenant in the feed", ofTenant(yield* feedOf(partitionOf(written)), place.tenant), [
        ...ofTenant(feed, place.tenant)
      ])
    })
  },
  {
    title: "a commit to an execution that was not started is refused with position 0, and starts nothing",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      yield* equal("refusals", yield* refusals(moves(place, 1, ["x"])), [
        conflict({ ...place, expected: 1, actual: 0 })
      ])
      yield* equal("the log", yield* logOf(place), [])
      yield* accepted(moves(place, 0, ["open"]))
    })
  },
  {
    title: "of a batch, the good commits are written whole and the others not at all",
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
          const place = call.indexOf(bad) + 1
          yield* equal(
            `a call of ${call.length} commits, whose commit ${place} bears ${what}`,
            Result.isFailure(answer) ? answer.failure.reason._tag : "answered",
            "Refused"
          )
        }
      }
      yield* equal("the log", yield* logOf(at("one")), written)
      yield* equal("the tenant's events", yield* Stream.runCollect(model.readTenant({ tenant })), written)
      const feed = ofTenant(yield* feedOf(partitionOf(written)), tenant)
      yield* equal("the tenant's events in the feed", feed, written)
      // Both are free elsewhere: the key in another execution, the id in another tenant.
      yield* accepted(keyed(good, "key"))
      yield* accepted({ ...moves({ tenant: yield* freshTenant, executionId: "one" }, 0, ["x"]), events: [taken] })
    })
  },
  {
    title: "of commits that race for one position one is written, and the others are refused with where it then stands",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const model = yield* WorkflowEventModel
      yield* accepted(moves(place, 0, ["start"]))
      for (const position of Array.range(1, 5)) {
        const answers = yield* Effect.forEach(
          Array.range(1, 8),
          (racer) => {
            const [event] = moves(place, position, [`racer ${racer}`]).events
            const events = [{ ...event, event_id: `${racer} at ${position}` }] as const
            return model.commit([{ ...moves(place, position, ["x"]), events }])
          },
          { concurrency: "unbounded" }
        )
        yield* equal(`the answers at position ${position}`, answers.map(([result]) => summaryOf(result)).toSorted(), [
          `${position + 1}`,
          ...Array.makeBy(7, () => `PositionConflict ${position} ${position + 1}`)
        ])
      }
      yield* equal("positions", (yield* logOf(place)).map(positionOf), [1, 2, 3, 4, 5, 6])
    })
  },
  {
    title: "who follows the feed while others commit to it passes no event",
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
        // What was written before the writers ended is read once more after they have.
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
        seen.map((_, place) => start + place + 1)
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
          feed.map((_, place) => place + 1)
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
    title: "the feed gives at most the limit, after the offset, the same events as the log",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const events = yield* accepted(moves(place, 0, ["1", "2", "3", "4", "5"]))
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
  },
  {
    title: "created_at never decreases and equals recorded_at, whatever the clock says",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      yield* accepted(moves(place, 0, ["0"]))
      for (const position of Array.range(1, 20)) yield* accepted(moves(place, position, [String(position)]))
      const now = yield* logOf(place)
      const stamps = now.map((event) => event.created_at)
      yield* equal("instants", stamps, stamps.toSorted())
      yield* equal(
        "recorded_at",
        now.map((event) => event.recorded_at),
        stamps
      )

      const later = { ...place, executionId: "later" }
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
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const instants = [
        "0001-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "2001-02-03T04:05:06.007Z",
        "9999-12-31T23:59:59.999Z"
      ]
      const clock = (yield* accepted(moves({ ...place, executionId: "clock" }, 0, ["now"])))[0]?.recorded_at ?? ""
      for (const [position, instant] of instants.entries()) {
        yield* accepted(imports(place, position, [[String(position), instant]]))
      }
      const events = yield* logOf(place)
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
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const noon = "2001-01-01T12:00:00.000Z"
      yield* accepted(
        imports(
          place,
          0,
          Array.map(Array.make("c", "a", "b"), (state) => [state, noon] as const)
        )
      )
      yield* accepted(imports(place, 3, [["e", noon]]))
      yield* accepted(imports(place, 4, [["d", noon]]))
      yield* equal("states", (yield* logOf(place)).map(stateOf), ["c", "a", "b", "e", "d"])
    })
  },
  {
    title: "an import that goes back in time is refused with the event it broke on, and writes nothing",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const [first, second, third] = [
        "2001-01-01T00:00:00.000Z",
        "2001-01-01T00:00:00.001Z",
        "2002-01-01T00:00:00.000Z"
      ]
      yield* equal(
        "an import out of order by itself",
        yield* refusals(
          imports(place, 0, [
            ["1", second],
            ["2", third],
            ["3", first],
            ["4", third]
          ])
        ),
        [reversal({ ...place, position: 3, createdAt: first, previousCreatedAt: third })]
      )
      yield* equal("the log", yield* logOf(place), [])
      const written = yield* accepted(imports(place, 0, [["1", second]]))
      yield* equal(
        "an import before the end of the log",
        yield* refusals(
          imports(place, 1, [
            ["2", first],
            ["3", third]
          ])
        ),
        [reversal({ ...place, position: 2, createdAt: first, previousCreatedAt: second })]
      )
      yield* equal(
        "an import before the end of the log that goes back further",
        yield* refusals(
          imports(place, 1, [
            ["2", first],
            ["3", "2000-01-01T00:00:00.000Z"]
          ])
        ),
        [reversal({ ...place, position: 2, createdAt: first, previousCreatedAt: second })]
      )
      yield* equal(
        "an import out of order by itself, at another position",
        yield* refusals(
          imports(place, 2, [
            ["3", third],
            ["4", second]
          ])
        ),
        [conflict({ ...place, expected: 2, actual: 1 })]
      )
      yield* equal("the log", yield* logOf(place), written)
    })
  },
  {
    title: "a read keeps to its bounds, however many events it reads at a time",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const events = yield* accepted(moves(place, 0, numbered(5)))
      yield* accepted(
        moves({ ...place, executionId: "onf" }, 0, numbered(5)),
        moves({ ...place, executionId: "ond" }, 0, ["x"])
      )
      const model = yield* WorkflowEventModel
      for (const batchSize of [1, 2, 4, 5, 6]) {
        yield* equal(
          `all, ${batchSize} at a time`,
          yield* Stream.runCollect(model.read({ ...place, batchSize })),
          events
        )
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
            yield* Stream.runCollect(model.read({ ...place, after, to, batchSize })),
            events.slice(after, to)
          )
        }
      }
    })
  },
  {
    title: "a read until an instant gives the events of that instant and earlier",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const at = (millis: number) => Instant.fromEpochMillis(Instant.toEpochMillis("2001-01-01T00:00:00.000Z") + millis)
      yield* accepted(
        imports(place, 0, [
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
          const read = yield* Stream.runCollect(model.read({ ...place, until: at(millis), batchSize }))
          yield* equal(`until ${millis} ms, ${batchSize} at a time`, read.length, count)
        }
        const both = yield* Stream.runCollect(model.read({ ...place, after: 1, to: 2, until: at(15), batchSize }))
        yield* equal("within both bounds", both.map(stateOf), ["2"])
      }
    })
  },
  {
    title: "a read until its last event's own instant gives that event",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const events = yield* accepted(moves(place, 0, ["1", "2"]))
      const model = yield* WorkflowEventModel
      const until = Array.last(events).pipe(Option.match({ onNone: () => "", onSome: (event) => event.created_at }))
      yield* equal("events", yield* Stream.runCollect(model.read({ ...place, until })), events)
    })
  },
  {
    title: "an unknown execution is empty",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const model = yield* WorkflowEventModel
      yield* equal("the log", yield* logOf(place), [])
      yield* equal(
        "its past",
        yield* Stream.runCollect(model.read({ ...place, until: "2001-01-01T00:00:00.000Z" })),
        []
      )
      yield* equal("the tenant's", yield* Stream.runCollect(model.readTenant({ tenant: place.tenant })), [])
    })
  },
  {
    title: "a long commit is read back whole",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      yield* accepted(moves(place, 0, numbered(2500)))
      yield* equal("states", (yield* logOf(place)).map(stateOf), [...numbered(2500)])
    })
  },
  ...Object.entries(payloads).map(([kind, payload]): Check<WorkflowEventModel> => ({
    title: `a payload comes back as it was: ${kind}`,
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const commit = moves(place, 0, ["open"])
      yield* accepted({ ...commit, events: [{ ...commit.events[0], payload }] })
      const [event] = yield* logOf(place)
      // As text, so that the order of keys counts.
      yield* equal("the payload", JSON.stringify(event?.payload), JSON.stringify(payload))
    })
  })),
  {
    title: "a payload of null is not an absent one",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const commit = moves(place, 0, ["1", "2"])
      yield* accepted({ ...commit, events: [{ ...commit.events[0], payload: null }, ...commit.events.slice(1)] })
      const [withNull, without] = yield* logOf(place)
      yield* equal("the payload", withNull?.payload, null)
      yield* equal("whether the other has one", without !== undefined && "payload" in without, false)
    })
  },
  {
    title: "a payload changed after the commit is not changed in the log",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const items = ["kept"]
      const commit = moves(place, 0, ["open"])
      yield* accepted({ ...commit, events: [{ ...commit.events[0], payload: { items } }] })
      items.push("slipped in")
      const [event] = yield* logOf(place)
      yield* equal("the payload", event?.payload, { items: ["kept"] })
    })
  },
  {
    title: "every field of an event comes back; those it does not have are absent",
    check: Effect.gen(function* () {
      const place = { tenant: yield* freshTenant, executionId: "one" }
      const bare = moves(place, 0, ["1"]).events[0]
      const full = {
        ...moves(place, 1, ["2"]).events[0],
        event_type: "complete",
        from_state: "1",
        user_id: "ann",
        payload: { amount: 1 },
        schema_version: 7,
        metadata: {
          correlation_id: "c",
          causation_id: "d",
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        }
      }
      const written = yield* accepted({ ...moves(place, 0, ["1"]), events: [bare, full] })
      const stamps = written.map(({ created_at, offset, partition, position, recorded_at }) => ({
        tenant: place.tenant,
        execution_id: place.executionId,
        created_at,
        offset,
        partition,
        position,
        recorded_at
      }))
      const expected = [
        { ...bare, ...stamps[0] },
        { ...full, ...stamps[1] }
      ]
      yield* equal("the answer", written, expected)
      yield* equal("the log", yield* logOf(place), expected)
    })
  },
  {
    title: "any text serves as any name",
    check: Effect.gen(function* () {
      const outer = yield* freshTenant
      const model = yield* WorkflowEventModel
      for (const name of oddNames) {
        const tenant = `${outer}${name}`.slice(0, Identifier.maxLength - 1)
        const at = { tenant: Identifier.problem(tenant) === undefined ? tenant : outer, executionId: name }
        const event = {
          ...moves(at, 0, ["1"]).events[0],
          event_id: name,
          event_name: name,
          event_type: name,
          from_state: name,
          to_state: name,
          user_id: name,
          metadata: { correlation_id: name }
        }
        const commit = { ...moves(at, 0, ["1"]), workflow: { name, version: 1 }, events: [event] as const }
        const [written] = yield* accepted(keyed(commit, name))
        yield* equal("the log", yield* logOf(at), [written])
        yield* equal("names", written, { ...written, ...event, execution_id: name, tenant: at.tenant })
        const found = yield* model.findByIdempotencyKey({ ...at, idempotencyKey: name })
        yield* equal("the event of the key", Option.getOrUndefined(found), written)
        yield* refusals(moves(at, 0, ["x"]))
      }
    })
  },
  {
    title: "names of full length that nothing compresses are accepted",
    check: Effect.gen(function* () {
      const tenant = (yield* freshTenant) + longName(1).slice(100)
      const place = { tenant: tenant + longName(2).slice(tenant.length), executionId: longName(3) }
      const event = { ...moves(place, 0, [longName(4)]).events[0], event_id: longName(5), event_name: longName(6) }
      const [written] = yield* accepted(keyed({ ...moves(place, 0, ["1"]), events: [event] }, longName(7)))
      yield* equal("the log", yield* logOf(place), [written])
    })
  },
  {
    title: "one tenant's executions are unknown to another",
    check: Effect.gen(function* () {
      const [ours, theirs, third] = [yield* freshTenant, yield* freshTenant, yield* freshTenant]
      const at = (tenant: string) => ({ tenant, executionId: "same" })
      const model = yield* WorkflowEventModel
      const mine = yield* accepted(keyed(moves(at(ours), 0, ["ours", "ours"]), "key"))
      const other = yield* accepted(keyed(moves(at(theirs), 0, ["theirs"]), "key"))
      yield* equal("their position", yield* refusals(moves(at(theirs), 2, ["x"])), [
        conflict({ ...at(theirs), expected: 2, actual: 1 })
      ])
      yield* equal("our log", yield* logOf(at(ours)), mine)
      yield* equal("their log", yield* logOf(at(theirs)), other)
      yield* equal("a third's log", yield* logOf(at(third)), [])
      yield* equal("all of theirs", yield* Stream.runCollect(model.readTenant({ tenant: theirs })), other)
      const found = yield* Effect.forEach([ours, theirs, third], (tenant) =>
        Effect.map(
          model.findByIdempotencyKey({ ...at(tenant), idempotencyKey: "key" }),
          (event) => Option.getOrUndefined(event)?.tenant
        )
      )
      yield* equal("the key's events", found, [ours, theirs, undefined])
    })
  },
  {
    title: "an idempotency key finds its event, ever after",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowEventModel
      const find = (executionId: string, idempotencyKey: string) =>
        Effect.map(model.findByIdempotencyKey({ tenant, executionId, idempotencyKey }), Option.getOrUndefined)
      const [first] = yield* accepted(keyed(moves({ tenant, executionId: "one" }, 0, ["1", "2"]), "a"))
      yield* accepted(moves({ tenant, executionId: "one" }, 2, ["3"]))
      const [fourth] = yield* accepted(keyed(moves({ tenant, executionId: "one" }, 3, ["4", "5"]), "b"))
      const [other] = yield* accepted(keyed(moves({ tenant, executionId: "two" }, 0, ["1"]), "a"))
      yield* refusals(keyed(moves({ tenant, executionId: "one" }, 1, ["x"]), "refused"))
      yield* equal("of the first commit", yield* find("one", "a"), first)
      yield* equal("of a later commit", yield* find("one", "b"), fourth)
      yield* equal("of another execution", yield* find("two", "a"), other)
      yield* equal("of a key not used there", yield* find("two", "b"), undefined)
      yield* equal("of an unknown execution", yield* find("three", "a"), undefined)
      yield* equal("of a refused commit", yield* find("one", "refused"), undefined)
    })
  },
  {
    title: "a tenant is read by execution id in order of UTF-8 bytes, then position",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowEventModel
      // By UTF-16 units the emoji would come before U+FF21, by language the capitals among the small letters.
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

const positionOf = (event: WorkflowEvent): number => event.position

const stateOf = (event: WorkflowEvent): string => event.to_state

const partitionOf = (events: ReadonlyArray<WorkflowEvent>): number => events[0]?.partition ?? -1

const ofTenant = (events: ReadonlyArray<WorkflowEvent>, tenant: string): ReadonlyArray<WorkflowEvent> =>
  events.filter((event) => event.tenant === tenant)

/** Commits, and answers with what was refused, as plain fields. */
const refusals = Effect.fnUntraced(function* (...commits: Array.NonEmptyReadonlyArray<Commit.Commit>) {
  const model = yield* WorkflowEventModel
  const results = yield* model.commit(commits)
  return results.map((result) => {
    if (Result.isSuccess(result)) return "accepted"
    return result.failure._tag === "PositionConflict" ? conflict(result.failure) : reversal(result.failure)
  })
})

const conflict = ({
  actual,
  executionId,
  expected,
  tenant
}: Pick<Commit.PositionConflict, "tenant" | "executionId" | "expected" | "actual">) => ({
  refused: "PositionConflict",
  tenant,
  executionId,
  expected,
  actual
})

const reversal = ({
  createdAt,
  executionId,
  position,
  previousCreatedAt,
  tenant
}: Pick<Commit.TimeReversed, "tenant" | "executionId" | "position" | "createdAt" | "previousCreatedAt">) => ({
  refused: "TimeReversed",
  tenant,
  executionId,
  position,
  createdAt,
  previousCreatedAt
})

/** A result in one line. */
const summaryOf = (result: Result.Result<Commit.Committed, Commit.CommitRefused>): string => {
  if (Result.isSuccess(result)) return result.success.events.map(positionOf).join(" ")
  const refused = result.failure
  return refused._tag === "PositionConflict"
    ? `PositionConflict ${refused.expected} ${refused.actual}`
    : `TimeReversed ${refused.position} ${refused.createdAt} ${refused.previousCreatedAt}`
}
