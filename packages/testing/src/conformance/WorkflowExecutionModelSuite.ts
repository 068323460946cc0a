/** The promises of `WorkflowExecutionModel`. The checks write executions through the adapter's `WorkflowEventModel`. */
import { type ExecutionHeader, type ExecutionRef, WorkflowEventModel, WorkflowExecutionModel } from "@refold/core"
import { Array, Effect, Option, Stream } from "effect"
import { type Check, equal } from "./Check.ts"
import { accepted, freshTenant, imports, moves, oddNames, workflow } from "./Sample.ts"

/** Every promise of the port, as a check. */
export const executionModelSuite: ReadonlyArray<Check<WorkflowEventModel | WorkflowExecutionModel>> = [
  {
    title: "the header is the state of the execution after its last commit",
    check: Effect.gen(function* () {
      const at = { tenant: yield* freshTenant, executionId: "one" }
      const [first, second] = yield* accepted(moves(at, 0, ["1", "2"]))
      const header = {
        ...at,
        workflow,
        currentState: "2",
        position: 2,
        isComplete: false,
        startedAt: first?.created_at,
        updatedAt: second?.created_at
      }
      yield* equal("the header", yield* find(at), header)
      const [third] = yield* accepted({ ...moves(at, 2, ["end"]), isComplete: true })
      yield* equal("the header at its end", yield* find(at), {
        ...header,
        currentState: "end",
        position: 3,
        isComplete: true,
        updatedAt: third?.created_at
      })
    })
  },
  {
    title: "the times of an imported execution are those of its events",
    check: Effect.gen(function* () {
      const at = { tenant: yield* freshTenant, executionId: "one" }
      yield* accepted(
        imports(at, 0, [
          ["1", instant(1)],
          ["2", instant(2)]
        ])
      )
      yield* accepted(imports(at, 2, [["3", instant(3)]]))
      const header = yield* find(at)
      yield* equal("times", [header?.startedAt, header?.updatedAt], [instant(1), instant(3)])
    })
  },
  {
    title: "a refused commit does not change the header",
    check: Effect.gen(function* () {
      const at = { tenant: yield* freshTenant, executionId: "one" }
      yield* accepted(imports(at, 0, [["1", instant(5)]]))
      const before = yield* find(at)
      const model = yield* WorkflowEventModel
      yield* model.commit([{ ...moves(at, 0, ["x"]), isComplete: true }])
      yield* model.commit([{ ...moves(at, 2, ["x"]), isComplete: true }])
      yield* model.commit([{ ...imports(at, 1, [["x", instant(4)]]), isComplete: true }])
      yield* model.commit([moves({ ...at, executionId: "unknown" }, 1, ["x"])])
      yield* equal("the header", yield* find(at), before)
      yield* equal("of one never started", yield* find({ ...at, executionId: "unknown" }), undefined)
    })
  },
  {
    title: "the workflow is that of the first commit",
    check: Effect.gen(function* () {
      const at = { tenant: yield* freshTenant, executionId: "one" }
      yield* accepted(imports(at, 0, [["1", instant(1)]]))
      const [before] = yield* list({ tenant: at.tenant, asOf: instant(1) })
      yield* accepted({ ...imports(at, 1, [["2", instant(2)]]), workflow: { name: "sample", version: 4 } })
      yield* equal("the header", (yield* find(at))?.workflow, workflow)
      const [after] = yield* list({ tenant: at.tenant, asOf: instant(1) })
      yield* equal("its past", after, before)
    })
  },
  {
    title: "findMany returns the existing executions, each once",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowExecutionModel
      yield* accepted(
        ...Array.map(Array.make("a", "b", "c"), (executionId) => moves({ tenant, executionId }, 0, [executionId]))
      )
      const many = yield* model.findMany({ tenant, executionIds: ["c", "unknown", "a", "c", "constructor"] })
      yield* equal("ids", idsOf(many).toSorted(), ["a", "c"])
      const one = yield* find({ tenant, executionId: "a" })
      yield* equal(
        "the header",
        many.find((header) => header.executionId === "a"),
        one
      )
      yield* equal("of none", yield* model.findMany({ tenant, executionIds: [] }), [])
    })
  },
  {
    title: "lists by execution id in order of UTF-8 bytes, for every batch size",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const ordered = ["A", "B", "a", "a!", "aa", "b", "ä", "\uff21", "😀"]
      const shuffled: Array.NonEmptyReadonlyArray<string> = ["😀", "b", "a!", "B", "\uff21", "aa", "ä", "A", "a"]
      yield* accepted(...Array.map(shuffled, (executionId) => imports({ tenant, executionId }, 0, [["1", instant(1)]])))
      for (const batchSize of [1, 2, 8, 9, 10, 1000]) {
        yield* equal(`now, ${batchSize} at a time`, idsOf(yield* list({ tenant, batchSize })), ordered)
        const past = yield* list({ tenant, batchSize, asOf: instant(1) })
        yield* equal(`as of an instant, ${batchSize} at a time`, idsOf(past), ordered)
      }
    })
  },
  {
    title: "lists the executions in a state, now and as of an instant",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const at = (executionId: string) => ({ tenant, executionId })
      yield* accepted(
        imports(at("a"), 0, [["open", instant(1)]]),
        imports(at("b"), 0, [
          ["open", instant(1)],
          ["paid", instant(3)]
        ]),
        imports(at("c"), 0, [["paid", instant(2)]]),
        imports(at("d"), 0, [["open", instant(3)]])
      )
      for (const batchSize of [1, 2, 1000]) {
        const ids = (options: { readonly state: string; readonly asOf?: string }) =>
          Effect.map(list({ tenant, batchSize, ...options }), idsOf)
        yield* equal("open now", yield* ids({ state: "open" }), ["a", "d"])
        yield* equal("paid now", yield* ids({ state: "paid" }), ["b", "c"])
        yield* equal("lost now", yield* ids({ state: "lost" }), [])
        yield* equal("open before", yield* ids({ state: "open", asOf: instant(2) }), ["a", "b"])
        yield* equal("paid before", yield* ids({ state: "paid", asOf: instant(2) }), ["c"])
        yield* equal("open at first", yield* ids({ state: "open", asOf: instant(0) }), [])
      }
    })
  },
  {
    title: "a header as of an instant is the header after the last event up to that instant",
    check: Effect.gen(function* () {
      const at = { tenant: yield* freshTenant, executionId: "one" }
      const later = { ...at, executionId: "two" }
      yield* accepted(
        imports(at, 0, [
          ["1", instant(10)],
          ["2", instant(20)],
          ["3", instant(20)],
          ["4", instant(30)]
        ])
      )
      yield* accepted({ ...imports(at, 4, [["end", instant(40)]]), isComplete: true })
      yield* accepted(imports(later, 0, [["1", instant(25)]]))
      const base = { ...at, workflow, isComplete: false, startedAt: instant(10) }
      for (const [second, expected] of [
        [9, undefined],
        [10, { ...base, currentState: "1", position: 1, updatedAt: instant(10) }],
        [19, { ...base, currentState: "1", position: 1, updatedAt: instant(10) }],
        [20, { ...base, currentState: "3", position: 3, updatedAt: instant(20) }],
        [30, { ...base, currentState: "4", position: 4, updatedAt: instant(30) }],
        [39, { ...base, currentState: "4", position: 4, updatedAt: instant(30) }],
        [40, { ...base, currentState: "end", position: 5, isComplete: true, updatedAt: instant(40) }],
        [59, { ...base, currentState: "end", position: 5, isComplete: true, updatedAt: instant(40) }]
      ] as const) {
        const headers = yield* list({ tenant: at.tenant, asOf: instant(second) })
        yield* equal(
          `as of second ${second}`,
          headers.find((header) => header.executionId === "one"),
          expected
        )
        yield* equal(`started by second ${second}`, idsOf(headers).includes("two"), second >= 25)
      }
    })
  },
  {
    title: "a list as of the instant of the last event equals the list of now",
    check: Effect.gen(function* () {
      const at = { tenant: yield* freshTenant, executionId: "one" }
      const events = yield* accepted(moves(at, 0, ["1", "2"]))
      const asOf = events.at(-1)?.created_at ?? ""
      yield* equal("headers", yield* list({ tenant: at.tenant, asOf }), yield* list({ tenant: at.tenant }))
    })
  },
  {
    title: "a tenant and a state are two names, even if their concatenations are equal",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      yield* accepted(moves({ tenant, executionId: "short" }, 0, ["more open"]))
      yield* accepted(moves({ tenant: `${tenant} more`, executionId: "long" }, 0, ["open"]))
      yield* equal("of the short name", idsOf(yield* list({ tenant, state: "more open" })), ["short"])
      yield* equal("of the long name", idsOf(yield* list({ tenant: `${tenant} more`, state: "open" })), ["long"])
    })
  },
  {
    title: "one tenant does not see another tenant's executions",
    check: Effect.gen(function* () {
      const [ours, theirs, third] = [yield* freshTenant, yield* freshTenant, yield* freshTenant]
      const model = yield* WorkflowExecutionModel
      yield* accepted(moves({ tenant: ours, executionId: "same" }, 0, ["ours"]))
      yield* accepted(moves({ tenant: theirs, executionId: "same" }, 0, ["theirs"]))
      yield* accepted(moves({ tenant: theirs, executionId: "more" }, 0, ["theirs"]))
      for (const [tenant, ids, state] of [
        [ours, ["same"], "ours"],
        [theirs, ["more", "same"], "theirs"],
        [third, [], undefined]
      ] as const) {
        yield* equal("listed", idsOf(yield* list({ tenant })), ids)
        yield* equal("listed as of", idsOf(yield* list({ tenant, asOf: "9999-01-01T00:00:00.000Z" })), ids)
        yield* equal("found", (yield* find({ tenant, executionId: "same" }))?.currentState, state)
        const many = yield* model.findMany({ tenant, executionIds: ["more", "same"] })
        yield* equal("found of many", idsOf(many).toSorted(), ids)
      }
    })
  },
  {
    title: "tenants that have an execution are listed once, in order of UTF-8 bytes",
    check: Effect.gen(function* () {
      const outer = yield* freshTenant
      const model = yield* WorkflowExecutionModel
      const tenants = ["A", "a", "a!", "aa", "\uff21", "😀"].map((name) => outer + name)
      for (const tenant of tenants.toReversed()) {
        yield* accepted(moves({ tenant, executionId: "1" }, 0, ["1"]), moves({ tenant, executionId: "2" }, 0, ["1"]))
      }
      const events = yield* WorkflowEventModel
      yield* events.commit([moves({ tenant: `${outer}refused`, executionId: "1" }, 1, ["x"])])
      const listed = yield* model.tenants
      yield* equal(
        "tenants",
        listed.filter((tenant) => tenant.startsWith(outer)),
        tenants
      )
    })
  },
  {
    title: "any text serves as any name",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      const model = yield* WorkflowExecutionModel
      for (const name of oddNames) {
        const at = { tenant, executionId: name }
        yield* accepted({ ...imports(at, 0, [[name, instant(1)]]), workflow: { name, version: 1 } })
        const header = yield* find(at)
        yield* equal("names", [header?.executionId, header?.currentState, header?.workflow.name], [name, name, name])
        yield* equal("found of many", yield* model.findMany({ tenant, executionIds: [name] }), [header])
        yield* equal("in the state", yield* list({ tenant, state: name }), [header])
        yield* equal("in the state, as of", yield* list({ tenant, state: name, asOf: instant(1) }), [header])
      }
      yield* equal("ids", new Set(idsOf(yield* list({ tenant, batchSize: 2 }))), new Set(oddNames))
    })
  }
]

const instant = (second: number): string => `2001-01-01T00:00:${String(second).padStart(2, "0")}.000Z`

const idsOf = (headers: ReadonlyArray<ExecutionHeader>): ReadonlyArray<string> =>
  headers.map((header) => header.executionId)

const find = Effect.fnUntraced(function* (at: ExecutionRef) {
  const model = yield* WorkflowExecutionModel
  return Option.getOrUndefined(yield* model.find(at))
})

const list = Effect.fnUntraced(function* (options: {
  readonly tenant: string
  readonly state?: string
  readonly asOf?: string
  readonly batchSize?: number
}) {
  const model = yield* WorkflowExecutionModel
  return yield* Stream.runCollect(model.list(options))
})
