/** `startWorkflow` writes the first event and returns the first state, or writes nothing. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { TypeScriptWorkflowRuntime, type StartData } from "@refold/runtime"
import { Workflow, WorkflowExecutionModel } from "@refold/core"
import { Effect, Option, Schema } from "effect"
import { Order, OrderTwo } from "./Order.ts"
import { eventsOf, memory, place } from "./Services.ts"

const start = (options: Partial<Parameters<TypeScriptWorkflowRuntime["Service"]["startWorkflow"]>[0]> = {}) =>
  TypeScriptWorkflowRuntime.use((runtime) =>
    runtime.startWorkflow({ ...place(), workflow: { name: "order" }, ...options })
  )

const isAbsent = (executionId = "order-1") =>
  Effect.flatMap(WorkflowExecutionModel, (executions) => Effect.map(executions.find(place(executionId)), Option.isNone))

const Loan = Workflow.make({
  name: "loan",
  events: { Paid: Schema.Struct({ cents: Schema.Int }) },
  data: Schema.Struct({ customer: Schema.String, due: Schema.DateTimeUtcFromString, paid: Schema.Int }),
  initial: { state: "Open", data: { paid: 0 } },
  states: { Open: { Paid: "Open" } },
  evolve: { Paid: (data, { cents }) => ({ ...data, paid: data.paid + cents }) }
})

describe("startWorkflow", () => {
  it.effect("appends one event that holds the whole first data, and returns its state", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const state = yield* runtime.startWorkflow({
        ...place(),
        workflow: Order,
        data: { cents: 7 },
        userId: "ann",
        metadata: { correlation_id: "c-1" }
      })
      assert.strictEqual(state.currentState, "Draft")
      assert.strictEqual(state.position, 1)
      assert.deepStrictEqual(state.data, { cents: 7, skus: [] })
      const events = yield* eventsOf()
      assert.strictEqual(events.length, 1)
      assert.match(events[0]?.event_id ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
      assert.deepInclude(events[0], {
        position: 1,
        event_name: "workflow.started",
        from_state: "none",
        to_state: "Draft",
        user_id: "ann",
        payload: { cents: 7, skus: [] },
        metadata: { correlation_id: "c-1" }
      })
    }).pipe(Effect.provide(memory()))
  )

  it("types the data by the definition that it is given", () => {
    expectTypeOf<{ readonly cents: number }>().toExtend<StartData<typeof Order>>()
    expectTypeOf<{ readonly cents: string }>().not.toExtend<StartData<typeof Order>>()
  })

  it.effect("requires the fields that the definition leaves to the start", () =>
    Effect.gen(function* () {
      const runtime = yield* TypeScriptWorkflowRuntime
      const due = "2025-03-01T12:00:00.000Z"
      const state = yield* runtime.startWorkflow({ ...place(), workflow: Loan, data: { customer: "ann", due } })
      assert.strictEqual(state.data.due.epochMilliseconds, Date.parse(due))
      assert.deepInclude(state.data, { customer: "ann", paid: 0 })
      assert.deepStrictEqual((yield* eventsOf())[0]?.payload, { paid: 0, customer: "ann", due })
      const paid = yield* runtime.submitEvent({
        ...place(),
        submission: Workflow.submission(Loan, { event_name: "Paid", payload: { cents: 5 } })
      })
      assert.deepStrictEqual([paid.data.paid, paid.data.due], [5, state.data.due])
      for (const data of [undefined, { customer: "ann" }]) {
        const untyped = { ...place("loan-2"), workflow: { name: "loan" }, data }
        const error = yield* Effect.flip(runtime.startWorkflow(untyped))
        assert.strictEqual(error._tag, "PayloadInvalid")
        assert.match(error.message, /^The payload of workflow.started at \/\w+ is refused by its schema: Missing key$/)
      }
      assert.isTrue(yield* isAbsent("loan-2"))
    }).pipe(Effect.provide(memory({ definitions: [Loan] })))
  )

  it.effect("starts the newest version of a name, or the one asked for", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* start()).workflow.version, 2)
      assert.strictEqual((yield* start({ executionId: "b", workflow: Order })).workflow.version, 1)
      const one = yield* start({ executionId: "c", workflow: { name: "order", version: 1 } })
      assert.strictEqual(one.workflow.version, 1)
    }).pipe(Effect.provide(memory({ definitions: [Order, OrderTwo] })))
  )

  it.effect("refuses an id that is taken, and leaves the execution as it was", () =>
    Effect.gen(function* () {
      yield* start({ data: { cents: 1 } })
      const error = yield* Effect.flip(start({ data: { cents: 2 } }))
      assert.strictEqual(error._tag, "ExecutionAlreadyExists")
      assert.strictEqual((yield* eventsOf()).length, 1)
    }).pipe(Effect.provide(memory()))
  )

  it.effect("the same id of two tenants is two executions", () =>
    Effect.gen(function* () {
      yield* start({ data: { cents: 1 } })
      assert.deepStrictEqual((yield* start({ tenant: "rival" })).data, { cents: 0, skus: [] })
    }).pipe(Effect.provide(memory()))
  )

  it.effect.each([
    ["an unknown version", { workflow: { name: "order", version: 9 } }, "WorkflowNotFound"],
    ["data of a wrong type", { data: { cents: "much" } }, "PayloadInvalid"],
    ["data with NUL", { data: { skus: ["a\0"] } }, "PayloadInvalid"],
    ["data with a key __proto__", { data: JSON.parse('{"__proto__":{"cents":1}}') }, "PayloadInvalid"],
    ["data beyond the bound", { data: { skus: ["x".repeat(300 * 1024)] } }, "PayloadInvalid"],
    ["a user id with NUL", { userId: "\0" }, "InvalidInput"],
    ["a correlation id that is empty", { metadata: { correlation_id: "" } }, "InvalidInput"],
    ["an empty execution id", { executionId: "" }, "InvalidInput"],
    ["a tenant that is too long", { tenant: "t".repeat(256) }, "InvalidInput"],
    ["a key with half a surrogate pair", { idempotencyKey: "\udc00" }, "InvalidInput"]
  ] as const)("refuses %s, and writes nothing", ([, options, tag]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(start(options)))._tag, tag)
      assert.isTrue(yield* isAbsent())
    }).pipe(Effect.provide(memory()))
  )

  it.effect.each(["it's; drop table--", "100%_\\", "a/b?c#d", "…\n\t", "😀", " ", "null", "x".repeat(255)])(
    "tenant, execution and user may be called %j",
    (odd) =>
      Effect.gen(function* () {
        const { getExecutionState } = yield* TypeScriptWorkflowRuntime
        const state = yield* start({ tenant: odd, executionId: odd, userId: odd, idempotencyKey: odd })
        assert.strictEqual(state.executionId, odd)
        assert.deepStrictEqual(yield* getExecutionState({ tenant: odd, executionId: odd }), state)
        assert.isTrue(yield* isAbsent(odd))
      }).pipe(Effect.provide(memory()))
  )

  describe("with an idempotency key", () => {
    const keyed = { idempotencyKey: "k", data: { cents: 1 }, workflow: { name: "order", version: 1 } }

    it.effect("gives the first result ever after, also after further events", () =>
      Effect.gen(function* () {
        const first = yield* start(keyed)
        const runtime = yield* TypeScriptWorkflowRuntime
        yield* runtime.submitEvent({ ...place(), submission: { event_name: "Cancelled", payload: null } })
        assert.deepStrictEqual(yield* start(keyed), first)
        assert.strictEqual((yield* eventsOf()).length, 2)
      }).pipe(Effect.provide(memory()))
    )

    it.effect.each([
      ["data", { data: { cents: 2 } }],
      ["user", { userId: "ann" }],
      ["workflow", { workflow: { name: "open order" } }]
    ] as const)("refuses another %s under the same key", ([, difference]) =>
      Effect.gen(function* () {
        yield* start({ ...keyed, workflow: { name: "an open one" } })
        const error = yield* Effect.flip(start({ ...keyed, workflow: { name: "an open one" }, ...difference }))
        assert.strictEqual(error._tag, "IdempotencyConflict")
      }).pipe(Effect.provide(memory()))
    )

    it.effect("another key for the same id is another request", () =>
      Effect.gen(function* () {
        yield* start(keyed)
        const error = yield* Effect.flip(start({ ...keyed, idempotencyKey: "other" }))
        assert.strictEqual(error._tag, "ExecutionAlreadyExists")
      }).pipe(Effect.provide(memory()))
    )

    it.effect("started many times at once, it starts once and all get the same state", () =>
      Effect.gen(function* () {
        const states = yield* Effect.all(
          Array.from({ length: 8 }, () => start(keyed)),
          { concurrency: "unbounded" }
        )
        for (const state of states) assert.deepStrictEqual(state, states[0])
        assert.strictEqual((yield* eventsOf()).length, 1)
      }).pipe(Effect.provide(memory()))
    )
  })
})
