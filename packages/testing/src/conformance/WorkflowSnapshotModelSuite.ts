/** The promises of `WorkflowSnapshotModel`. The checks write executions through the adapter's `WorkflowEventModel`. */
import { type ExecutionRef, type Snapshot, type WorkflowEventModel, WorkflowSnapshotModel } from "@refold/core"
import { Array, Effect, Option, Stream } from "effect"
import { type Check, equal } from "./Check.ts"
import { accepted, freshTenant, moves, numbered, oddNames } from "./Sample.ts"

/** Every promise of the port, as a check. */
export const snapshotModelSuite: ReadonlyArray<Check<WorkflowEventModel | WorkflowSnapshotModel>> = [
  {
    title: "a snapshot comes back as it was stored, in every field",
    check: Effect.gen(function* () {
      const at = yield* started()
      const stored = {
        ...snapshotAt(at, 3),
        data: { z: [null, { "": 0.1, constructor: "😀" }], a: Number.MAX_SAFE_INTEGER },
        started_at: "0001-01-01T00:00:00.000Z",
        updated_at: "2001-02-03T04:05:06.007Z",
        created_at: "9999-12-31T23:59:59.999Z"
      }
      yield* save(stored)
      const found = yield* find(at, {})
      yield* equal("the snapshot", found, stored)
      yield* equal("its data as text", JSON.stringify(found?.data), JSON.stringify(stored.data))
    })
  },
  {
    title: "data of null, an empty array or a bare text comes back as it was",
    check: Effect.gen(function* () {
      const at = yield* started()
      for (const data of [null, [], {}, "null", 0, false]) {
        yield* save({ ...snapshotAt(at, 1), data })
        yield* equal("the data", (yield* find(at, {}))?.data, data)
      }
    })
  },
  {
    title:
      "finds the snapshot at the highest position with the fingerprint within the bounds, else one with another fingerprint",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* save(snapshotAt(at, 4, "mine"))
      yield* save(snapshotAt(at, 2, "mine"))
      yield* save(snapshotAt(at, 6, "other"))
      yield* save(snapshotAt(at, 8, "third"))
      const until = (position: number) => instantOf(position)
      for (const [bounds, expected] of [
        [{}, "mine 4"],
        [{ to: 4 }, "mine 4"],
        [{ to: 3 }, "mine 2"],
        [{ to: 2 }, "mine 2"],
        [{ to: 1 }, undefined],
        [{ to: 0 }, undefined],
        [{ until: until(9) }, "mine 4"],
        [{ until: until(4) }, "mine 4"],
        [{ until: until(3) }, "mine 2"],
        [{ until: until(2) }, "mine 2"],
        [{ until: until(1) }, undefined],
        [{ to: 4, until: until(3) }, "mine 2"],
        [{ to: 3, until: until(4) }, "mine 2"],
        [{ fingerprint: "new" }, "third 8"],
        [{ fingerprint: "new", to: 7 }, "other 6"],
        [{ fingerprint: "new", to: 5 }, "mine 4"],
        [{ fingerprint: "new", until: until(7) }, "other 6"],
        [{ fingerprint: "other", to: 5 }, "mine 4"],
        [{ fingerprint: "other" }, "other 6"]
      ] as const) {
        const found = yield* find(at, bounds)
        const actual = found === undefined ? undefined : `${found.fingerprint} ${found.position}`
        yield* equal(`within ${JSON.stringify(bounds)}`, actual, expected)
      }
    })
  },
  {
    title: "a snapshot replaces one at the same position",
    check: Effect.gen(function* () {
      const at = yield* started()
      yield* save(snapshotAt(at, 2, "old"))
      const replacing = { ...snapshotAt(at, 2, "new"), data: { n: 2 }, state_hash: "hash 2", current_state: "other" }
      yield* save(replacing)
      yield* equal("the snapshot", yield* find(at, { fingerprint: "old" }), replacing)
      yield* equal("positions", yield* positions(at), [2])
    })
  },
  {
    title: "positions are those of all the execution's snapshots, ascending",
    check: Effect.gen(function* () {
      const at = yield* started()
      for (const position of [9, 1, 8, 2]) yield* save(snapshotAt(at, position, `fold ${position}`))
      yield* equal("positions", yield* positions(at), [1, 2, 8, 9])
    })
  },
  {
    title: "saving removes the pruned snapshots, never the saved one, and ignores unknown positions",
    check: Effect.gen(function* () {
      const at = yield* started()
      const beside = { ...at, executionId: "beside" }
      yield* accepted(moves(beside, 0, numbered(10)))
      for (const position of [1, 2, 3]) yield* save(snapshotAt(at, position))
      yield* save(snapshotAt(beside, 1))
      yield* save(snapshotAt(at, 4), [1, 2, 7])
      yield* equal("positions", yield* positions(at), [3, 4])
      yield* save(snapshotAt(at, 4), [4, 3])
      yield* equal("positions after it named itself", yield* positions(at), [4])
      yield* equal("positions of another execution", yield* positions(beside), [1])
    })
  },
  {
    title: "without snapshots, nothing is found and nothing fails",
    check: Effect.gen(function* () {
      const model = yield* WorkflowSnapshotModel
      const at = { tenant: yield* freshTenant, executionId: "unknown" }
      yield* equal("the snapshot", yield* find(at, {}), undefined)
      yield* equal("positions", yield* positions(at), [])
      yield* equal("of the tenant", yield* Stream.runCollect(model.readTenant({ tenant: at.tenant })), [])
      yield* model.clear(at)
      yield* model.clear({ tenant: at.tenant })
    })
  },
  {
    title: "clears the snapshots of one execution or of a tenant, and nothing else; the log stays",
    check: Effect.gen(function* () {
      const model = yield* WorkflowSnapshotModel
      const one = yield* started()
      const two = { ...one, executionId: "two" }
      const other = yield* started()
      yield* accepted(moves(two, 0, numbered(10)))
      for (const at of [one, two, other]) {
        yield* save(snapshotAt(at, 1))
        yield* save(snapshotAt(at, 2))
      }
      yield* model.clear(one)
      yield* equal("after one", yield* Effect.forEach([one, two, other], positions), [[], [1, 2], [1, 2]])
      yield* save(snapshotAt(one, 3))
      yield* model.clear({ tenant: one.tenant })
      yield* equal("after the tenant", yield* Effect.forEach([one, two, other], positions), [[], [], [1, 2]])
      yield* accepted(moves(one, 10, ["11"]))
    })
  },
  {
    title: "one tenant does not see another tenant's snapshots",
    check: Effect.gen(function* () {
      const [ours, theirs] = [yield* started(), yield* started()]
      yield* save(snapshotAt(ours, 1, "ours"))
      yield* save(snapshotAt(theirs, 2, "theirs"))
      yield* equal("ours", (yield* find(ours, {}))?.fingerprint, "ours")
      yield* equal("theirs", yield* positions(theirs), [2])
      yield* save(snapshotAt(ours, 3), [1, 2])
      yield* equal("theirs after our pruning", yield* positions(theirs), [2])
    })
  },
  {
    title: "any text serves as any name",
    check: Effect.gen(function* () {
      const tenant = yield* freshTenant
      for (const name of oddNames) {
        const at = { tenant, executionId: name }
        yield* accepted(moves(at, 0, ["1"]))
        const stored = { ...snapshotAt(at, 1, name), current_state: name, state_hash: name }
        yield* save(stored)
        yield* equal("the snapshot", yield* find(at, { fingerprint: name }), stored)
        yield* equal("positions", yield* positions(at), [1])
      }
    })
  },
  {
    title: "a tenant is read by execution id in order of UTF-8 bytes, then position",
    check: Effect.gen(function* () {
      const model = yield* WorkflowSnapshotModel
      const tenant = yield* freshTenant
      const shuffled: Array.NonEmptyReadonlyArray<string> = ["😀", "a!", "B", "\uff21", "a"]
      yield* accepted(...Array.map(shuffled, (executionId) => moves({ tenant, executionId }, 0, numbered(10))))
      for (const position of [2, 10, 1]) {
        for (const executionId of shuffled) yield* save(snapshotAt({ tenant, executionId }, position))
      }
      const expected = ["B", "a", "a!", "\uff21", "😀"].flatMap((id) => [`${id} 1`, `${id} 2`, `${id} 10`])
      for (const batchSize of [1, 2, 3, 14, 15, 16, 1000]) {
        const read = yield* Stream.runCollect(model.readTenant({ tenant, batchSize }))
        yield* equal(
          `${batchSize} at a time`,
          read.map((snapshot) => `${snapshot.execution_id} ${snapshot.position}`),
          expected
        )
      }
      for (const [fromExecutionId, toExecutionId, ids] of [
        ["a", "\uff21", ["a", "a!", "\uff21"]],
        ["C", "a", ["a"]],
        ["b", "a", []]
      ] as const) {
        for (const batchSize of [1, 3, 1000]) {
          const read = yield* Stream.runCollect(model.readTenant({ tenant, fromExecutionId, toExecutionId, batchSize }))
          yield* equal(
            `from ${fromExecutionId} to ${toExecutionId}, ${batchSize} at a time`,
            read.map((snapshot) => `${snapshot.execution_id} ${snapshot.position}`),
            ids.flatMap((id) => [`${id} 1`, `${id} 2`, `${id} 10`])
          )
        }
      }
    })
  }
]

/** Writes an execution with ten events. */
const started = Effect.fnUntraced(function* () {
  const at = { tenant: yield* freshTenant, executionId: "one" }
  yield* accepted(moves(at, 0, numbered(10)))
  return at
})

const instantOf = (position: number): string => `2001-01-01T00:00:${String(position).padStart(2, "0")}.000Z`

const snapshotAt = (
  { executionId, tenant }: ExecutionRef,
  position: number,
  fingerprint = "mine"
): Snapshot.Snapshot => ({
  tenant,
  execution_id: executionId,
  position,
  current_state: String(position),
  data: { position },
  fingerprint,
  state_hash: `hash of ${position}`,
  started_at: instantOf(1),
  updated_at: instantOf(position),
  created_at: instantOf(59)
})

const save = Effect.fnUntraced(function* (snapshot: Snapshot.Snapshot, prune: ReadonlyArray<number> = []) {
  const model = yield* WorkflowSnapshotModel
  yield* model.save({ snapshot, prune })
})

const find = Effect.fnUntraced(function* (
  at: ExecutionRef,
  bounds: { readonly fingerprint?: string; readonly to?: number; readonly until?: string }
) {
  const model = yield* WorkflowSnapshotModel
  return Option.getOrUndefined(yield* model.find({ ...at, fingerprint: "mine", ...bounds }))
})

const positions = Effect.fnUntraced(function* (at: ExecutionRef) {
  const model = yield* WorkflowSnapshotModel
  return yield* model.positions(at)
})
