/** Checks of `enqueue`: stored fields, refusals, queue positions, idempotency keys. */
import { Identifier, Instant, type QueuedEvent, WorkflowEventProcessingModel } from "@refold/core"
import { Array, Effect, Schema } from "effect"
import { equal, holds } from "../Check.ts"
import { accepted, freshTenant, keyed, longName, moves, oddNames, payloads } from "../Sample.ts"
import {
  started,
  startedBoth,
  newEvent,
  enqueued,
  notQueued,
  claimed,
  applied,
  settle,
  fail,
  find,
  discard,
  list,
  queueOf,
  ready,
  identityOf,
  positionsOf,
  type QueueCheck
} from "./QueueSample.ts"

export const enqueueChecks: ReadonlyArray<QueueCheck> = [
  {
    title: "an entry keeps every field: in the result of enqueue, when it is found, listed or claimed",
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
      yield* equal("the events claimed", claim?.events, [{ ...event, ...identityOf(entry), attemptCount: 1 }])
    })
  },
  {
    title: "enqueue refuses an unknown or complete execution, and then writes nothing of the call",
    check: Effect.gen(function* () {
      const at = yield* started()
      const complete = { ...at, executionId: "complete" }
      const absent = { ...at, executionId: "absent" }
      yield* accepted(moves(complete, 0, ["open"]))
      const keyedEvent = { ...newEvent(complete, "early"), idempotencyKey: "key" }
      const [early] = yield* enqueued(keyedEvent)
      yield* accepted({ ...keyed(moves(complete, 1, ["done"]), "last"), isComplete: true })
      yield* equal("of one not there", yield* notQueued(newEvent(at, "a"), newEvent(absent, "a")), {
        executionId: "absent",
        finalState: undefined
      })
      yield* equal("of a complete one", yield* notQueued(newEvent(complete, "late"), newEvent(at, "b")), {
        executionId: "complete",
        finalState: "done"
      })
      yield* equal("the queue of the other", yield* queueOf(at), [])
      yield* equal("a key known before it was complete", yield* enqueued(keyedEvent), [early])
      const [again] = yield* enqueued({ ...newEvent(complete, "again"), idempotencyKey: "last" })
      yield* equal("a key that the log knows", again.queuePosition, 2)
    })
  },
  {
    title: "concurrent calls are each all or nothing, and each returns its own entries",
    check: Effect.gen(function* () {
      const at = yield* started()
      const other = { ...at, executionId: "other" }
      yield* accepted(moves(other, 0, ["open"]))
      yield* enqueued({ ...newEvent(at, "first"), idempotencyKey: "key" })
      const model = yield* WorkflowEventProcessingModel
      const answers = yield* Effect.forEach(
        Array.range(1, 40),
        (n) => {
          const [one, two] = [newEvent(at, `${n} one`), newEvent(other, `${n} two`)]
          const call: Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent> =
            n % 10 === 3
              ? [one, newEvent({ ...at, executionId: "absent" }, String(n))]
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
        answers.map((_, index) => (index % 10 === 2 ? "QueueClosed" : index % 10 === 6 ? "IdempotencyConflict" : true))
      )
      for (const [execution, count] of [
        [at, 33],
        [other, 32]
      ] as const) {
        const positions = (yield* queueOf(execution)).map(({ queuePosition }) => queuePosition)
        yield* equal("the places", positions, Array.range(1, count))
      }
    })
  },
  {
    title: "a payload of every kind comes back as it was; null differs from an absent one",
    check: Effect.gen(function* () {
      const at = yield* started()
      const cases = [...Object.entries(payloads), ["null", null] as const]
      const [first, ...others] = cases.map(([name, payload]) => ({
        ...newEvent(at, name),
        submission: { event_name: name, payload }
      }))
      const absent = { ...newEvent(at, "left out"), submission: { event_name: "left out" } }
      yield* enqueued(absent, ...(first === undefined ? [] : [first, ...others]))
      const [none, ...found] = yield* queueOf(at)
      yield* holds("no payload in a submission without one", !("payload" in (none?.submission ?? {})), none?.submission)
      for (const [index, [name, payload]] of cases.entries()) {
        const actual = found[index]?.submission
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
        const [entry] = yield* enqueued(event, newEvent(at, `${name.slice(0, 200)}, the second`))
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
    title: "names of maximum length that do not compress are accepted",
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
    title: "the events of an execution get the queue positions 1, 2, 3 …, in the order of a call and of the calls",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const answers = [
        yield* enqueued(newEvent(a, "1"), newEvent(a, "2"), newEvent(a, "3")),
        yield* enqueued(newEvent(b, "1")),
        yield* enqueued(newEvent(b, "2"), newEvent(a, "4"), newEvent(b, "3"), newEvent(a, "5")),
        yield* enqueued(newEvent(a, "6"))
      ]
      yield* equal("answers", answers.map(positionsOf), ["a1 a2 a3", "b1", "b2 a4 b3 a5", "a6"])
      const entries = yield* list({ tenant: a.tenant })
      yield* equal("the queues", positionsOf(entries), "a1 a2 a3 a4 a5 a6 b1 b2 b3")
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
    title: "an event with a known key adds nothing and returns the first entry, even after it was settled",
    check: Effect.gen(function* () {
      const at = yield* started()
      const event = { ...newEvent(at, "1"), idempotencyKey: "key" }
      const again = { ...event, processingId: "another", eventId: "another" }
      const [first] = yield* enqueued(event)
      yield* equal("the entry, queued again", yield* enqueued(again), [first])
      const elsewhere = { ...again, submission: { ...event.submission, metadata: { correlation_id: "elsewhere" } } }
      yield* equal("from elsewhere", yield* enqueued(elsewhere), [first])
      yield* equal(
        "with one that is new",
        positionsOf(yield* enqueued(newEvent(at, "2"), again, newEvent(at, "3"))),
        "a2 a1 a3"
      )
      yield* equal("the queue", positionsOf(yield* queueOf(at)), "a1 a2 a3")
      yield* claimed(at)
      yield* equal("attempts of the entry, queued again after a claim", (yield* enqueued(again))[0].attemptCount, 1)
      yield* settle(at, 1, 0, [applied(2)], ["paid"])
      const settled = yield* find(first)
      yield* equal("its settlement", settled?.status, applied(2))
      yield* equal("after it was settled", yield* enqueued(again), [settled])
    })
  },
  {
    title: "a key with another request is refused; nothing of the call is written, and no queue position is lost",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const event = {
        ...newEvent(a, "1"),
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
        const other = { ...newEvent(a, "other"), idempotencyKey: "key", submission: { ...event.submission, ...change } }
        yield* equal(`another ${JSON.stringify(change)}`, yield* notQueued(newEvent(a, "x"), other, newEvent(b, "x")), {
          executionId: "a",
          idempotencyKey: "key"
        })
      }
      yield* equal("the queue", positionsOf(yield* list({ tenant: a.tenant })), "a1")
      yield* equal("what follows", positionsOf(yield* enqueued(newEvent(a, "2"), newEvent(b, "1"))), "a2 b1")
    })
  },
  {
    title: "a key repeated within one call gives one entry, and is refused with another request",
    check: Effect.gen(function* () {
      const at = yield* started()
      const event = { ...newEvent(at, "1"), idempotencyKey: "key" }
      const again = { ...event, processingId: "another", eventId: "another" }
      const [first, second, third] = yield* enqueued(event, newEvent(at, "2"), again)
      yield* equal(
        "places",
        [first, second, third].map((entry) => entry?.queuePosition),
        [1, 2, 1]
      )
      yield* equal("the repeated", third, first)
      const [fresh, other] = ["x", "y"].map((name) => ({ ...newEvent(at, name), idempotencyKey: "new" }))
      const refused = fresh === undefined || other === undefined ? undefined : yield* notQueued(fresh, other)
      yield* equal("another request", refused, { executionId: "a", idempotencyKey: "new" })
      // One that leaves a part out may be the same as two others that differ: it stands for neither of them.
      const [open, paid] = ["open", "paid"].map((to_state) => ({
        ...event,
        submission: { ...event.submission, to_state }
      }))
      const between = open === undefined || paid === undefined ? undefined : yield* notQueued(open, event, paid)
      yield* equal("two targets with one without in between", between, { executionId: "a", idempotencyKey: "key" })
      yield* equal("the queue", positionsOf(yield* queueOf(at)), "a1 a2")
    })
  },
  {
    title: "a key belongs to one tenant and one execution",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const other = yield* started()
      const [first, second, third] = yield* enqueued(
        ...Array.map([a, b, other] as const, (at) => ({ ...newEvent(at, at.tenant), idempotencyKey: "key" }))
      )
      yield* equal(
        "places",
        [first, second, third].map((entry) => entry?.queuePosition),
        [1, 1, 1]
      )
      yield* equal("theirs", yield* queueOf(other), [third])
    })
  }
]
