/** Workers, operators and callers at one queue, one statement at a time, in an order that fast-check chooses. A seed repeats a failure. */
import { assert, layer } from "@effect/vitest"
import {
  type Claim,
  type Commit,
  type FailurePolicy,
  type QueuedEvent,
  StoreError,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  type Settlement
} from "@refold/core"
import { Array, Cause, Duration, Effect, Exit, Option, Result, Stream } from "effect"
import { SqlClient, SqlError } from "effect/sql"
import fc from "fast-check"
import { actorOf, allStill, finish, holdsForAll, kill, tell } from "./actors.ts"
import { commitOf } from "./commits.ts"
import { ownSchema, uniqueName } from "./ownSchema.ts"

const { layer: store, schema } = ownSchema("queue_interleavings", { partitionCount: 2 })

const executionIds = ["a", "b"]
const actorCount = 3

type Outcome = "Applied" | "Rejected"

type Step =
  /** One call that claims executions. */
  | {
      readonly _tag: "Claim"
      readonly executions: ReadonlyArray<number>
      readonly limit: number
      readonly ignoreDelay: boolean
    }
  /** One call that settles the claimed events of some executions: as many events of each as there are outcomes. */
  | {
      readonly _tag: "Settle"
      readonly executions: ReadonlyArray<number>
      readonly isClaimedFirst: boolean
      readonly outcomes: ReadonlyArray<Outcome>
    }
  /** Ends the open attempt of an execution. */
  | {
      readonly _tag: "Fail"
      readonly executions: readonly [number]
      readonly isClaimedFirst: boolean
      readonly next: FailurePolicy.AfterFailure
    }
  /** An operator picks a dead or skipped event, or any event if there is none. */
  | { readonly _tag: "Redrive" | "Discard"; readonly choice: number }
  /** One call with an event for each execution. Of several with one execution and key, only the first is queued. */
  | { readonly _tag: "Enqueue"; readonly executions: ReadonlyArray<number>; readonly key: string | undefined }

interface Episode {
  readonly steps: ReadonlyArray<Step>
  /** Each step alone; or all in one transaction with this end. */
  readonly ends: "EachByItself" | "Committed" | "RolledBack"
}

type Turn =
  /** An actor runs one step, unless it waits for another. */
  | { readonly _tag: "Go"; readonly actor: number }
  /** The server ends an actor's session. */
  | { readonly _tag: "Kill"; readonly actor: number }

interface Run {
  /** For each execution at the start: the status of the first event, and the number of pending events behind it. */
  readonly queues: ReadonlyArray<{ readonly head: "Pending" | "Dead" | "Skipped"; readonly behindCount: number }>
  /** The tasks of each actor, in order. */
  readonly scripts: ReadonlyArray<ReadonlyArray<Episode>>
  readonly turns: ReadonlyArray<Turn>
}

const execution = fc.nat({ max: executionIds.length - 1 })
const executions = fc.oneof(
  { weight: 1, arbitrary: fc.tuple(execution) },
  { weight: 3, arbitrary: fc.uniqueArray(execution, { minLength: 2, maxLength: executionIds.length }) }
)
const actor = fc.nat({ max: actorCount - 1 })
const choice = fc.nat({ max: 3 })
const stepOf: Record<Step["_tag"], fc.Arbitrary<Step>> = {
  Claim: fc.record({
    _tag: fc.constant("Claim"),
    executions,
    limit: fc.integer({ min: 1, max: 3 }),
    ignoreDelay: fc.boolean()
  }),
  Settle: fc.record({
    _tag: fc.constant("Settle"),
    executions,
    isClaimedFirst: fc.boolean(),
    outcomes: fc.array(fc.constantFrom("Applied", "Rejected"), { minLength: 1, maxLength: 3 })
  }),
  Fail: fc.record({
    _tag: fc.constant("Fail"),
    executions: fc.tuple(execution),
    isClaimedFirst: fc.boolean(),
    next: fc.constantFrom<FailurePolicy.AfterFailure>(
      { _tag: "Block" },
      { _tag: "Block" },
      { _tag: "Skip" },
      { _tag: "Retry", after: Duration.zero },
      { _tag: "Retry", after: Duration.hours(1) }
    )
  }),
  Redrive: fc.record({ _tag: fc.constant("Redrive"), choice }),
  Discard: fc.record({ _tag: fc.constant("Discard"), choice }),
  Enqueue: fc.record({
    _tag: fc.constant("Enqueue"),
    executions,
    key: fc.option(fc.constantFrom("k", "l"), { nil: undefined, freq: 2 })
  })
}

const runOf = (step: fc.Arbitrary<Step>): fc.Arbitrary<Run> => {
  const episode: fc.Arbitrary<Episode> = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 4, size: "max" }),
    ends: fc.constantFrom("EachByItself", "Committed", "Committed", "RolledBack")
  })
  return fc.record({
    queues: fc.array(
      fc.record({
        head: fc.constantFrom("Pending", "Dead", "Dead", "Skipped"),
        behindCount: fc.constantFrom(0, 1, 2, 2)
      }),
      { minLength: executionIds.length, maxLength: executionIds.length }
    ),
    scripts: fc.array(fc.array(episode, { minLength: 1, maxLength: 4, size: "max" }), {
      minLength: actorCount,
      maxLength: actorCount
    }),
    turns: fc.array(
      fc.oneof(
        { weight: 30, arbitrary: fc.record({ _tag: fc.constant("Go"), actor }) },
        { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Kill"), actor }) }
      ),
      { minLength: 10, maxLength: 50, size: "max" }
    )
  })
}

/** Each run has steps of a few kinds: an interaction of two or three kinds is rare among all six. */
const run = fc.oneof(
  ...Object.values(stepOf)
    .reduce<ReadonlyArray<ReadonlyArray<fc.Arbitrary<Step>>>>(
      (subsets, kind) => [...subsets, ...subsets.map((kinds) => [...kinds, kind])],
      [[]]
    )
    .filter((kinds) => kinds.length > 1)
    .map((kinds) => runOf(fc.oneof(...kinds)))
)

/** The answers of calls; none of a transaction that was not confirmed as committed. */
interface Told {
  /** Answers of enqueue and redrive: entries with their queue positions. */
  readonly placed: Array<QueuedEvent.QueueEntry>
  readonly redriven: Array<QueuedEvent.QueueEntry>
  /** A claim, with its limit and the number of events known to be settled when it was made. */
  readonly claimed: Array<{ readonly claim: Claim; readonly knownCount: number; readonly limit: number }>
  /** Processing id and final status. */
  readonly settled: Array<string>
}

const nothing = (): Told => ({ placed: [], redriven: [], claimed: [], settled: [] })

const add = (told: Told, more: Told): void => {
  told.placed.push(...more.placed)
  told.redriven.push(...more.redriven)
  told.claimed.push(...more.claimed)
  told.settled.push(...more.settled)
}

const statuses = ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] as const
const isSettled = ({ status }: QueuedEvent.QueueEntry) => status._tag !== "Pending" && status._tag !== "Dead"
const isSettledForEver = (entry: QueuedEvent.QueueEntry) => isSettled(entry) && entry.status._tag !== "Skipped"
const settledText = (processingId: string, status: QueuedEvent.Status["_tag"]) => `${processingId} ${status}`

/** The visible state of the queues at one moment. */
interface Seen {
  /** By execution id. */
  readonly settledCounts: ReadonlyMap<string, number>
  readonly entries: ReadonlyArray<QueuedEvent.QueueEntry>
}

const see = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* WorkflowEventProcessingModel
  return yield* Effect.gen(function* () {
    yield* sql`set transaction isolation level repeatable read`
    const rows = yield* sql<{ id: string; count: number }>`
      select execution_id as id, settled_count as count from ${sql(`${schema}.executions`)} where tenant = ${tenant}`
    const seen: Seen = {
      settledCounts: new Map(rows.map(({ count, id }) => [id, count])),
      entries: yield* Stream.runCollect(queue.list({ tenant, statuses }))
    }
    return seen
  }).pipe(sql.withTransaction)
})

const assertInRow = (places: ReadonlyArray<number>, after: number) =>
  assert.deepStrictEqual(
    places,
    places.map((_, place) => after + place + 1)
  )

/** Settled events are before the cursor. Behind it events are pending, and only the first of them may be dead. */
const assertWhole = ({ entries, settledCounts }: Seen) => {
  for (const [executionId, settledCount] of settledCounts) {
    const own = entries.filter((entry) => entry.executionId === executionId)
    const settled = own.filter(isSettled)
    const waiting = own.filter((entry) => !isSettled(entry))
    assert.isTrue(
      settled.every((entry) => entry.queuePosition <= settledCount),
      "settled, and behind the cursor"
    )
    assertInRow(
      waiting.map((entry) => entry.queuePosition),
      settledCount
    )
    assert.isTrue(
      waiting.slice(1).every((entry) => entry.status._tag === "Pending"),
      "dead, and not the first"
    )
  }
}

/** Settled events do not change, except skipped ones. No event disappears, and no position or count decreases. */
const assertFollows = (before: Seen, after: Seen) => {
  for (const [executionId, settledCount] of before.settledCounts) {
    assert.isAtLeast(after.settledCounts.get(executionId) ?? 0, settledCount)
  }
  const entries = new Map(after.entries.map((entry) => [entry.processingId, entry]))
  for (const entry of before.entries) {
    const now = entries.get(entry.processingId)
    assert(now !== undefined, `${entry.processingId} is gone`)
    assert.isAtLeast(now.queuePosition, entry.queuePosition)
    if (isSettledForEver(entry)) assert.deepStrictEqual(now, entry)
    if (entry.status._tag === "Skipped" && now.queuePosition === entry.queuePosition) {
      assert.include(["Skipped", "Discarded"], now.status._tag)
    }
  }
}

/** Events with fewer counted attempts than before; at most as many as were redriven. */
const setBack = (before: Seen, after: Seen): ReadonlyArray<string> => {
  const counts = new Map(after.entries.map((entry) => [entry.processingId, entry.attemptCount]))
  return before.entries.flatMap(({ attemptCount, processingId }) =>
    (counts.get(processingId) ?? 0) < attemptCount ? processingId : []
  )
}

const countOf = <A>(all: ReadonlyArray<A>, one: A): number => all.filter((each) => each === one).length

/** Compares the answers with each other and with the last visible state. */
const assertAnswered = ({ claimed, placed, redriven, settled }: Told, last: Seen) => {
  const ids = new Set(placed.map((entry) => entry.processingId))
  assert.sameMembers(
    last.entries.map((entry) => entry.processingId),
    [...ids]
  )
  assert.sameMembers(
    last.entries.flatMap((entry) =>
      isSettledForEver(entry) ? settledText(entry.processingId, entry.status._tag) : []
    ),
    settled
  )
  for (const executionId of executionIds) {
    // Each queue position belongs to one event for ever, and none is missing.
    const events = new Map(
      [...placed, ...claimed.flatMap(({ claim }) => claim.events), ...last.entries]
        .filter((each) => each.executionId === executionId)
        .map((each) => [`${each.queuePosition} ${each.processingId}`, each])
    )
    const places = [...events.values()].map((each) => each.queuePosition).toSorted((left, right) => left - right)
    assertInRow(places, 0)
  }
  for (const { attemptCount, status } of redriven) {
    assert.deepStrictEqual({ attemptCount, status }, { attemptCount: 0, status: { _tag: "Pending" } })
  }
  const attemptOf = ([{ attemptCount, processingId }]: Claim["events"]) => `${processingId} ${attemptCount}`
  const attempts = claimed.map(({ claim }) => attemptOf(claim.events))
  for (const { claim, knownCount, limit } of claimed) {
    const [head] = claim.events
    assertInRow(
      claim.events.map((event) => event.queuePosition),
      claim.settledCount
    )
    assert.isAtLeast(claim.settledCount, knownCount)
    assert.isAtMost(claim.events.length, head.attemptCount > 1 ? 1 : limit)
    const redrivenCount = redriven.filter((entry) => entry.processingId === head.processingId).length
    assert.isAtMost(countOf(attempts, attemptOf(claim.events)), 1 + redrivenCount)
  }
}

/** Whether the server ended the session, or resolved a deadlock. */
const isToBeExpected = (error: unknown): boolean =>
  error === "rolled back" ||
  SqlError.isSqlError(error) ||
  (error instanceof StoreError && (error.isRetryable || error.reason.detail === "SQLSTATE 40P01"))

/** The calls of actors. */
const makeCalls = Effect.fnUntraced(function* (tenant: string, seen: () => Seen) {
  const model = yield* WorkflowEventModel
  const headers = yield* WorkflowExecutionModel
  const queue = yield* WorkflowEventProcessingModel

  const enqueue = Effect.fnUntraced(function* (
    ids: ReadonlyArray<string>,
    tag: string,
    key: string | undefined,
    told: Told
  ) {
    const events = ids.map((executionId): QueuedEvent.NewQueuedEvent => ({
      tenant,
      executionId,
      processingId: `${executionId} ${tag}`,
      eventId: `${executionId} event ${tag}`,
      submission: { event_name: "x" },
      ...(key === undefined ? {} : { idempotencyKey: key })
    }))
    if (Array.isReadonlyArrayNonEmpty(events)) told.placed.push(...(yield* queue.enqueue(events)))
  })

  const claim = Effect.fnUntraced(function* (
    ids: ReadonlyArray<string>,
    options: { readonly limit: number; readonly ignoreDelay: boolean },
    told: Told
  ) {
    const { settledCounts } = seen()
    const executions = ids.map((executionId) => ({ tenant, executionId }))
    const claims = Array.isReadonlyArrayNonEmpty(executions) ? yield* queue.claim({ ...options, executions }) : []
    for (const claim of claims) {
      const knownCount = settledCounts.get(claim.header.executionId) ?? 0
      told.claimed.push({ claim, knownCount, limit: options.limit })
    }
    return claims
  })

  /** Decides at the execution's present position, as a worker does after a `PositionConflict`. */
  const settle = Effect.fnUntraced(function* (
    claims: ReadonlyArray<Claim>,
    outcomes: ReadonlyArray<Outcome>,
    told: Told
  ) {
    const planned = yield* Effect.forEach(
      claims,
      Effect.fnUntraced(function* (claim) {
        const { executionId } = claim.header
        const header = yield* headers.find({ tenant, executionId })
        const expectedPosition = Option.isSome(header) ? header.value.position : 0
        const events: Array<Commit.NewEvent> = []
        const settlements = Array.map(Array.zip(claim.events, outcomes), ([event, outcome]): Settlement => {
          if (outcome === "Rejected") return { _tag: "Rejected", error: "No", reason: "no", currentState: "open" }
          events.push({
            event_id: event.eventId,
            event_name: "x",
            event_type: "workflow",
            from_state: "open",
            to_state: "open",
            schema_version: 1,
            metadata: {}
          })
          return {
            _tag: "Applied",
            position: expectedPosition + events.length,
            previousState: "open",
            currentState: "open",
            actionsExecuted: ["append"]
          }
        })
        const [first, ...others] = settlements
        assert(first !== undefined)
        const commit: Commit.Commit = {
          ...commitOf({ tenant, executionId }, expectedPosition, ["open"]),
          events,
          settles: { after: claim.settledCount, settlements: [first, ...others] }
        }
        const texts = Array.zip(claim.events, settlements).map(([event, { _tag }]) =>
          settledText(event.processingId, _tag)
        )
        return { commit, texts }
      })
    )
    const commits = planned.map(({ commit }) => commit)
    const results = Array.isReadonlyArrayNonEmpty(commits) ? yield* model.commit(commits) : []
    for (const [result, { texts }] of Array.zip(results, planned)) {
      if (Result.isSuccess(result)) told.settled.push(...texts)
    }
  })

  const fail = ([event]: Claim["events"], next: FailurePolicy.AfterFailure) =>
    queue.fail({ event, cause: "it failed", next })

  const redrive = Effect.fnUntraced(function* (entry: QueuedEvent.QueueEntry, told: Told) {
    const again = Option.toArray(yield* queue.redrive(entry))
    told.placed.push(...again)
    told.redriven.push(...again)
  })

  const discard = Effect.fnUntraced(function* (entry: QueuedEvent.QueueEntry, told: Told) {
    const given = Option.toArray(yield* queue.discard(entry))
    told.settled.push(...given.map(({ processingId, status }) => settledText(processingId, status._tag)))
  })

  const choose = Effect.fnUntraced(function* (choice: number) {
    const entries = yield* Stream.runCollect(queue.list({ tenant, statuses }))
    const dead = entries.filter(({ status }) => status._tag === "Dead" || status._tag === "Skipped")
    const eligible = dead.length > 0 ? dead : entries
    return eligible[choice % eligible.length]
  })

  return { enqueue, claim, settle, fail, redrive, discard, choose }
})

/** The last claim of each execution, by id. A worker may continue with it long after other workers. */
type Held = ReadonlyMap<string, Claim>

const acting = (
  name: string,
  script: ReadonlyArray<Episode>,
  tenant: string,
  seen: () => Seen,
  told: Told,
  failures: Array<unknown>
) =>
  Effect.fnUntraced(function* (next: Effect.Effect<void>) {
    const sql = yield* SqlClient.SqlClient
    const calls = yield* makeCalls(tenant, seen)
    const idOf = (place: number) => executionIds[place] ?? assert.fail("no execution")

    const claimAll = Effect.fnUntraced(function* (
      ids: ReadonlyArray<string>,
      options: { readonly limit: number; readonly ignoreDelay: boolean },
      held: Held,
      own: Told
    ) {
      yield* next
      const claims = yield* calls.claim(ids, options, own)
      return new Map([...held, ...claims.map((claim) => [claim.header.executionId, claim] as const)])
    })

    const perform = Effect.fnUntraced(function* (step: Step, tag: string, held: Held, own: Told) {
      const ids = "executions" in step ? step.executions.map(idOf) : []
      switch (step._tag) {
        case "Claim":
          return yield* claimAll(ids, step, held, own)
        case "Settle":
        case "Fail": {
          const now = step.isClaimedFirst ? yield* claimAll(ids, { limit: 2, ignoreDelay: true }, held, own) : held
          const claims = ids.flatMap((id) => now.get(id) ?? [])
          if (!Array.isReadonlyArrayNonEmpty(claims)) return now
          yield* next
          yield* step._tag === "Settle"
            ? calls.settle(claims, step.outcomes, own)
            : calls.fail(claims[0].events, step.next)
          return now
        }
        case "Redrive":
        case "Discard": {
          yield* next
          const entry = yield* calls.choose(step.choice)
          if (entry !== undefined)
            yield* step._tag === "Redrive" ? calls.redrive(entry, own) : calls.discard(entry, own)
          return held
        }
        case "Enqueue":
          yield* next
          yield* calls.enqueue(ids, tag, step.key, own)
          return held
      }
    })

    let held: Held = new Map()
    for (const [number, { ends, steps }] of script.entries()) {
      const tagged = steps.map((step, place) => ({ step, tag: `${name} ${number} ${place}` }))
      for (const part of ends === "EachByItself" ? tagged.map((each) => [each]) : [tagged]) {
        const own = nothing()
        const work = Effect.gen(function* () {
          let now = held
          for (const { step, tag } of part) now = yield* perform(step, tag, now, own)
          return now
        })
        const exit = yield* Effect.exit(
          ends === "EachByItself"
            ? work
            : work.pipe(
                Effect.tap(next),
                Effect.tap(ends === "RolledBack" ? Effect.fail("rolled back") : Effect.void),
                sql.withTransaction
              )
        )
        if (Exit.isFailure(exit)) {
          failures.push(Cause.squash(exit.cause))
          continue
        }
        held = exit.value
        add(told, own)
      }
    }
  })

/** The log has exactly the applied events, in queue order. */
const assertLogged = Effect.fnUntraced(function* (tenant: string, entries: ReadonlyArray<QueuedEvent.QueueEntry>) {
  const model = yield* WorkflowEventModel
  for (const executionId of executionIds) {
    const [, ...events] = yield* Stream.runCollect(model.read({ tenant, executionId }))
    assert.deepStrictEqual(
      events.map((event) => [event.event_id, event.position]),
      entries.flatMap((entry) =>
        entry.executionId === executionId && entry.status._tag === "Applied"
          ? [[entry.eventId, entry.status.position]]
          : []
      )
    )
  }
})

const holds = Effect.fnUntraced(function* ({ queues, scripts, turns }: Run) {
  const model = yield* WorkflowEventModel
  const tenant = uniqueName("interleaved")
  const told = nothing()
  const failures: Array<unknown> = []
  let seen: Seen = { settledCounts: new Map(), entries: [] }
  const back: Array<string> = []
  const look = Effect.gen(function* () {
    const now = yield* see(tenant)
    assertWhole(now)
    assertFollows(seen, now)
    back.push(...setBack(seen, now))
    seen = now
  })

  const firsts = Array.map(executionIds, (executionId) => commitOf({ tenant, executionId }, 0, ["open"]))
  assert(Array.isReadonlyArrayNonEmpty(firsts))
  for (const result of yield* model.commit(firsts)) Result.getOrThrow(result)
  const calls = yield* makeCalls(tenant, () => seen)
  for (const [{ behindCount, head }, executionId] of Array.zip(queues, executionIds)) {
    for (const place of Array.range(0, behindCount)) yield* calls.enqueue([executionId], `${place}`, undefined, told)
    if (head === "Pending") continue
    for (const { events } of yield* calls.claim([executionId], { limit: 1, ignoreDelay: false }, told)) {
      yield* calls.fail(events, { _tag: head === "Dead" ? "Block" : "Skip" })
    }
  }

  const actors = yield* Effect.forEach(scripts, (script, place) =>
    actorOf(
      schema,
      `${tenant} ${place}`,
      acting(`${place + 1}`, script, tenant, () => seen, told, failures)
    )
  )
  for (const turn of turns) {
    yield* allStill(actors)
    yield* look
    const actor = actors[turn.actor]
    if (actor !== undefined) yield* turn._tag === "Go" ? tell(actor, undefined) : kill(actor)
  }
  yield* finish(actors, look)
  yield* look

  const dead = seen.entries.filter(({ status }) => status._tag === "Dead")
  for (const entry of dead) yield* calls.redrive(entry, told)
  const due = yield* calls.claim(
    dead.map((entry) => entry.executionId),
    { limit: 1, ignoreDelay: false },
    told
  )
  assert.lengthOf(due, dead.length, "redriven, and not due")
  for (let left = seen.entries.length; ; left--) {
    assert.isAtLeast(left, 0, "what waits is never done")
    const claims = yield* calls.claim(executionIds, { limit: 2, ignoreDelay: true }, told)
    if (claims.length === 0) break
    yield* calls.settle(claims, ["Applied", "Applied"], told)
  }
  yield* look

  assert.deepStrictEqual(
    failures.filter((failure) => !isToBeExpected(failure)),
    []
  )
  assert.isTrue(seen.entries.every(isSettled), "what waits is not done")
  assertAnswered(told, seen)
  yield* assertLogged(tenant, seen.entries)
  for (const id of back) {
    assert.isAtMost(countOf(back, id), told.redriven.filter((entry) => entry.processingId === id).length)
  }
})

layer(store, { excludeTestServices: true })("actors at one queue, in any order of their statements", (it) => {
  it.effect(
    "settle each event once and in order, and lose none: what a claim answers is the first in a row that waits",
    () => holdsForAll(run, 80, (each) => Effect.scoped(holds(each))),
    150_000
  )
})
