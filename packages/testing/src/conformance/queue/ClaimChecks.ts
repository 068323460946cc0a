/** Checks of `claim`. */
import { Instant, WorkflowEventProcessingModel } from "@refold/core"
import { Array, Effect, Schema } from "effect"
import { equal, holds } from "../Check.ts"
import { accepted, freshTenant, moves } from "../Sample.ts"
import {
  started,
  startedBoth,
  newEvent,
  enqueued,
  claimUpTo,
  claimed,
  headerOf,
  applied,
  rejected,
  settle,
  inAnHour,
  fail,
  find,
  attemptsOf,
  sorted,
  identityOf,
  summaryOf,
  type QueueCheck
} from "./QueueSample.ts"

export const claimChecks: ReadonlyArray<QueueCheck> = [
  {
    title:
      "a claim returns the header, the settled count and the next events in order, and counts an attempt of the first",
    check: Effect.gen(function* () {
      const at = yield* started()
      const entries = yield* enqueued(newEvent(at, "1"), newEvent(at, "2"), newEvent(at, "3"))
      const [claim, ...others] = yield* claimed(at)
      yield* equal("claims", others.length, 0)
      yield* equal("the header", claim?.header, yield* headerOf(at))
      yield* equal("the claim", summaryOf(claim), "a after 0: 1 (attempt 1), 2, 3")
      yield* equal("its events", claim?.events.map(identityOf), entries.map(identityOf))
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
    title: "a claim respects its limit, and says whether more events are pending",
    check: Effect.gen(function* () {
      for (const [limit, expected] of [
        [1, "a after 0: 1 (attempt 1), and more"],
        [2, "a after 0: 1 (attempt 1), 2, and more"],
        [3, "a after 0: 1 (attempt 1), 2, 3"],
        [4, "a after 0: 1 (attempt 1), 2, 3"]
      ] as const) {
        const at = yield* started()
        yield* enqueued(newEvent(at, "1"), newEvent(at, "2"), newEvent(at, "3"))
        yield* equal(`at most ${limit}`, (yield* claimUpTo(limit, at)).map(summaryOf), [expected])
      }
    })
  },
  {
    title: "after an attempt that did not end, the event is claimed alone until it is settled",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* enqueued(newEvent(at, "1"), newEvent(at, "2"), newEvent(at, "3"))
      yield* claimed(at)
      yield* equal("the second claim", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 2), and more"])
      yield* equal("the third claim", (yield* claimed(at)).map(summaryOf), ["a after 0: 1 (attempt 3), and more"])
      yield* settle(at, 1, 0, [applied(2)], ["paid"])
      yield* equal("the claim after it was settled", (yield* claimed(at)).map(summaryOf), [
        "a after 1: 2 (attempt 1), 3"
      ])
      yield* settle(at, 2, 1, [rejected, rejected])
      const [last] = yield* enqueued(newEvent(at, "4"))
      yield* claimed(at)
      yield* equal("the second claim of the last", (yield* claimed(at)).map(summaryOf), ["a after 3: 4 (attempt 2)"])
      yield* equal("attempts kept", (yield* find(last))?.attemptCount, 2)
    })
  },
  {
    title: "a claim skips executions with no pending event, none due, a dead event next, or all settled",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      const ids = ["idle", "delayed", "blocked", "settled", "ready"] as const
      yield* accepted(...Array.map(ids, (id) => moves(at(id), 0, ["open"])))
      const [delayed, blocked] = yield* enqueued(
        newEvent(at("delayed"), "1"),
        newEvent(at("blocked"), "1"),
        newEvent(at("settled"), "1"),
        newEvent(at("ready"), "1"),
        newEvent(at("delayed"), "2"),
        newEvent(at("blocked"), "2")
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
    title: "one call claims many executions of several tenants, each once",
    check: Effect.gen(function* () {
      const positions = yield* Effect.forEach(["x", "y"], () => startedBoth())
      const [first, ...others] = positions.flat()
      if (first === undefined) return
      yield* enqueued(
        ...Array.flatMap([first, ...others] as const, (at) => [newEvent(at, "1"), newEvent(at, "2")] as const)
      )
      const claims = yield* claimed(first, ...others, first, { ...first })
      yield* equal(
        "claims",
        sorted(claims.map((claim) => `${claim.header.tenant} ${summaryOf(claim)}`)),
        sorted([first, ...others].map((at) => `${at.tenant} ${at.executionId} after 0: 1 (attempt 1), 2`))
      )
    })
  }
]
