/** A store against its model: any calls, made on both, get the same answers as from the store in memory. */
import { assert } from "@effect/vitest"
import { MemoryStore } from "@refold/adapters/memory"
import {
  type Commit,
  Instant,
  Json,
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Array, Effect, Option, Result, Stream } from "effect"
import fc from "fast-check"
import { uniqueName } from "../integration/ownSchema.ts"

type Ports = WorkflowEventModel | WorkflowExecutionModel | WorkflowSnapshotModel

/** JSON that the core lets into the log. */
const json = fc
  .jsonValue()
  .map((value) => Json.check(value))
  .filter(Result.isSuccess)
  .map((checked) => checked.success)

/** Of few executions, few states and close instants, so that calls meet. */
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
  /** How far the expected position is from the actual one. */
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

type Call = typeof call extends fc.Arbitrary<infer Value> ? Value : never

const instant = (seconds: number): string =>
  Instant.fromEpochMillis(Instant.toEpochMillis("2001-01-01T00:00:00.000Z") + seconds * 1000)

/** What two stores need not have in common: their clocks, and how much else is in their feeds. */
const comparable = ({ offset: _offset, recorded_at: _recordedAt, ...stored }: WorkflowEvent) => stored

/** Makes one call; its answer as plain data. `prefix` keeps the tenants of one run apart from those of every other. */
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

const commitOf = (
  at: { readonly tenant: string; readonly executionId: string },
  wanted: typeof commit extends fc.Arbitrary<infer Value> ? Value : never,
  header: { readonly position: number; readonly updatedAt: string } | undefined,
  callPlace: number
): Commit.Commit => {
  const expectedPosition = Math.max(0, (header?.position ?? 0) + wanted.skew)
  let millis = Instant.toEpochMillis(header?.updatedAt ?? instant(0)) + wanted.elapsed * 1000
  const [first, ...rest] = wanted.events.map(({ elapsed, payload, state }, place) => {
    if (place > 0) millis += elapsed * 1000
    return {
      event_id: `${at.executionId} ${callPlace} ${place}`,
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
    ...at,
    workflow: { name: "sample", version: 1 },
    expectedPosition,
    isComplete: wanted.isComplete,
    events: [first, ...rest],
    ...(wanted.hasKey ? { idempotencyKey: `key-${callPlace}` } : {})
  }
}

/** The answers, and at the end the feeds and logs, of one store. */
const performAll = Effect.fnUntraced(function* (calls: ReadonlyArray<Call>, prefix: string) {
  const answers = yield* Effect.forEach(calls, (each, place) => perform(each, prefix, place))
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

/** Fails, with the fewest calls that show it, where the store in the context answers otherwise than the one in memory. */
export const agreesWithMemory = Effect.gen(function* () {
  const context = yield* Effect.context<Ports>()
  const { partitionCount } = yield* WorkflowEventModel
  const property = fc.asyncProperty(fc.array(call, { maxLength: 12 }), async (calls) => {
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
