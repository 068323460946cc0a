/** `verify` reports nothing on an intact store and finds each kind of damage. */
import { assert, describe, it } from "@effect/vitest"
import { type ExecutionHeader, type Snapshot, WorkflowSnapshotModel } from "@refold/core"
import { TypeScriptWorkflowRuntime, Verification, WorkflowEventSourcing, Workflows } from "@refold/runtime"
import { Effect, Stream } from "effect"
import { Order, OrderDoubled, OrderTwo, add } from "./Order.ts"
import { changed, inAnotherProcess, memory, orderOf, place, tenant, withoutEvents } from "./Services.ts"

const layer = memory({ policy: { _tag: "Never" } })

/** Two orders; the first has 7 events and snapshots at 3 and 5. */
const store = Effect.gen(function* () {
  const { createSnapshot, replayEvents } = yield* WorkflowEventSourcing
  yield* orderOf(6)
  yield* orderOf(2, "order-2")
  for (const replayTo of [3, 5]) {
    const { executionState } = yield* replayEvents("order-1", tenant, { replayTo })
    yield* createSnapshot("order-1", tenant, executionState)
  }
})

const problems = Effect.map(Verification.verify({ tenant }), ({ findings }) =>
  findings.map(({ executionId, problem }) => `${executionId ?? "feed"}: ${problem}`)
)

const problemsWith = (change: Parameters<typeof changed>[0]) => problems.pipe(Effect.provide(changed(change)))

const withHeader = (difference: Partial<ExecutionHeader>) => {
  const damage = (header: ExecutionHeader) => (header.executionId === "order-1" ? { ...header, ...difference } : header)
  return problemsWith({
    executions: (executions) => ({
      findMany: (options) => Effect.map(executions.findMany(options), (headers) => headers.map(damage)),
      list: (options) => Stream.map(executions.list(options), damage)
    })
  })
}

const saveDamaged = (position: number, damage: Partial<Snapshot.Snapshot>) =>
  Effect.gen(function* () {
    const snapshots = yield* WorkflowSnapshotModel
    const all = yield* Stream.runCollect(snapshots.readTenant({ tenant }))
    const found = all.find((snapshot) => snapshot.position === position)
    if (found !== undefined) yield* snapshots.save({ snapshot: { ...found, ...damage }, prune: [] })
  })

describe("verify", () => {
  it.effect("counts what it saw, and finds nothing in a store that is whole", () =>
    Effect.gen(function* () {
      yield* store
      assert.deepStrictEqual(yield* Verification.verify({}), {
        executionCount: 2,
        unknownWorkflowCount: 0,
        eventCount: 10,
        snapshotCount: 2,
        ignoredSnapshotCount: 0,
        findings: [],
        findingCount: 0
      })
      assert.deepInclude(yield* Verification.verify({ tenant: "nobody" }), { executionCount: 0, findings: [] })
    }).pipe(Effect.provide(layer))
  )

  it.effect("looks at every tenant unless told one", () =>
    Effect.gen(function* () {
      yield* store
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* runtime.startWorkflow({ tenant: "rival", executionId: "x", workflow: Order })
      assert.strictEqual((yield* Verification.verify({})).executionCount, 3)
      assert.strictEqual((yield* Verification.verify({ tenant })).executionCount, 2)
    }).pipe(Effect.provide(layer))
  )

  it.effect("of more executions than a page", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* Effect.forEach(
        Array.from({ length: 1001 }, (_, index) => `order ${index}`),
        (executionId) => runtime.startWorkflow({ ...place(executionId), workflow: Order })
      )
      const seen: Array<number> = []
      const onProgress = (eventCount: number) => Effect.sync(() => void seen.push(eventCount))
      assert.deepInclude(yield* Verification.verify({ onProgress }), {
        executionCount: 1001,
        eventCount: 1001,
        findingCount: 0
      })
      assert.deepStrictEqual(seen, [500, 1000, 1001])
    }).pipe(Effect.provide(layer))
  )

  it.effect.each<[string, Partial<ExecutionHeader>, string]>([
    ["state", { currentState: "Review" }, "order-1: its header differs from the fold of its log"],
    ["completion", { isComplete: true }, "order-1: its header differs from the fold of its log"],
    ["start", { startedAt: "1960-01-01T00:00:00.000Z" }, "order-1: its header differs from the fold of its log"],
    ["last change", { updatedAt: "2060-01-01T00:00:00.000Z" }, "order-1: its header differs from the fold of its log"],
    ["position, beyond the log", { position: 9 }, "order-1: its log ends at position 7, but its header is at 9"]
  ])("finds a header that differs in its %s", ([, difference, problem]) =>
    Effect.gen(function* () {
      yield* store
      assert.deepStrictEqual(yield* withHeader(difference), [problem])
    }).pipe(Effect.provide(layer))
  )

  it.effect("finds a log that goes on beyond its header", () =>
    Effect.gen(function* () {
      yield* store
      assert.deepStrictEqual(yield* withHeader({ position: 6, updatedAt: "1970-01-01T00:00:05.000Z" }), [
        "order-1: its log has events up to position 7, but its header is at 6"
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("counts executions whose workflow is not registered, which are no finding", () =>
    Effect.gen(function* () {
      yield* store
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* runtime.submitEvent({ ...place("order-2"), submission: { event_name: "Cancelled", payload: null } })
      const report = yield* Verification.verify({}).pipe(Effect.provide(Workflows.layer(OrderTwo)))
      assert.deepInclude(report, { unknownWorkflowCount: 2, ignoredSnapshotCount: 2, findings: [] })
    }).pipe(Effect.provide(layer))
  )

  it.effect.each<[string, number, string]>([
    ["in the middle", 4, 'order-1: The log of execution "order-1" breaks at position 5: it follows position 3'],
    ["at the beginning", 1, 'order-1: The log of execution "order-1" breaks at position 2: it follows position 0'],
    ["at the end", 7, "order-1: its log ends at position 6, but its header is at 7"]
  ])("finds a gap %s, in the log and in the feed", ([, position, problem]) =>
    Effect.gen(function* () {
      yield* store
      const found = yield* problemsWith({
        events: withoutEvents((event) => event.execution_id === "order-1" && event.position === position)
      })
      assert.strictEqual(found[0], problem)
      // A feed that ends too early looks like a feed that was never longer.
      if (position < 7) assert.match(found[1] ?? "", /^feed: The feed of partition \d+ has a gap before offset/)
    }).pipe(Effect.provide(layer))
  )

  it.effect("finds a gap in a feed alone", () =>
    Effect.gen(function* () {
      yield* store
      const found = yield* problemsWith({
        events: ({ readFeed }) => ({
          readFeed: (options) =>
            Effect.map(readFeed(options), (page) =>
              page.filter((event) => !(event.execution_id === "order-2" && event.position === 2))
            )
        })
      })
      assert.strictEqual(found.length, 1)
      assert.match(found[0] ?? "", /has a gap before offset \d+$/)
    }).pipe(Effect.provide(layer))
  )

  it.effect("finds a snapshot that is damaged", () =>
    Effect.gen(function* () {
      yield* store
      yield* saveDamaged(3, { data: { cents: 99, skus: [] } })
      assert.deepStrictEqual(yield* problems, ["order-1: its snapshot at position 3 is damaged"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("finds a snapshot that lies: whole, but of another state", () =>
    Effect.gen(function* () {
      yield* store
      const lie = yield* WorkflowEventSourcing.use(({ createSnapshot }) => createSnapshot("order-1", tenant)).pipe(
        inAnotherProcess({ definitions: [OrderDoubled] })
      )
      yield* WorkflowSnapshotModel.use((snapshots) =>
        snapshots.save({ snapshot: { ...lie, fingerprint: Order.fingerprint }, prune: [3, 5] })
      )
      assert.deepStrictEqual(yield* problems, [
        "order-1: its snapshot at position 7 differs from the fold of its log",
        "order-1: its state differs with and without its snapshots"
      ])
    }).pipe(Effect.provide(layer))
  )

  it.effect("finds a snapshot beyond the end of its log", () =>
    Effect.gen(function* () {
      yield* store
      yield* saveDamaged(5, { position: 8 })
      assert.deepStrictEqual(yield* problems, ["order-1: its snapshot at position 8 lies beyond its end"])
    }).pipe(Effect.provide(layer))
  )

  it.effect("counts snapshots of another fold, which are no finding", () =>
    Effect.gen(function* () {
      yield* store
      const report = yield* Verification.verify({}).pipe(Effect.provide(Workflows.layer(OrderDoubled)))
      assert.deepInclude(report, { snapshotCount: 2, ignoredSnapshotCount: 2, findings: [] })
    }).pipe(Effect.provide(layer))
  )

  it.effect("keeps the first findings, and counts all", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      yield* Effect.forEach(
        Array.from({ length: 120 }, (_, index) => `order ${index}`),
        (executionId) => runtime.startWorkflow({ ...place(executionId), workflow: Order })
      )
      const elsewhere = (header: ExecutionHeader) => ({ ...header, currentState: "Elsewhere" })
      const report = yield* Verification.verify({}).pipe(
        Effect.provide(
          changed({
            executions: (executions) => ({
              findMany: (options) => Effect.map(executions.findMany(options), (headers) => headers.map(elsewhere))
            })
          })
        )
      )
      assert.strictEqual(report.findings.length, Verification.maxFindings)
      assert.strictEqual(report.findingCount, 120)
    }).pipe(Effect.provide(layer))
  )

  it.effect("writers that go on meanwhile are no finding", () =>
    Effect.gen(function* () {
      yield* store
      const context = yield* Effect.context<TypeScriptWorkflowRuntime | WorkflowEventSourcing>()
      let count = 0
      // Before each read the execution has moved and has a new snapshot.
      const moves = Effect.gen(function* () {
        const runtime = yield* TypeScriptWorkflowRuntime
        const { createSnapshot } = yield* WorkflowEventSourcing
        yield* runtime.submitEvent({ ...place(), submission: add(++count) })
        yield* createSnapshot("order-1", tenant)
      }).pipe(Effect.provideContext(context), Effect.orDie)
      const found = yield* problemsWith({
        executions: ({ findMany }) => ({ findMany: (options) => Effect.andThen(moves, findMany(options)) }),
        events: ({ readTenant }) => ({
          readTenant: (options) => Stream.unwrap(Effect.as(moves, readTenant(options)))
        }),
        snapshots: ({ readTenant }) => ({
          readTenant: (options) => Stream.unwrap(Effect.as(moves, readTenant(options)))
        })
      })
      assert.isAbove(count, 2)
      assert.deepStrictEqual(found, [])
    }).pipe(Effect.provide(layer))
  )
})
