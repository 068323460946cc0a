/** Checks of failed attempts: retry, dead letters, redrive and discard. */
import { Instant, type QueuedEvent, WorkflowEventProcessingModel } from "@refold/core"
import { Effect, Schema } from "effect"
import { equal, holds } from "../Check.ts"
import { accepted, freshTenant, moves } from "../Sample.ts"
import {
  started,
  startedBoth,
  newEvent,
  newEvents,
  enqueued,
  claimed,
  headerOf,
  applied,
  rejected,
  settling,
  settle,
  refusalOf,
  inAnHour,
  atOnce,
  fail,
  find,
  redrive,
  discard,
  queueOf,
  ready,
  summaryOf,
  shown,
  positionsOf,
  type QueueCheck
} from "./QueueSample.ts"

export const failureChecks: ReadonlyArray<QueueCheck> = [
  {
    title: "a failed attempt is retried once its delay has passed, and blocks the events behind it",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first] = yield* enqueued(...newEvents(at, 2))
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
    title: "a dead event blocks the queue of its own execution only, and commits may still move that execution",
    check: Effect.gen(function* () {
      const [a, b] = yield* startedBoth()
      const [first] = yield* enqueued(...newEvents(a, 2), newEvent(b, "1"))
      yield* claimed(a)
      yield* fail(first, "Block", { attemptCount: 1, cause: "no answer" })
      const dead = { ...first, attemptCount: 1, status: { _tag: "Dead", cause: "no answer" } }
      yield* equal("the entry", yield* find(first), dead)
      yield* equal("ready", yield* ready(a.tenant), ["b"])
      yield* equal("claims", (yield* claimed(a, b)).map(summaryOf), ["b after 0: 1 (attempt 1)"])
      yield* enqueued(newEvent(a, "3"))
      yield* equal("ready still", yield* ready(a.tenant), ["b"])
      yield* accepted(moves(a, 1, ["paid"]))
      yield* equal("the entry still", yield* find(first), dead)
    })
  },
  {
    title: "an execution continues without a skipped event",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first] = yield* enqueued(...newEvents(at, 2))
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
    title: "the end of an attempt changes nothing if it is not the latest, or its event is settled or not next",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first, second] = yield* enqueued(...newEvents(at, 3))
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
    title: "a redriven dead event is pending at its old queue position, due, with no attempt counted",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first] = yield* enqueued(...newEvents(at, 2))
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
    title: "a redriven skipped event is pending at the end of the queue",
    check: Effect.gen(function* () {
      const at = yield* started()
      const keyedFirst = { ...newEvent(at, "1"), idempotencyKey: "key" }
      const [first] = yield* enqueued(keyedFirst, newEvent(at, "2"), newEvent(at, "3"))
      yield* claimed(at)
      yield* fail(first, "Skip", { attemptCount: 1 })
      const again = { ...first, queuePosition: 4 }
      yield* equal("the answer", yield* redrive(first), again)
      yield* equal("the entry", yield* find(first), again)
      yield* equal("once more", yield* redrive(first), undefined)
      yield* equal("of its key", yield* enqueued(keyedFirst), [again])
      yield* equal("what follows", positionsOf(yield* enqueued(newEvent(at, "5"))), "a5")
      yield* equal("the queue", positionsOf(yield* queueOf(at)), "a2 a3 a4 a5")
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
    title: "a discarded dead event no longer blocks its execution; a discarded skipped one is no longer skipped",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first, second] = yield* enqueued(...newEvents(at, 4))
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
    title: "only dead and skipped events can be redriven or discarded",
    check: Effect.gen(function* () {
      const at = yield* started()
      const [first, second, third, fourth] = yield* enqueued(...newEvents(at, 4))
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
  }
]
