/** A store against its model: random calls return the same answers as the store in memory. */
import { assert } from "@effect/vitest"
import { MemoryStore } from "@refold/adapters/memory"
import {
  type Commit,
  Instant,
  Json,
  type QueuedEvent,
  type StoreError,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel,
  type Settlement
} from "@refold/core"
import { Array, Duration, Effect, Option, Result, Stream } from "effect"
import fc from "fast-check"
import { uniqueName } from "../integration/ownSchema.ts"

type Ports = WorkflowEventModel | WorkflowExecutionModel | WorkflowSnapshotModel | WorkflowEventProcessingModel

/** JSON that core accepts into the log. */
const json = fc
  .jsonValue()
  .map((value) => Json.check(value))
  .filter(Result.isSuccess)
  .map((checked) => checked.success)

/** Few executions, few states and close instants, so that calls interact. */
const execution = fc.record({
  tenant: fc.constantFrom("a", "b"),
  executionId: fc.constantFrom("1", "2", "\uff21", "😀")
})
const state = fc.constantFrom("open", "paid", "lost")
const batchSize = fc.constantFrom(1, 2, 3, 1000)
const second = fc.nat({ max: 40 })
const bound = fc.option(fc.nat({ max: 12 }), { nil: undefined })

const event = fc.record({
  state,
  elapsed: fc.constantFrom(0, 0, 1, 2, -1),
  payload: fc.option(json, { nil: undefined })
})

const commit = fc.record({
  at: execution,
  /** Distance between expected and actual position. */
  skew: fc.constantFrom(0, 0, 0, 0, 0, -1, 1),
  /** Seconds from the execution's last event to the first of the commit. */
  elapsed: fc.constantFrom(0, 1, 3, 3, -1),
  events: fc.array(event, { minLength: 1, maxLength: 3 }),
  isComplete: fc.boolean(),
  hasKey: fc.boolean()
})

const call = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      call: fc.constant("commit" as const),
      commits: fc.uniqueArray(commit, {
        minLength: 1,
        maxLength: 4,
        selector: ({ at }) => `${at.tenant} ${at.executionId}`
      })
    })
  },
  fc.record({
    call: fc.constant("read" as const),
    at: execution,
    after: bound,
    to: bound,
    until: fc.option(second, { nil: undefined }),
    batchSize
  }),
  fc.record({ call: fc.constant("readTenant" as const), tenant: fc.constantFrom("a", "b"), batchSize }),
  fc.record({ call: fc.constant("findByIdempotencyKey" as const), at: execution, key: fc.nat({ max: 12 }) }),
  fc.record({
    call: fc.constant("list" as const),
    tenant: fc.constantFrom("a", "b"),
    state: fc.option(state, { nil: undefined }),
    asOf: fc.option(second, { nil: undefined }),
    batchSize
  }),
  fc.record({
    call: fc.constant("save" as const),
    at: execution,
    position: fc.integer({ min: 1, max: 6 }),
    fingerprint: fc.constantFrom("f", "g"),
    data: json,
    prune: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 2 })
  }),
  fc.record({
    call: fc.constant("findSnapshot" as const),
    at: execution,
    fingerprint: fc.constantFrom("f", "g", "h"),
    to: bound,
    until: fc.option(second, { nil: undefined })
  }),
  fc.record({ call: fc.constant("clear" as const), at: execution, isWhole: fc.boolean() })
)

const tenant = fc.constantFrom("a", "b")

/** Few keys and contents, so that they repeat and conflict. */
const asked = fc.record({
  at: execution,
  key: fc.constantFrom(undefined, undefined, "k", "l"),
  name: fc.constantFrom("pay", "send"),
  payload: fc.constantFrom(undefined, null, { n: 1 })
})

/** The outcomes of the next events of an execution after a claim. */
const outcome = fc.oneof(
  fc.record({
    outcome: fc.constant("settle" as const),
    settlementCount: fc.integer({ min: 1, max: 3 }),
    skew: fc.constantFrom(0, 0, 0, 1, -1),
    commit,
    isWithEvents: fc.boolean()
  }),
  fc.record({
    outcome: fc.constant("fail" as const),
    end: fc.constantFrom("Block" as const, "Skip" as const, Duration.zero, Duration.hours(1)),
    skew: fc.constantFrom(0, 0, 0, 1, -1)
  }),
  fc.record({ outcome: fc.constant("leave" as const) }),
  fc.record({ outcome: fc.constant("none" as const) })
)

const queueCall = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      call: fc.constant("enqueue" as const),
      asked: fc.array(asked, { minLength: 1, maxLength: 4 })
    })
  },
  {
    weight: 4,
    arbitrary: fc.record({
      call: fc.constant("claim" as const),
      at: fc.array(execution, { minLength: 1, maxLength: 3 }),
      limit: fc.integer({ min: 1, max: 3 }),
      ignoreDelay: fc.boolean(),
      outcome
    })
  },
  {
    weight: 2,
    arbitrary: fc.record({ call: fc.constantFrom("redrive" as const, "discard" as const), tenant, nth: fc.nat() })
  },
  fc.record({ call: fc.constant("queue" as const), tenant, batchSize })
)

/** Calls of both ports, so that the queue has executions. */
const anyCall = fc.oneof(call, { weight: 2, arbitrary: queueCall })

type QueueCall = typeof queueCall extends fc.Arbitrary<infer Value> ? Value : never

type Call = typeof call extends fc.Arbitrary<infer Value> ? Value : never

const instant = (seconds: number): string =>
  Instant.fromEpochMillis(Instant.toEpochMillis("2001-01-01T00:00:00.000Z") + seconds * 1000)

/** Allowed differences between two stores: their clocks, and other events in their feeds. */
const comparable = ({ offset: _offset, recorded_at: _recordedAt, ...stored }: WorkflowEvent) => stored

/** Makes one call; returns its answer as plain data. `prefix` separates the tenants of one run from those of other runs. */
const perform = Effect.fnUntraced(function* (each: Call, prefix: string, callPlace: number) {
  const events = yield* WorkflowEventModel
  const executions = yield* WorkflowExecutionModel
  const snapshots = yield* WorkflowSnapshotModel
  const within = <Named extends { readonly tenant: string }>(named: Named) => ({
    ...named,
    tenant: prefix + named.tenant
  })
  switch (each.call) {
    case "commit": {
      const commits = yield* Effect.forEach(each.commits, (wanted) =>
        Effect.map(executions.find(within(wanted.at)), (header) =>
          commitOf(within(wanted.at), wanted, Option.getOrUndefined(header), callPlace)
        )
      )
      if (!Array.isReadonlyArrayNonEmpty(commits)) return []
      const results = yield* events.commit(commits)
      return results.map((result) =>
        Result.isSuccess(result) ? result.success.events.map(comparable) : JSON.parse(JSON.stringify(result.failure))
      )
    }
    case "read": {
      const until = each.until === undefined ? {} : { until: instant(each.until) }
      const after = each.after === undefined ? {} : { after: each.after }
      const to = each.to === undefined ? {} : { to: each.to }
      const read = events.read({ ...within(each.at), ...after, ...to, ...until, batchSize: each.batchSize })
      return (yield* Stream.runCollect(read)).map(comparable)
    }
    case "readTenant":
      return (yield* Stream.runCollect(events.readTenant(within(each)))).map(comparable)
    case "findByIdempotencyKey": {
      const found = yield* events.findByIdempotencyKey({ ...within(each.at), idempotencyKey: `key-${each.key}` })
      return Option.getOrUndefined(Option.map(found, comparable))
    }
    case "list": {
      const asOf = each.asOf === undefined ? {} : { asOf: instant(each.asOf) }
      const state = each.state === undefined ? {} : { state: each.state }
      const { tenant } = within(each)
      const listed = yield* Stream.runCollect(executions.list({ tenant, ...asOf, ...state, batchSize: each.batchSize }))
      const many = yield* executions.findMany({ tenant, executionIds: ["1", "😀", "unknown"] })
      return [listed, many.toSorted((left, right) => (left.executionId < right.executionId ? -1 : 1))]
    }
    case "save": {
      const at = within(each.at)
      if (Option.isNone(yield* executions.find(at))) return "not started"
      yield* snapshots.save({
        snapshot: {
          tenant: at.tenant,
          execution_id: at.executionId,
          position: each.position,
          current_state: "open",
          data: each.data,
          fingerprint: each.fingerprint,
          state_hash: String(callPlace),
          started_at: instant(0),
          updated_at: instant(each.position * 2),
          created_at: instant(callPlace)
        },
        prune: each.prune
      })
      return yield* snapshots.positions(at)
    }
    case "findSnapshot": {
      const until = each.until === undefined ? {} : { until: instant(each.until) }
      const to = each.to === undefined ? {} : { to: each.to }
      const found = yield* snapshots.find({ ...within(each.at), fingerprint: each.fingerprint, ...to, ...until })
      return Option.getOrUndefined(found)
    }
    case "clear": {
      const at = within(each.at)
      yield* snapshots.clear(each.isWhole ? { tenant: at.tenant } : at)
      return yield* Stream.runCollect(snapshots.readTenant({ tenant: at.tenant, batchSize: 2 }))
    }
  }
})

const everyStanding = ["Pending", "Dead", "Applied", "Rejected", "Skipped", "Discarded"] as const

const comparableEntry = ({ queuedAt: _queuedAt, settledAt, ...entry }: QueuedEvent.QueueEntry) => ({
  ...entry,
  isSettled: settledAt !== undefined
})

/** Makes one call to the queue; returns its answer as plain data. */
const performQueue = Effect.fnUntraced(function* (each: QueueCall, prefix: string, callPlace: number) {
  const { commit, partitionCount } = yield* WorkflowEventModel
  const queue = yield* WorkflowEventProcessingModel
  const within = <Named extends { readonly tenant: string }>(named: Named) => ({
    ...named,
    tenant: prefix + named.tenant
  })
  switch (each.call) {
    case "enqueue": {
      const events = each.asked.map(({ at, key, name, payload }, place): QueuedEvent.NewQueuedEvent => ({
        ...within(at),
        processingId: `processing ${callPlace} ${place}`,
        eventId: `event ${callPlace} ${place}`,
        submission: { event_name: name, ...(payload === undefined ? {} : { payload }) },
        ...(key === undefined ? {} : { idempotencyKey: key })
      }))
      if (!Array.isReadonlyArrayNonEmpty(events)) return []
      const answer = yield* Effect.result(queue.enqueue(events))
      return Result.isSuccess(answer) ? answer.success.map(comparableEntry) : answer.failure.message
    }
    case "claim": {
      const [first, ...others] = each.at.map(within)
      assert(first !== undefined)
      const { ignoreDelay, limit, outcome } = each
      const claims = yield* queue.claim({ executions: [first, ...others], limit, ignoreDelay })
      for (const { events, header, settledCount } of claims) {
        const [event] = events
        switch (outcome.outcome) {
          case "settle": {
            const [settlement, ...rest] = Array.makeBy(
              Math.min(outcome.settlementCount, events.length),
              (n): Settlement => ({ _tag: "Rejected", error: "No", reason: `${n}`, currentState: "open" })
            )
            const whole = commitOf(header, outcome.commit, header, callPlace)
            const settles = { after: settledCount + outcome.skew, settlements: [settlement, ...rest] as const }
            yield* commit([{ ...whole, events: outcome.isWithEvents ? whole.events : [], settles }])
            break
          }
          case "fail":
            yield* queue.fail({
              event: { ...event, attemptCount: event.attemptCount + outcome.skew },
              cause: `call ${callPlace}`,
              next: typeof outcome.end === "string" ? { _tag: outcome.end } : { _tag: "Retry", after: outcome.end }
            })
            break
          case "leave":
            yield* queue.markUnclaimed(event)
            break
          case "none":
        }
      }
      return claims
        .map(({ claimedAt: _claimedAt, events, ...claim }) => ({
          ...claim,
          events: events.map(({ queuedAt: _queuedAt, ...event }) => event)
        }))
        .toSorted((left, right) => (keyOf(left.header) < keyOf(right.header) ? -1 : 1))
    }
    case "redrive":
    case "discard": {
      const { tenant } = within(each)
      const dead = yield* Stream.runCollect(queue.list({ tenant, statuses: ["Dead", "Skipped"] }))
      const chosen = dead[each.nth % Math.max(dead.length, 1)]
      if (chosen === undefined) return undefined
      return Option.getOrUndefined(Option.map(yield* queue[each.call](chosen), comparableEntry))
    }
    case "queue": {
      const { batchSize, tenant } = within(each)
      const entries = yield* Stream.runCollect(queue.list({ tenant, statuses: everyStanding, batchSize }))
      const limitPerTenant = 1_000_000
      const of = Array.range(0, partitionCount - 1)
      const found = yield* Effect.forEach([of, "unclaimed"] as const, (wanted) =>
        queue.findReady({ of: wanted, limitPerTenant, except: [] })
      )
      return {
        entries: entries.map(comparableEntry),
        found: found.map((refs) =>
          refs
            .filter((ref) => ref.tenant === tenant)
            .map(keyOf)
            .toSorted()
        )
      }
    }
  }
})

const keyOf = (ref: { readonly tenant: string; readonly executionId: string }) => `${ref.tenant} ${ref.executionId}`

const commitOf = (
  { executionId, tenant }: { readonly tenant: string; readonly executionId: string },
  wanted: typeof commit extends fc.Arbitrary<infer Value> ? Value : never,
  header: { readonly position: number; readonly updatedAt: string } | undefined,
  callPlace: number
): Commit.Commit => {
  const expectedPosition = Math.max(0, (header?.position ?? 0) + wanted.skew)
  let millis = Instant.toEpochMillis(header?.updatedAt ?? instant(0)) + wanted.elapsed * 1000
  const [first, ...rest] = wanted.events.map(({ elapsed, payload, state }, place) => {
    if (place > 0) millis += elapsed * 1000
    return {
      event_id: `${executionId} ${callPlace} ${place}`,
      event_name: state,
      event_type: "workflow",
      from_state: "before",
      to_state: state,
      schema_version: 1,
      metadata: {},
      created_at: Instant.fromEpochMillis(millis),
      ...(payload === undefined ? {} : { payload })
    }
  })
  assert(first !== undefined)
  return {
    tenant,
    executionId,
    workflow: { name: "sample", version: 1 },
    expectedPosition,
    isComplete: wanted.isComplete,
    events: [wanted.hasKey ? { ...first, idempotency_key: `key-${callPlace}` } : first, ...rest]
  }
}

const isQueueCall = (each: Call | QueueCall): each is QueueCall => queueCalls.has(each.call)

const queueCalls: ReadonlySet<string> = new Set<QueueCall["call"]>(["enqueue", "claim", "redrive", "discard", "queue"])

/** The answers of one store, and its feeds and logs at the end. */
const performAll = Effect.fnUntraced(function* (calls: ReadonlyArray<Call | QueueCall>, prefix: string) {
  const answers = yield* Effect.forEach(calls, (each, place): Effect.Effect<unknown, StoreError, Ports> =>
    isQueueCall(each) ? performQueue(each, prefix, place) : perform(each, prefix, place)
  )
  const events = yield* WorkflowEventModel
  const logs = yield* Effect.forEach(["a", "b"], (tenant) =>
    Stream.runCollect(events.readTenant({ tenant: prefix + tenant }))
  )
  const feeds = yield* Effect.forEach(Array.range(0, events.partitionCount - 1), (partition) =>
    events.readFeed({ partition, after: 0, limit: 100_000 })
  )
  return {
    answers,
    logs: logs.map((log) => log.map(comparable)),
    feeds: feeds.map((feed) => feed.filter((stored) => stored.tenant.startsWith(prefix)).map(comparable))
  }
})

/** Fails with the shortest calls for which the store in the context answers differently from the store in memory. */
export const agreesWithMemory = Effect.gen(function* () {
  const context = yield* Effect.context<Ports>()
  const { partitionCount } = yield* WorkflowEventModel
  const property = fc.asyncProperty(fc.array(anyCall, { maxLength: 16 }), async (calls) => {
    const prefix = uniqueName("agreement")
    const actual = await Effect.runPromiseWith(context)(performAll(calls, prefix))
    const expected = await performAll(calls, prefix).pipe(
      Effect.provide(MemoryStore.layerWith({ partitionCount })),
      Effect.runPromise
    )
    assert.deepStrictEqual(actual, expected)
  })
  yield* Effect.promise(() => Promise.resolve(fc.assert(property)))
})
