/** What every `WorkflowEventProcessingModel` promises. Its executions are written through the adapter's `WorkflowEventModel`. */
import {
  type FailurePolicy,
  type Claim,
  type ExecutionRef,
  Identifier,
  Instant,
  Partition,
  type QueuedEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  type WorkflowRef,
  type Settlement,
  type Settling
} from "@refold/core"
import { Array, Duration, Effect, Option, Result, Schema, Stream } from "effect"
import { type Check, ConformanceFailure, equal, holds, present } from "./Check.ts"
import {
  type Place,
  accepted,
  freshTenant,
  keyed,
  logOf,
  longName,
  moves,
  oddNames,
  payloads,
  workflow
} from "./Sample.ts"

/** Every promise of the port, as a check. */
export const processingModelSuite: ReadonlyArray<
  Check<WorkflowEventModel | WorkflowExecutionModel | WorkflowEventProcessingModel>
> = [
  {
    title: "an entry is as it was enqueued, in every field, at once and whenever it is found, listed or claimed",
    check: Effect.gen(function* () {
      const at = yield* started()
      const event: QueuedEvent.NewQueuedEvent = {
        ...at,
        processingId: "processing",
        eventId: "event",
        submission: {
          event_name: "pay",
          event_type: "payment",
          to_state: "paid",
          user_id: "user",
          payload: { amount: 1 },
          metadata: { correlation_id: "a", causation_id: "b", traceparent: "c" },
          workflow: "sample"
        },
        idempotencyKey: "key"
      }
      const [entry] = yield* enqueued(event)
      yield* equal("the entry", entry, {
        ...event,
        queuePosition: 1,
        queuedAt: entry.queuedAt,
        attemptCount: 0,
        status: { _tag: "Pending" }
      })
      yield* holds(
        "an instant such as 2025-03-01T12:00:00.000Z in `queuedAt`",
        Schema.is(Instant.Instant)(entry.queuedAt),
        entry.queuedAt
      )
      yield* equal("the entry found", yield* find(entry), entry)
      yield* equal("the entries listed", yield* queueOf(at), [entry])
      const [claim] = yield* claimed(at)
      yield* equal("the events claimed", claim?.events, [{ ...event, ...placeOf(entry), attemptCount: 1 }])
    })
  },
  {
    title: "an execution that is not there or complete takes no events, nor does another in the same call",
    check: Effect.gen(function* () {
      const at = yield* started()
      const complete = { ...at, executionId: "complete" }
      const absent = { ...at, executionId: "absent" }
      yield* accepted(moves(complete, 0, ["open"]))
      const keyedEvent = { ...asking(complete, "early"), idempotencyKey: "key" }
      const [early] = yield* enqueued(keyedEvent)
      yield* accepted({ ...keyed(moves(complete, 1, ["done"]), "last"), isComplete: true })
      yield* equal("of one not there", yield* notQueued(asking(at, "a"), asking(absent, "a")), {
        executionId: "absent",
        finalState: undefined
      })
      yield* equal("of a complete one", yield* notQueued(asking(complete, "late"), asking(at, "b")), {
        executionId: "complete",
        finalState: "done"
      })
      yield* equal("the queue of the other", yield* queueOf(at), [])
      yield* equal("a key known before it was complete", yield* enqueued(keyedEvent), [early])
      const [again] = yield* enqueued({ ...asking(complete, "again"), idempotencyKey: "last" })
      yield* equal("a key that the log knows", again.queuePosition, 2)
    })
  },
  {
    title: "of many calls at once each is all or none by itself, and answered with its own entries",
    check: Effect.gen(function* () {
      const at = yield* started()
      const other = { ...at, executionId: "other" }
      yield* accepted(moves(other, 0, ["open"]))
      yield* enqueued({ ...asking(at, "first"), idempotencyKey: "key" })
      const model = yield* WorkflowEventProcessingModel
      const answers = yield* Effect.forEach(
        Array.range(1, 40),
        (n) => {
          const [one, two] = [asking(at, `${n} one`), asking(other, `${n} two`)]
          const call: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent> =
            n % 10 === 3
              ? [one, asking({ ...at, executionId: "absent" }, String(n))]
              : n % 10 === 7
                ? [two, { ...one, idempotencyKey: "key" }]
                : [one, two]
          return model.enqueue(call).pipe(
            Effect.map(
              (entries) => entries.map(({ eventId }) => eventId).join() === call.map((each) => each.eventId).join()
            ),
            Effect.catchTag(["IdempotencyConflict", "QueueClosed"], ({ _tag }) => Effect.succeed(_tag))
          )
        },
        { concurrency: "unbounded" }
      )
      yield* equal(
        "the answers",
        answers,
        answers.map((_, place) => (place % 10 === 2 ? "QueueClosed" : place % 10 === 6 ? "IdempotencyConflict" : true))
      )
      for (const [execution, count] of [
        [at, 33],
        [other, 32]
      ] as const) {
        const places = (yield* queueOf(execution)).map(({ queuePosition }) => queuePosition)
        yield* equal("the places", places, Array.range(1, count))
      }
    })
  },
  {
    title: "a payload of every kind comes back as it was; one of null is not one left out",
    check: Effect.gen(function* () {
      const at = yield* started()
      const cases = [...Object.entries(payloads), ["null", null] as const]
      const [first, ...others] = cases.map(([name, payload]) => ({
        ...asking(at, name),
        submission: { event_name: name, payload }
      }))
      const absent = { ...asking(at, "left out"), submission: { event_name: "left out" } }
      yield* enqueued(absent, ...(first === undefined ? [] : [first, ...others]))
      const [none, ...found] = yield* queueOf(at)
      yield* holds("no payload in a submission without one", !("payload" in (none?.submission ?? {})), none?.submission)
      for (const [place, [name, payload]] of cases.entries()) {
        const actual = found[place]?.submission
        yield* equal(`payload: ${name}`, actual, { event_name: name, payload })
        yield* equal(`${name} as text`, JSON.stringify(actual?.payload), JSON.stringify(payload))
      }
    })
  },
  {
    title: "any text serves as any name, and as a cause or a reason",
    check: Effect.gen(function* () {
      const outer = yield* freshTenant
      for (const name of oddNames) {
        const tenant = `${outer}${name}`.slice(0, Identifier.maxLength - 1)
        const at = { tenant: Identifier.problem(tenant) === undefined ? tenant : outer, executionId: name }
        yield* accepted({ ...moves(at, 0, ["open"]), workflow: { name, version: 1 } })
        const event = {
          ...at,
          processingId: name,
          eventId: name,
          submission: {
            event_name: name,
            event_type: name,
            to_state: name,
            user_id: name,
            metadata: { correlation_id: name },
            workflow: name
          },
          idempotencyKey: name
        }
        const [entry] = yield* enqueued(event, asking(at, `${name.slice(0, 200)}, the second`))
        yield* equal("the entry", yield* find(entry), { ...entry, ...event })
        yield* equal("the entry of the key", (yield* enqueued(event))[0], entry)
        yield* equal("what is ready", yield* ready(at.tenant), [name])
        yield* claimed(at)
        const text = `${name}\0\ud800`
        yield* fail(entry, "Block", { attemptCount: 1, cause: text })
        yield* equal("dead of", (yield* find(entry))?.status, { _tag: "Dead", cause: text })
        yield* discard(entry)
        yield* equal("given up", (yield* find(entry))?.status, { _tag: "Discarded", cause: text })
        yield* settle(at, 1, 1, [{ _tag: "Rejected", error: name, reason: text, currentState: name }])
        yield* equal("refused with", (yield* queueOf(at))[1]?.status, {
          _tag: "Rejected",
          error: name,
          reason: text,
          currentState: name
        })
      }
    })
  },
  {
    title: "names of full length that nothing compresses are accepted",
    check: Effect.gen(function* () {
      const tenant = (yield* freshTenant) + longName(1).slice(100)
      const at = { tenant: tenant + longName(2).slice(tenant.length), executionId: longName(3) }
      yield* accepted(moves(at, 0, ["open"]))
      const [entry] = yield* enqueued({
        ...at,
        processingId: longName(4),
        eventId: longName(5),
        submission: { event_name: longName(6) },
        idempotencyKey: longName(7)
      })
      yield* equal("the entry", yield* find(entry), entry)
      yield* equal("what is ready", yield* ready(at.tenant), [at.executionId])
    })
  },
  {
    title: "the events of an execution take the places 1, 2, 3 …, in the order of a call and from call to call",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const answers = [
        yield* enqueued(asking(a, "1"), asking(a, "2"), asking(a, "3")),
        yield* enqueued(asking(b, "1")),
        yield* enqueued(asking(b, "2"), asking(a, "4"), asking(b, "3"), asking(a, "5")),
        yield* enqueued(asking(a, "6"))
      ]
      yield* equal("answers", answers.map(placesOf), ["a1 a2 a3", "b1", "b2 a4 b3 a5", "a6"])
      const entries = yield* list({ tenant: a.tenant })
      yield* equal("the queues", placesOf(entries), "a1 a2 a3 a4 a5 a6 b1 b2 b3")
      yield* equal(
        "names",
        entries.map((entry) => entry.submission.event_name),
        ["1", "2", "3", "4", "5", "6", "1", "2", "3"]
      )
      const times = (yield* queueOf(a)).map((entry) => entry.queuedAt)
      yield* equal("times in the order of the places", times, times.toSorted())
    })
  },
  {
    title: "an event with a known key adds nothing and gives the entry it led to, also after that was settled",
    check: Effect.gen(function* () {
      const at = yield* started()
      const event = { ...asking(at, "1"), idempotencyKey: "key" }
      const again = { ...event, processingId: "another", eventId: "another" }
      const [first] = yield* enqueued(event)
      yield* equal("the entry, queued again", yield* enqueued(again), [first])
      const elsewhere = { ...again, submission: { ...event.submission, metadata: { correlation_id: "elsewhere" } } }
      yield* equal("from elsewhere", yield* enqueued(elsewhere), [first])
      yield* equal(
        "with one that is new",
        placesOf(yield* enqueued(asking(at, "2"), again, asking(at, "3"))),
        "a2 a1 a3"
      )
      yield* equal("the queue", placesOf(yield* queueOf(at)), "a1 a2 a3")
      yield* claimed(at)
      yield* equal("attempts of the entry, queued again after a claim", (yield* enqueued(again))[0].attemptCount, 1)
      yield* settle(at, 1, 0, [applied(2)], ["paid"])
      const settled = yield* find(first)
      yield* equal("its settlement", settled?.status, applied(2))
      yield* equal("after it was settled", yield* enqueued(again), [settled])
    })
  },
  {
    title: "a key used for another request is refused, nothing of the call is written, and no place is lost",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const event = {
        ...asking(a, "1"),
        submission: { event_name: "1", to_state: "open", workflow: "w", user_id: "user", payload: { amount: 1 } },
        idempotencyKey: "key"
      }
      const { to_state: _state, workflow: _workflow, ...brief } = event.submission
      const [entry] = yield* enqueued(event)
      yield* equal("with neither target nor workflow", yield* enqueued({ ...event, submission: brief }), [entry])
      for (const change of [
        { event_name: "2" },
        { event_type: "other" },
        { to_state: "paid" },
        { user_id: "other" },
        { payload: { amount: 2 } },
        { workflow: "other" }
      ]) {
        const other = { ...asking(a, "other"), idempotencyKey: "key", submission: { ...event.submission, ...change } }
        yield* equal(`another ${JSON.stringify(change)}`, yield* notQueued(asking(a, "x"), other, asking(b, "x")), {
          executionId: "a",
          idempotencyKey: "key"
        })
      }
      yield* equal("what stands", placesOf(yield* list({ tenant: a.tenant })), "a1")
      yield* equal("what follows", placesOf(yield* enqueued(asking(a, "2"), asking(b, "1"))), "a2 b1")
    })
  },
  {
    title: "within one call a repeated key gives one entry, and is refused for another request",
    check: Effect.gen(function* () {
      const at = yield* started()
      const event = { ...asking(at, "1"), idempotencyKey: "key" }
      const again = { ...event, processingId: "another", eventId: "another" }
      const [first, second, third] = yield* enqueued(event, asking(at, "2"), again)
      yield* equal(
        "places",
        [first, second, third].map((entry) => entry?.queuePosition),
        [1, 2, 1]
      )
      yield* equal("the repeated", third, first)
      const [fresh, other] = ["x", "y"].map((name) => ({ ...asking(at, name), idempotencyKey: "new" }))
      const refused = fresh === undefined || other === undefined ? undefined : yield* notQueued(fresh, other)
      yield* equal("another request", refused, { executionId: "a", idempotencyKey: "new" })
      yield* equal("the queue", placesOf(yield* queueOf(at)), "a1 a2")
    })
  },
  {
    title: "a key is of one tenant and one execution",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const other = yield* started()
      const [first, second, third] = yield* enqueued(
        ...Array.map([a, b, other] as const, (at) => ({ ...asking(at, at.tenant), idempotencyKey: "key" }))
      )
      yield* equal(
        "places",
        [first, second, third].map((entry) => entry?.queuePosition),
        [1, 1, 1]
      )
      yield* equal("theirs", yield* queueOf(other), [third])
    })
  },
  {
    title: "a claim gives the header, the count of settled and the next events in order; the first counts an attempt",
    check: Effect.gen(function* () {
      const at = yield* started()
      const entries = yield* enqueued(asking(at, "1"), asking(at, "2"), asking(at, "3"))
      const [claim, ...others] = yield* claimed(at)
      yield* equal("claims", others.length, 0)
      yield* equal("the header", claim?.header, yield* headerOf(at))
      yield* equal("the claim", summaryOf(claim), "a after 0: 1 (attempt 1), 2, 3")
      yield* equal("its events", claim?.events.map(placeOf), entries.map(placeOf))
      yield* equal("attempts", yield* attemptsOf(at), [1, 0, 0])
      const last = entries.at(-1)?.queuedAt ?? ""
      const claimedAt = claim?.claimedAt ?? ""
      yield* holds(
        `a \`claimedAt\` that is an instant from ${last} on`,
        Schema.is(Instant.Instant)(claimedAt) && claimedAt >= last,
        claimedAt
      )
    })
  },
  {
    title: "a claim is limited, and tells whether more wait behind",
    check: Effect.gen(function* () {
      for (const [limit, expected] of [
        [1, "a after 0: 1 (attempt 1), and more"],
        [2, "a after 0: 1 (attempt 1), 2, and more"],
        [3, "a after 0: 1 (attempt 1), 2, 3"],
        [4, "a after 0: 1 (attempt 1), 2, 3"]
      ] as const) {
        const at = yield* started()
        yield* enqueued(asking(at, "1"), asking(at, "2"), asking(at, "3"))
        yield* equal(`at most ${limit}`, (yield* claimUpTo(limit, at)).map(summaryOf), [expected])
      }
    })
  },
  {
    title: "after an attempt that did not end, the event is claimed alone, until it is settled",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(asking(at, "1"), asking(at, "2"), asking(at, "3"))
      yield* claimed(at)
      yield* equal("the second claim", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 2), and more"])
      yield* equal("the third claim", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 3), and more"])
      yield* settle(at, 1, 0, [applied(2)], ["paid"])
      yield* equal("the claim after it was settled", (yield* claimed(at)).map(summaryOf), [
        "a after 1: 2 (attempt 1), 3"
      ])
      yield* settle(at, 2, 1, [rejected, rejected])
      const [last] = yield* enqueued(asking(at, "4"))
      yield* claimed(at)
      yield* equal("the second claim of the last", (yield* claimed(at)).map(summaryOf), ["a after 3: 4 (attempt 2)"])
      yield* equal("attempts kept", (yield* find(last))?.attemptCount, 2)
    })
  },
  {
    title: "a claim leaves out executions with nothing waiting, nothing due, a dead event next, or all settled",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const ids = ["idle", "delayed", "blocked", "settled", "ready"] as const
      yield* accepted(...Array.map(ids, (id) => moves(at(id), 0, ["open"])))
      const [delayed, blocked] = yield* enqueued(
        asking(at("delayed"), "1"),
        asking(at("blocked"), "1"),
        asking(at("settled"), "1"),
        asking(at("ready"), "1"),
        asking(at("delayed"), "2"),
        asking(at("blocked"), "2")
      )
      yield* claimed(at("delayed"), at("blocked"))
      if (blocked !== undefined) yield* fail(blocked, "Block", { attemptCount: 1 })
      yield* fail(delayed, inAnHour, { attemptCount: 1 })
      yield* settle(at("settled"), 1, 0, [rejected])
      const all = Array.map([...ids, "unknown"] as const, at)
      yield* equal("claims", (yield* claimed(...all)).map(summaryOf), ["ready after 0: 1 (attempt 1)"])
      const model = yield* WorkflowEventProcessingModel
      const anyway = yield* model.claim({ executions: all, limit: 10, ignoreDelay: true })
      yield* equal("regardless of delays", sorted(anyway.map(summaryOf)), [
        "delayed after 0: 1 (attempt 2), and more",
        "ready after 0: 1 (attempt 2)"
      ])
    })
  },
  {
    title: "many executions are claimed at once, of several tenants, each once",
    check: Effect.gen(function* () {
      const places = yield* Effect.forEach(["x", "y"], () => startedBoth())
      const [first, ...others] = places.flat()
      if (first === undefined) return
      yield* enqueued(
        ...Array.flatMap([first, ...others] as const, (at) => [asking(at, "1"), asking(at, "2")] as const)
      )
      const claims = yield* claimed(first, ...others, first, { ...first })
      yield* equal(
        "claims",
        sorted(claims.map((claim) => `${claim.header.tenant} ${summaryOf(claim)}`)),
        sorted([first, ...others].map((at) => `${at.tenant} ${at.executionId} after 0: 1 (attempt 1), 2`))
      )
    })
  },
  {
    title: "a commit settles the next events, each in its way, and goes with its events or not at all",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [, , , fourth] = yield* enqueued(...numberedAsking(at, 4))
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
    title: "a commit without events settles, and leaves the execution and its log as they were",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...numberedAsking(at, 3))
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
    title: "a commit is refused where the queue has moved, though the position has not, and writes nothing",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...numberedAsking(at, 3))
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
    title: "a commit is refused where the position has moved, and settles nothing",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...numberedAsking(at, 2))
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
    title: "of many commits at once each settles its own, and one that is refused holds up none",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const ids = ["z", "moved", "a", "settled", "m"] as const
      yield* accepted(...Array.map(ids, (id) => moves(at(id), 0, ["open"])))
      yield* enqueued(...Array.flatMap(ids, (id) => numberedAsking(at(id), 2)))
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
    title: "a commit that settles nothing moves the execution, whatever waits",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(...numberedAsking(at, 2))
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
  },
  {
    title: "a failed attempt is retried once its delay has passed, and holds up what is behind it",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first] = yield* enqueued(...numberedAsking(at, 2))
      yield* claimed(at)
      yield* fail(first, inAnHour, { attemptCount: 1 })
      yield* equal("ready before", yield* ready(at.tenant), [])
      yield* equal("claims before", yield* claimed(at), [])
      yield* equal("the entry", yield* find(first), { ...first, attemptCount: 1 })
      const model = yield* WorkflowEventProcessingModel
      const anyway = yield* model.claim({ executions: [at], limit: 10, ignoreDelay: true })
      yield* equal("regardless of the delay", anyway.map(summaryOf), ["a after 0: 1 (attempt 2), and more"])
      yield* fail(first, atOnce, { attemptCount: 2 })
      yield* equal("ready after", yield* ready(at.tenant), ["a"])
      yield* equal("claims after", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 3), and more"])
    })
  },
  {
    title: "a dead event blocks its execution alone, which others may still move",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const [first] = yield* enqueued(...numberedAsking(a, 2), asking(b, "1"))
      yield* claimed(a)
      yield* fail(first, "Block", { attemptCount: 1, cause: "no answer" })
      const dead = { ...first, attemptCount: 1, status: { _tag: "Dead", cause: "no answer" } }
      yield* equal("the entry", yield* find(first), dead)
      yield* equal("ready", yield* ready(a.tenant), ["b"])
      yield* equal("claims", (yield* claimed(a, b)).map(summaryOf), ["b after 0: 1 (attempt 1)"])
      yield* enqueued(asking(a, "3"))
      yield* equal("ready still", yield* ready(a.tenant), ["b"])
      yield* accepted(moves(a, 1, ["paid"]))
      yield* equal("the entry still", yield* find(first), dead)
    })
  },
  {
    title: "an execution goes on without a skipped event",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first] = yield* enqueued(...numberedAsking(at, 2))
      const before = yield* headerOf(at)
      yield* claimed(at)
      yield* fail(first, "Skip", { attemptCount: 1, cause: "no answer" })
      const skipped = yield* find(first)
      yield* equal("the entry", skipped, {
        ...first,
        attemptCount: 1,
        status: { _tag: "Skipped", cause: "no answer" },
        settledAt: skipped?.settledAt
      })
      yield* holds("an instant in `settledAt`", Schema.is(Instant.Instant)(skipped?.settledAt), skipped)
      yield* equal("the header", yield* headerOf(at), before)
      yield* equal("ready", yield* ready(at.tenant), ["a"])
      yield* equal(
        "a commit from before",
        (yield* refusalOf(settling(at, 1, 0, [applied(2)], ["paid"])))?._tag,
        "PositionConflict"
      )
      yield* equal("claims", (yield* claimed(at)).map(summaryOf), ["a after 1: 2 (attempt 1)"])
      yield* settle(at, 1, 1, [applied(2)], ["paid"])
    })
  },
  {
    title: "the end of an attempt that is not the last, of an event that is settled, or not next, changes nothing",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first, second] = yield* enqueued(...numberedAsking(at, 3))
      if (second === undefined) return
      yield* claimed(at)
      yield* claimed(at)
      const ends = ["Block", "Skip", inAnHour] as const
      const unchanged = Effect.fnUntraced(function* (entry: QueuedEvent.QueueEntry, counts: ReadonlyArray<number>) {
        const before = yield* queueOf(at)
        for (const end of ends) {
          for (const attemptCount of counts) yield* fail(entry, end, { attemptCount })
        }
        yield* equal("the queue", yield* queueOf(at), before)
      })
      yield* unchanged(first, [0, 1, 3])
      yield* unchanged(second, [0, 1])
      yield* unchanged({ ...first, queuePosition: 9 }, [0, 1])
      yield* unchanged({ ...first, executionId: "unknown" }, [0, 2])
      yield* equal("claims", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 3), and more"])
      yield* settle(at, 1, 0, [rejected])
      yield* unchanged(first, [3])
      yield* claimed(at)
      yield* fail(second, "Block", { attemptCount: 1 })
      yield* unchanged(second, [1])
    })
  },
  {
    title: "an event that is left gives its attempt back, and is found by those that look for what is left",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const [first] = yield* enqueued(...numberedAsking(a, 2), asking(b, "1"))
      yield* claimed(a)
      yield* leave(first)
      yield* equal("the entry", yield* find(first), first)
      yield* equal("ready", yield* ready(a.tenant), ["b"])
      yield* equal("unclaimed", yield* left(a.tenant), ["a"])
      yield* equal("claims", (yield* claimed(a)).map(summaryOf), ["a after 0: 1 (attempt 1), 2"])
      yield* fail(first, inAnHour, { attemptCount: 1 })
      yield* equal("left, and not due", yield* left(a.tenant), [])
      const model = yield* WorkflowEventProcessingModel
      yield* model.claim({ executions: [a], limit: 1, ignoreDelay: true })
      yield* fail(first, atOnce, { attemptCount: 2 })
      yield* equal("ready and left, once due again", [yield* ready(a.tenant), yield* left(a.tenant)], [["b"], ["a"]])
      yield* settle(a, 1, 0, [applied(2)], ["paid"])
      yield* equal(
        "ready and left, once it is settled",
        [yield* ready(a.tenant), yield* left(a.tenant)],
        [["a", "b"], []]
      )
      yield* leave(first)
      yield* leave({ ...first, queuePosition: 9 })
      yield* equal(
        "ready and left, after a settled one is left",
        [yield* ready(a.tenant), yield* left(a.tenant)],
        [["a", "b"], []]
      )
    })
  },
  {
    title: "what is left is found of every workflow but those excepted, and is no longer left once dead or skipped",
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
        const [first] = yield* enqueued(...numberedAsking(at(id), 2))
        yield* claimed(at(id))
        yield* leave(first)
      }
      yield* equal("left, but for none", yield* left(tenant), ["a", "b", "c"])
      yield* equal("left, but for one workflow", yield* left(tenant, [workflow]), ["b", "c"])
      yield* equal("left, but for two workflows", yield* left(tenant, [workflow, { ...workflow, name: "other" }]), [
        "b"
      ])
      yield* equal("left, but for a workflow that nothing is of", yield* left(tenant, [{ ...workflow, version: 9 }]), [
        "a",
        "b",
        "c"
      ])
      yield* claimed(at("a"), at("b"))
      const [a, , b] = yield* list({ tenant })
      const dead = yield* present("an entry of the first execution in the list", a)
      const skipped = yield* present("an entry of the second execution in the list", b)
      yield* fail(dead, "Block", { attemptCount: 1 })
      yield* fail(skipped, "Skip", { attemptCount: 1 })
      yield* equal(
        "ready and left, once one is dead and one skipped",
        [yield* ready(tenant), yield* left(tenant)],
        [["b"], ["c"]]
      )
      yield* redrive(dead)
      yield* equal("ready and left after a redrive", [yield* ready(tenant), yield* left(tenant)], [["a", "b"], ["c"]])
    })
  },
  {
    title: "a redriven dead event waits in its place, with no attempt counted, and due",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first] = yield* enqueued(...numberedAsking(at, 2))
      yield* claimed(at)
      yield* fail(first, inAnHour, { attemptCount: 1 })
      yield* fail(first, "Block", { attemptCount: 1 })
      yield* equal("the answer", yield* redrive(first), first)
      yield* equal("the entry", yield* find(first), first)
      yield* equal("ready", yield* ready(at.tenant), ["a"])
      yield* equal("claims", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 1), 2"])
    })
  },
  {
    title: "a redriven skipped event waits at the end of the queue",
    check: Effect.gen(function* () {
      const at = yield* started()
      const keyedFirst = { ...asking(at, "1"), idempotencyKey: "key" }
      const [first] = yield* enqueued(keyedFirst, asking(at, "2"), asking(at, "3"))
      yield* claimed(at)
      yield* fail(first, "Skip", { attemptCount: 1 })
      const again = { ...first, queuePosition: 4 }
      yield* equal("the answer", yield* redrive(first), again)
      yield* equal("the entry", yield* find(first), again)
      yield* equal("once more", yield* redrive(first), undefined)
      yield* equal("of its key", yield* enqueued(keyedFirst), [again])
      yield* equal("what follows", placesOf(yield* enqueued(asking(at, "5"))), "a5")
      yield* equal("the queue", placesOf(yield* queueOf(at)), "a2 a3 a4 a5")
      yield* equal("claims", (yield* claimed(at)).map(summaryOf), ["a after 1: 2 (attempt 1), 3, 1, 5"])
      yield* settle(at, 1, 1, [rejected, rejected, applied(2), rejected], ["paid"])
      yield* equal("statuses", (yield* queueOf(at)).map(shown), [
        "a2 Rejected",
        "a3 Rejected",
        "a4 Applied",
        "a5 Rejected"
      ])
    })
  },
  {
    title: "a discarded dead event lets its execution go on; a discarded skipped one is out of the way",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first, second] = yield* enqueued(...numberedAsking(at, 4))
      if (second === undefined) return
      yield* claimed(at)
      yield* fail(first, "Block", { attemptCount: 1, cause: "dead of this" })
      const discarded = yield* discard(first)
      yield* equal("the answer", discarded, {
        ...first,
        attemptCount: 1,
        status: { _tag: "Discarded", cause: "dead of this" },
        settledAt: discarded?.settledAt
      })
      yield* holds("an instant in `settledAt`", Schema.is(Instant.Instant)(discarded?.settledAt), discarded)
      yield* equal("the entry", yield* find(first), discarded)
      yield* equal("ready", yield* ready(at.tenant), ["a"])
      yield* equal("claims", (yield* claimed(at)).map(summaryOf), ["a after 1: 2 (attempt 1), 3, 4"])
      yield* fail(second, "Skip", { attemptCount: 1, cause: "skipped for that" })
      yield* settle(at, 1, 2, [rejected])
      yield* equal("the skipped", (yield* discard(second))?.status, { _tag: "Discarded", cause: "skipped for that" })
      yield* equal("claims after", (yield* claimed(at)).map(summaryOf), ["a after 3: 4 (attempt 1)"])
    })
  },
  {
    title: "nothing else is redriven or discarded",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first, second, third, fourth] = yield* enqueued(...numberedAsking(at, 4))
      yield* settle(at, 1, 0, [applied(2), rejected], ["paid"])
      yield* claimed(at)
      if (second === undefined || third === undefined || fourth === undefined) return
      yield* fail(third, "Skip", { attemptCount: 1 })
      yield* discard(third)
      const before = yield* queueOf(at)
      for (const entry of [
        first,
        second,
        third,
        fourth,
        { ...first, processingId: "unknown" },
        { ...third, executionId: "unknown" },
        { ...third, tenant: yield* freshTenant }
      ]) {
        yield* equal(`redriving ${entry.processingId}`, yield* redrive(entry), undefined)
        yield* equal(`discarding ${entry.processingId}`, yield* discard(entry), undefined)
      }
      yield* equal("the queue", yield* queueOf(at), before)
      yield* equal("claims", (yield* claimed(at)).map(summaryOf), ["a after 3: 4 (attempt 1)"])
    })
  },
  {
    title: "finds an entry by tenant, execution and processing id, all three",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const other = yield* started()
      const [entry, theirs] = yield* enqueued(
        { ...asking(a, "1"), processingId: "same" },
        {
          ...asking(other, "1"),
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
    title: "lists a tenant's entries of the wanted statuses, by execution id in order of UTF-8 bytes, then place",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const shuffled: Array.NonEmptyReadonlyArray<string> = ["😀", "a!", "B", "\uff21", "a"]
      yield* accepted(...Array.map(shuffled, (id) => moves(at(id), 0, ["open"])))
      yield* enqueued(...Array.flatMap(shuffled, (id) => numberedAsking(at(id), 3)))
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
    title: "what is ready is found of the partitions asked for, and of no other",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const { partitionCount } = yield* WorkflowEventModel
      const ids = Array.makeBy(partitionCount * 2, (n) => `execution-${String(n).padStart(4, "0")}`)
      yield* accepted(...Array.map(ids, (executionId) => moves({ tenant, executionId }, 0, ["open"])))
      yield* enqueued(...Array.map(ids, (executionId) => asking({ tenant, executionId }, "1")))
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
    title: "the limit is of each tenant and partition, and counts what is ready alone",
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
      yield* enqueued(...Array.flatMap(all, (each) => numberedAsking(each, 20)))
      yield* failNext(delayed, inAnHour)
      yield* failNext(blocked, "Block")
      yield* leave({ ...unknown, queuePosition: 1 })
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
      yield* leave({ ...first, queuePosition: 1 })
      for (const one of others) yield* leave({ ...one, queuePosition: 1 })
      const found = yield* model.findReady({ of: "unclaimed", limitPerTenant: 2, except: [] })
      yield* equal("unclaimed", [idsOf(ours)(found).length, idsOf(theirs)(found).length], [1, 2])
    })
  },
  {
    title: "the lag counts what waits, is dead or skipped, or left, and gives the oldest instant, by partition",
    // Others may work on the same store: next the counts are disturbed, but not every time.
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
      const [first, second] = yield* enqueued(...numberedAsking(at, 4))
      if (second === undefined) return
      yield* equal("waiting", yield* countsNow, [4, 0, 0])
      yield* equal("the oldest", (yield* lagHere)?.oldestQueuedAt, before?.oldestQueuedAt ?? first.queuedAt)
      yield* claimed(at)
      yield* leave(first)
      yield* equal("one left", yield* countsNow, [4, 0, 1])
      yield* failNext(at, "Block")
      yield* equal("one dead", yield* countsNow, [3, 1, 0])
      yield* discard(first)
      yield* equal("none dead", yield* countsNow, [3, 0, 0])
      yield* failNext(at, "Skip")
      yield* equal("one skipped", yield* countsNow, [2, 1, 0])
      yield* redrive(second)
      yield* equal("one redriven", yield* countsNow, [3, 0, 0])
      yield* leave({ ...at, queuePosition: 3 })
      yield* equal("another left", yield* countsNow, [3, 0, 1])
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
    title: "one tenant's queue is unknown to another",
    check: Effect.gen(function* () {
      const [ours, theirs] = [yield* started(), yield* started()]
      const [mine] = yield* enqueued(asking(ours, "1"), asking(ours, "2"))
      const [other] = yield* enqueued(asking(theirs, "1"))
      yield* equal("places", [mine.queuePosition, other.queuePosition], [1, 1])
      yield* failNext(theirs, "Block")
      const before = yield* queueOf(theirs)
      yield* equal("ready", [yield* ready(ours.tenant), yield* ready(theirs.tenant)], [["a"], []])
      yield* claimed(ours)
      yield* fail(mine, "Skip", { attemptCount: 1 })
      yield* redrive(mine)
      yield* claimed(ours)
      yield* leave({ ...ours, queuePosition: 2 })
      yield* settle(ours, 1, 1, [rejected])
      yield* equal("theirs", yield* queueOf(theirs), before)
      yield* equal("ours", (yield* queueOf(ours)).map(shown), ["a2 Rejected", "a3 Pending"])
    })
  }
]

/** An execution of one event, with an empty queue. */
const started = Effect.fnUntraced(function* () {
  const at = { tenant: yield* freshTenant, executionId: "a" }
  yield* accepted(moves(at, 0, ["open"]))
  return at
})

/** Two of one tenant. */
const startedBoth = Effect.fnUntraced(function* () {
  const a = yield* started()
  const b = { ...a, executionId: "b" }
  yield* accepted(moves(b, 0, ["open"]))
  return [a, b] as const
})

/** An event to queue, of least content; the name is unique within the execution. */
const asking = ({ executionId, tenant }: Place, name: string): QueuedEvent.NewQueuedEvent => ({
  tenant,
  executionId,
  processingId: `${executionId.slice(0, 100)} processing ${name}`.slice(0, Identifier.maxLength),
  eventId: `${executionId.slice(0, 100)} event ${name}`.slice(0, Identifier.maxLength),
  submission: { event_name: name }
})

/** Events `1`, `2` … to queue. */
const numberedAsking = (at: Place, count: number): Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent> =>
  Array.makeBy(count, (n) => asking(at, String(n + 1)))

const enqueued = Effect.fnUntraced(function* (...events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) {
  const model = yield* WorkflowEventProcessingModel
  const entries = yield* model
    .enqueue(events)
    .pipe(
      Effect.catchTag(["IdempotencyConflict", "QueueClosed"], (refusal) =>
        Effect.fail(new ConformanceFailure({ what: "the events to be queued", actual: refusal.message }))
      )
    )
  yield* equal("number of entries", entries.length, events.length)
  return entries
})

/** How queueing was refused. */
const notQueued = Effect.fnUntraced(function* (...events: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>) {
  const model = yield* WorkflowEventProcessingModel
  return yield* model.enqueue(events).pipe(
    Effect.as(undefined),
    Effect.catchTags({
      IdempotencyConflict: ({ executionId, idempotencyKey }) => Effect.succeed({ executionId, idempotencyKey }),
      QueueClosed: ({ executionId, finalState }) => Effect.succeed({ executionId, finalState })
    })
  )
})

const claimUpTo = Effect.fnUntraced(function* (
  limit: number,
  ...executions: Array.NonEmptyReadonlyArray<ExecutionRef>
) {
  const model = yield* WorkflowEventProcessingModel
  return yield* model.claim({ executions, limit })
})

const claimed = (...executions: Array.NonEmptyReadonlyArray<ExecutionRef>) => claimUpTo(100, ...executions)

const headerOf = Effect.fnUntraced(function* (at: Place) {
  const executions = yield* WorkflowExecutionModel
  return Option.getOrUndefined(yield* executions.find(at))
})

const applied = (position: number): Settlement => ({
  _tag: "Applied",
  position,
  previousState: "open",
  currentState: "paid",
  actionsExecuted: ["mail", "print"]
})

const rejected: Settlement = {
  _tag: "Rejected",
  error: "NotAllowed",
  reason: "not in this state",
  currentState: "open"
}

/** A commit of the states that settles the events after the first `after`. */
const settling = (
  at: Place,
  expectedPosition: number,
  after: number,
  settlements: Settling["settlements"],
  states: ReadonlyArray<string>
) => ({
  ...moves(at, expectedPosition, ["none"]),
  events: Array.isReadonlyArrayNonEmpty(states) ? moves(at, expectedPosition, states).events : [],
  settles: { after, settlements }
})

const settle = (
  at: Place,
  expectedPosition: number,
  after: number,
  settlements: Settling["settlements"],
  states: ReadonlyArray<string> = [],
  isComplete = false
) => accepted({ ...settling(at, expectedPosition, after, settlements, states), isComplete })

/** How a commit was refused, as plain fields. */
const refusalOf = Effect.fnUntraced(function* (commit: ReturnType<typeof settling>) {
  const model = yield* WorkflowEventModel
  const [result] = yield* model.commit([commit])
  if (Result.isSuccess(result) || result.failure._tag !== "PositionConflict") return undefined
  const { _tag, actual, executionId, expected, tenant } = result.failure
  return { _tag, tenant, executionId, expected, actual }
})

const inAnHour: FailurePolicy.AfterFailure = { _tag: "Retry", after: Duration.hours(1) }
const atOnce: FailurePolicy.AfterFailure = { _tag: "Retry", after: Duration.zero }

const fail = Effect.fnUntraced(function* (
  event: Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "queuePosition">,
  next: FailurePolicy.AfterFailure | "Block" | "Skip",
  attempt: { readonly attemptCount: number; readonly cause?: string }
) {
  const { cause = "it failed", attemptCount } = attempt
  const { executionId, queuePosition, tenant } = event
  const model = yield* WorkflowEventProcessingModel
  yield* model.fail({
    event: { tenant, executionId, queuePosition, attemptCount },
    cause,
    next: typeof next === "string" ? { _tag: next } : next
  })
})

/** Claims the next event of an execution and fails it. */
const failNext = Effect.fnUntraced(function* (at: Place, next: FailurePolicy.AfterFailure | "Block" | "Skip") {
  const [claim] = yield* claimUpTo(1, at)
  const event = claim?.events[0]
  if (event === undefined) {
    return yield* new ConformanceFailure({ what: "an event to be claimed", actual: claim })
  }
  yield* fail(event, next, event)
  return event
})

const discardNext = Effect.fnUntraced(function* (at: Place) {
  yield* discard(yield* failNext(at, "Block"))
})

const leave = Effect.fnUntraced(function* ({
  executionId,
  queuePosition,
  tenant
}: Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "queuePosition">) {
  const model = yield* WorkflowEventProcessingModel
  yield* model.leave({ tenant, executionId, queuePosition })
})

type Key = Pick<QueuedEvent.QueuedEvent, "tenant" | "executionId" | "processingId">

const keyOf = ({ executionId, processingId, tenant }: Key): Key => ({ tenant, executionId, processingId })

const find = Effect.fnUntraced(function* (key: Key) {
  const model = yield* WorkflowEventProcessingModel
  return Option.getOrUndefined(yield* model.find(keyOf(key)))
})

const redrive = Effect.fnUntraced(function* (key: Key) {
  const model = yield* WorkflowEventProcessingModel
  return Option.getOrUndefined(yield* model.redrive(keyOf(key)))
})

const discard = Effect.fnUntraced(function* (key: Key) {
  const model = yield* WorkflowEventProcessingModel
  return Option.getOrUndefined(yield* model.discard(keyOf(key)))
})

const everyStanding = ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] as const

const list = Effect.fnUntraced(function* (
  options: Partial<Parameters<WorkflowEventProcessingModel["Service"]["list"]>[0]>
) {
  const model = yield* WorkflowEventProcessingModel
  return yield* Stream.runCollect(model.list({ statuses: everyStanding, ...options }))
})

/** All entries of an execution. */
const queueOf = ({ executionId, tenant }: Place) => list({ tenant, executionId })

/** Ids of the executions of a tenant among those found, in order. */
const idsOf = (tenant: string) => (found: ReadonlyArray<ExecutionRef>) =>
  sorted(found.filter((ref) => ref.tenant === tenant).map((ref) => ref.executionId))

/** Ids of a tenant's executions that are ready, whatever their partitions. */
const ready = Effect.fnUntraced(function* (tenant: string) {
  const model = yield* WorkflowEventProcessingModel
  const { partitionCount } = yield* WorkflowEventModel
  const of = Array.range(0, partitionCount - 1)
  return idsOf(tenant)(yield* model.findReady({ of, limitPerTenant: 1_000_000, except: [] }))
})

/** Ids of a tenant's executions that were left. */
const left = Effect.fnUntraced(function* (tenant: string, except: ReadonlyArray<WorkflowRef> = []) {
  const model = yield* WorkflowEventProcessingModel
  return idsOf(tenant)(yield* model.findReady({ of: "unclaimed", limitPerTenant: 1_000_000, except }))
})

const attemptsOf = (at: Place) => Effect.map(queueOf(at), (entries) => entries.map((entry) => entry.attemptCount))

const sorted = (texts: ReadonlyArray<string>) => texts.toSorted(Identifier.compare)

/** What a claim leaves as it is. */
const placeOf = ({ processingId, queuePosition, queuedAt }: QueuedEvent.QueuedEvent) => ({
  processingId,
  queuePosition,
  queuedAt
})

/** A claim in one line. */
const summaryOf = (claim: Claim | undefined): string => {
  if (claim === undefined) return "none"
  const events = claim.events.map(({ attemptCount, submission }) =>
    attemptCount === 0 ? submission.event_name : `${submission.event_name} (attempt ${attemptCount})`
  )
  const all = claim.hasMore ? [...events, "and more"] : events
  return `${claim.header.executionId} after ${claim.settledCount}: ${all.join(", ")}`
}

const shown = (entry: QueuedEvent.QueueEntry) => `${entry.executionId}${entry.queuePosition} ${entry.status._tag}`

const placesOf = (entries: ReadonlyArray<QueuedEvent.QueueEntry>) =>
  entries.map((entry) => `${entry.executionId}${entry.queuePosition}`).join(" ")
