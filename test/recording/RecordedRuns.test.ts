/** Recording runs and checking them: which differences a changed definition shows, and what is wrong with a file. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Upcast, Workflow, type Submission } from "@refold/core"
import { type RecordedRun } from "@refold/testing/recording"
import { TypeScriptWorkflowRuntime, Workflows } from "@refold/runtime"
import { RecordedRuns } from "@refold/testing/recording"
import { Effect, FileSystem, Result, Schema } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { memory } from "../runtime/Services.ts"

// --- A definition, and changes that a team might make -----------------------------------------------------------------

const data = Schema.Struct({ cents: Schema.Int, by: Schema.Array(Schema.String) })
type Data = typeof data.Type
const Added = Upcast.to(Schema.Struct({ cents: Schema.Int }), [
  (old) => ({ cents: Number(Object.values(old ?? {})[0]) })
])
const Signed = Schema.Struct({ role: Schema.Literals(["clerk", "boss"]), note: Schema.optionalKey(Schema.String) })

const claim = {
  name: "claim",
  events: { Added, Signed, Closed: Schema.Undefined },
  data,
  initial: { state: "Open", data: { cents: 0, by: [] } },
  states: {
    Open: { Added: "Open", Signed: { to: "Open", guard: alone }, Closed: "Closed" },
    Closed: {}
  },
  final: ["Closed"],
  evolve: {
    Added: (data, { cents }) => ({ ...data, cents: data.cents + cents }),
    Signed: (data, _payload, { user_id = "" }) => ({ ...data, by: [...data.by, user_id] })
  }
} as const satisfies Workflow.Options<
  "Open" | "Closed",
  Data,
  typeof data.Encoded,
  { Added: typeof Added; Signed: typeof Signed; Closed: typeof Schema.Undefined }
>

/** A user can sign only once. */
function alone({ by }: Data, _payload: unknown, { user_id = "" }: Submission): boolean {
  return !by.includes(user_id)
}

const Claim = Workflow.make(claim)

const steps: ReadonlyArray<Submission> = [
  { event_name: "Added", payload: { cents: 250 } },
  { event_name: "Signed", user_id: "ann@example.com", payload: { role: "clerk", note: "Mr Müller, born 1971-05-03" } },
  { event_name: "Signed", user_id: "bob@example.com", payload: { role: "boss" } },
  { event_name: "Closed" }
]

const tenant = "acme"

const tell = Effect.fnUntraced(function* (
  executionId: string,
  submissions: ReadonlyArray<Submission>,
  workflow = "claim"
) {
  const runtime = yield* TypeScriptWorkflowRuntime
  yield* runtime.startWorkflow({ tenant, executionId, workflow: { name: workflow } })
  for (const submission of submissions) {
    yield* TestClock.adjust("1 second")
    yield* runtime.submitEvent({ tenant, executionId, submission })
  }
})

/** Records the executions of a store into a new directory. */
const recordAll = Effect.fnUntraced(function* (options: Partial<RecordedRuns.RecordOptions> = {}) {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const summary = yield* RecordedRuns.record({ tenant, sampleSize: 10, directory, isRedacted: false, ...options })
  return { directory, summary }
})

const checkWith = (directory: string, ...definitions: ReadonlyArray<Workflow.Workflow>) =>
  Effect.provide(RecordedRuns.check(directory), Workflows.layer(...definitions))

/** Runs an effect on a store in memory with these definitions. */
const on = (...definitions: ReadonlyArray<Workflow.Workflow>) =>
  Effect.provide([memory({ definitions }), NodeServices.layer])

/** The differences that a build with this definition shows in the run of `steps`. */
const differencesOf = (changed: Workflow.Workflow) =>
  Effect.gen(function* () {
    yield* tell("claim-1", steps)
    const { directory } = yield* recordAll()
    const report = yield* checkWith(directory, changed)
    assert.strictEqual(report.failedCount, report.differenceCount === 0 ? 0 : 1)
    return report.failures.flatMap(({ differences }) => differences.map(brief))
  }).pipe(Effect.scoped, on(Claim))

const brief = (difference: RecordedRun.Difference): ReadonlyArray<unknown> => {
  const { eventName, position } = difference
  switch (difference._tag) {
    case "Decision":
      return [position, eventName, difference.recorded._tag, difference.found._tag]
    case "State":
      return [position, eventName, difference.recorded.isComplete, difference.found.isComplete]
    case "Data":
      return [position, eventName, ...difference.changes]
    case "InvalidData":
      return [position, eventName, difference.path]
    case "NewerSchema":
      return [position, eventName, difference.schemaVersion, difference.knownVersion]
    case "Unreadable":
      return [position, eventName, difference.reason]
  }
}

describe("RecordedRuns.check", () => {
  it.effect("is silent when nothing has changed", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* differencesOf(Claim), [])
    })
  )

  it.effect("shows a guard that refuses what was accepted", () =>
    Effect.gen(function* () {
      const states = {
        ...claim.states,
        Open: { ...claim.states.Open, Signed: { to: "Open", guard: ({ by }: Data) => by.length === 0 } }
      } as const
      assert.deepStrictEqual(yield* differencesOf(Workflow.make({ ...claim, states })), [
        [4, "Signed", "Accepted", "Refused"]
      ])
    })
  )

  it.effect("shows a guard that throws, and a target that moved", () =>
    Effect.gen(function* () {
      const throwing = (): boolean => {
        throw new RangeError("no list")
      }
      const states = {
        Open: { Added: "Open", Signed: { to: "Open", guard: throwing }, Closed: "Archived" },
        Closed: {},
        Archived: {}
      } as const
      const changed = Workflow.make({ ...claim, states, final: ["Closed"] })
      assert.deepStrictEqual(yield* differencesOf(changed), [
        [3, "Signed", "Accepted", "Threw"],
        [4, "Signed", "Accepted", "Threw"],
        [5, "Closed", "Accepted", "Accepted"]
      ])
    })
  )

  it.effect("shows an event that is gone, with what it did to the data", () =>
    Effect.gen(function* () {
      const { Signed: _, ...events } = claim.events
      const { Signed: __, ...open } = claim.states.Open
      const { Signed: ___, ...evolve } = claim.evolve
      const changed = Workflow.make({ ...claim, events, states: { ...claim.states, Open: open }, evolve })
      assert.deepStrictEqual(yield* differencesOf(changed), [
        [3, "Signed", "Accepted", "Refused"],
        [3, "Signed", { path: "/by/0", recorded: "ann@example.com" }],
        [4, "Signed", "Accepted", "Refused"],
        [4, "Signed", { path: "/by/0", recorded: "ann@example.com" }, { path: "/by/1", recorded: "bob@example.com" }]
      ])
    })
  )

  it.effect("shows an evolve that folds otherwise, once, not again for each event that follows", () =>
    Effect.gen(function* () {
      const evolve = { ...claim.evolve, Added: (data: Data) => ({ ...data, cents: data.cents + 1 }) }
      assert.deepStrictEqual(yield* differencesOf(Workflow.make({ ...claim, evolve })), [
        [2, "Added", { path: "/cents", recorded: 250, found: 1 }]
      ])
    })
  )

  it.effect("shows an evolve that changes what it was given as what it makes of it", () =>
    Effect.gen(function* () {
      const mutable: (data: Data, payload: { readonly cents: number }) => Data = (data, { cents }) =>
        Object.assign(data, { cents: data.cents + 2 * cents })
      const evolve = { ...claim.evolve, Added: mutable }
      const initial = { state: "Open", data: { cents: 0, by: [] } } as const
      assert.deepStrictEqual(yield* differencesOf(Workflow.make({ ...claim, initial, evolve })), [
        [2, "Added", { path: "/cents", recorded: 250, found: 500 }]
      ])
    })
  )

  it.effect("shows an evolve that throws, and goes no further", () =>
    Effect.gen(function* () {
      const throwing = (): Data => {
        throw new TypeError("no such field")
      }
      const changed = Workflow.make({ ...claim, evolve: { ...claim.evolve, Signed: throwing } })
      assert.deepStrictEqual(yield* differencesOf(changed), [
        [3, "Signed", "the definition threw TypeError: no such field"]
      ])
    })
  )

  it.effect("shows a renamed field of the payload: the data it spoils, and that nobody may submit the old one", () =>
    Effect.gen(function* () {
      const renamed = Upcast.to(Schema.Struct({ amount: Schema.Int }), [(old) => old ?? null])
      const changed = Workflow.make({
        ...claim,
        events: { ...claim.events, Added: renamed },
        evolve: { ...claim.evolve, Added: (data, { amount }) => ({ ...data, cents: data.cents + amount }) }
      })
      const differences = yield* differencesOf(changed)
      assert.deepInclude(differences, [2, "Added", "Accepted", "Refused"])
      assert.deepInclude(differences, [2, "Added", "/cents"])
    })
  )

  it.effect("shows a field that the data must have now, though older executions do not", () =>
    Effect.gen(function* () {
      const changed = Workflow.make({
        ...claim,
        data: Schema.Struct({ ...data.fields, currency: Schema.String }),
        initial: { state: "Open", data: { cents: 0, by: [], currency: "EUR" } },
        evolve: {}
      })
      const [first] = yield* differencesOf(changed)
      assert.deepStrictEqual(first, [1, "workflow.started", "/currency"])
    })
  )

  it.effect("shows a state that is final no longer", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* differencesOf(Workflow.make({ ...claim, final: [] })), [[5, "Closed", true, false]])
    })
  )

  it.effect("shows a dropped upcaster as a newer schema, counts it apart, and ends there", () =>
    Effect.gen(function* () {
      yield* tell("claim-1", steps)
      const { directory } = yield* recordAll()
      const report = yield* checkWith(
        directory,
        Workflow.make({ ...claim, events: { ...claim.events, Added: Added.schema } })
      )
      assert.deepStrictEqual(
        report.failures.flatMap(({ differences }) => differences.map(brief)),
        [[2, "Added", 2, 1]]
      )
      assert.deepInclude(report, { newerSchemaCount: 1, differentCount: 0, failedCount: 1, eventCount: 1 })
    }).pipe(Effect.scoped, on(Claim))
  )

  it.effect("bounds what it keeps of one run", () =>
    Effect.gen(function* () {
      yield* tell(
        "claim-1",
        Array.from({ length: 150 }, () => ({ event_name: "Added", payload: { cents: 1 } }))
      )
      const { directory } = yield* recordAll()
      const evolve = { Added: (data: Data) => ({ ...data, cents: data.cents + 2 }) }
      const report = yield* checkWith(directory, Workflow.make({ ...claim, evolve }))
      assert.strictEqual(report.differenceCount, 150)
      assert.lengthOf(report.failures[0]?.differences ?? [], RecordedRuns.maxDifferences)
    }).pipe(Effect.scoped, on(Claim))
  )
})

// --- Recording --------------------------------------------------------------------------------------------------------

/** Refuses a second signature of a user; the log of `steps` has one. */
const Stricter = Workflow.make({
  ...claim,
  states: {
    Open: { Added: "Open", Signed: { to: "Open", guard: ({ by }) => by.length === 0 }, Closed: "Closed" },
    Closed: {}
  }
})

describe("RecordedRuns.record", () => {
  it.effect("takes an event that its own build would not accept as it is, and says how many there are", () =>
    Effect.gen(function* () {
      yield* tell("claim-1", steps)
      const { directory, summary } = yield* Effect.provide(recordAll(), Workflows.layer(Stricter))
      assert.strictEqual(summary.undecidedCount, 1)
      const report = yield* checkWith(directory, Stricter)
      assert.deepInclude(report, { failedCount: 0, undecidedCount: 1 })
    }).pipe(Effect.scoped, on(Claim))
  )

  it.effect("records without a definition; a check then expects what the log says", () =>
    Effect.gen(function* () {
      yield* tell("claim-1", steps)
      const { directory, summary } = yield* Effect.provide(recordAll(), Workflows.layer())
      assert.deepInclude(summary, { runCount: 1, unknownWorkflowCount: 1, undecidedCount: 0 })
      assert.strictEqual((yield* checkWith(directory, Claim)).failedCount, 0)
      const report = yield* checkWith(directory, Stricter)
      assert.deepStrictEqual(
        report.failures.flatMap(({ differences }) => differences.map(brief)),
        [[4, "Signed", "Accepted", "Refused"]]
      )
    }).pipe(Effect.scoped, on(Claim))
  )

  it.effect("writes the same files for the same executions", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      for (const id of ["a/../b", "claim 2", "Ⅲ"]) yield* tell(id, steps)
      const [first, second] = [yield* recordAll(), yield* recordAll()]
      const contents = ({ directory }: typeof first) =>
        Effect.flatMap(fs.readDirectory(directory), (files) =>
          Effect.forEach(files.toSorted(), (file) =>
            Effect.map(fs.readFileString(join(directory, file)), (text) => [file, text])
          )
        )
      assert.lengthOf(yield* contents(first), 3)
      assert.deepStrictEqual(yield* contents(first), yield* contents(second))
    }).pipe(Effect.scoped, on(Claim))
  )

  it.effect("ends a run that is too long, or too large, and checks what it has", () =>
    Effect.gen(function* () {
      const text = "x".repeat(200_000)
      const open = (count: number, payload: Workflow.OpenData) =>
        Array.from({ length: count }, () => ({ event_name: "Noted", payload }))
      yield* tell("long", open(RecordedRuns.maxEventCount + 10, {}), "notes")
      yield* tell("large", open(60, { text }), "notes")
      const { directory, summary } = yield* recordAll()
      assert.deepInclude(summary, { runCount: 2, shortenedCount: 2, endedByRedactionCount: 0 })
      const report = yield* Effect.provide(RecordedRuns.check(directory), Workflows.layerOpen())
      assert.strictEqual(report.failedCount, 0)
      assert.strictEqual(report.eventCount, summary.eventCount)
      assert.isBelow(report.eventCount - RecordedRuns.maxEventCount, 60)
    }).pipe(Effect.scoped, on())
  )

  it.effect("refuses a sample of no execution, and of too many", () =>
    Effect.gen(function* () {
      for (const sampleSize of [0, 1.5, RecordedRuns.maxSampleSize + 1]) {
        const refused = yield* Effect.flip(recordAll({ sampleSize }))
        assert.deepInclude(refused, { _tag: "InvalidInput", field: "sampleSize" })
      }
    }).pipe(Effect.scoped, on(Claim))
  )
})

describe("RecordedRuns.record, redacted", () => {
  const secrets = ["ann@", "bob@", "example", "Müller", "1971", "acme", "claim-1"]

  const textOf = Effect.fnUntraced(function* (directory: string) {
    const fs = yield* FileSystem.FileSystem
    const files = yield* fs.readDirectory(directory)
    const texts = yield* Effect.forEach(files, (file) => fs.readFileString(join(directory, file)))
    return [...files, ...texts].join("\n")
  })

  it.effect("keeps no text, and folds to the same decisions: a guard still tells one user from another", () =>
    Effect.gen(function* () {
      yield* tell("claim-1", steps)
      const { directory, summary } = yield* recordAll({ isRedacted: true })
      assert.deepInclude(summary, { runCount: 1, eventCount: 5, undecidedCount: 0, shortenedCount: 0 })
      const text = yield* textOf(directory)
      assert.deepStrictEqual(
        secrets.filter((secret) => text.includes(secret)),
        []
      )
      assert.include(text, `"role":"boss"`)
      assert.strictEqual((yield* checkWith(directory, Claim)).failedCount, 0)
      const report = yield* checkWith(directory, Stricter)
      assert.deepStrictEqual(
        report.failures.flatMap(({ differences }) => differences.map(brief)),
        [[4, "Signed", "Accepted", "Refused"]]
      )
    }).pipe(Effect.scoped, on(Claim))
  )

  it.effect("names its files anew each time: no guess at an id can be tried on a name", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* tell("claim-1", steps)
      const exported = yield* Effect.replicateEffect(recordAll({ isRedacted: true }), 2)
      const names = yield* Effect.forEach(exported, ({ directory }) => fs.readDirectory(directory))
      assert.lengthOf(new Set(names.flat()), 2)
    }).pipe(Effect.scoped, on(Claim))
  )

  it.effect("ends a run before the event that no longer folds, and leaves out what it has no definition of", () =>
    Effect.gen(function* () {
      const Coded = Workflow.make({
        name: "coded",
        events: {
          Set: Schema.Struct({
            code: Schema.String.check(Schema.isPattern(/^SE-\d+$/)),
            at: Schema.DateTimeUtcFromString
          })
        },
        data: Schema.Struct({}),
        initial: { state: "Open", data: {} },
        states: { Open: { Set: "Open" } },
        evolve: { Set: (data) => data }
      })
      const set = { event_name: "Set", payload: { code: "SE-12", at: "2025-03-01T12:00:00.000Z" } }
      yield* Effect.gen(function* () {
        yield* tell("coded-1", [set, set], "coded")
        yield* tell("claim-1", steps)
        const { directory, summary } = yield* Effect.provide(recordAll({ isRedacted: true }), Workflows.layer(Coded))
        assert.deepInclude(summary, {
          runCount: 1,
          eventCount: 1,
          shortenedCount: 1,
          endedByRedactionCount: 1,
          leftOutCount: 1
        })
        assert.strictEqual((yield* checkWith(directory, Coded)).failedCount, 0)
      }).pipe(Effect.scoped, on(Claim, Coded))
    })
  )
})

// --- Errors in a file -------------------------------------------------------------------------------------------------

describe("RecordedRuns.check, of files that are broken", () => {
  /** The run of `steps` as lines, changed, checked. */
  const checkChanged = (change: (lines: ReadonlyArray<string>) => ReadonlyArray<string> | Uint8Array) =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* tell("claim-1", steps)
      const { directory } = yield* recordAll()
      const [file = ""] = yield* fs.readDirectory(directory)
      const path = join(directory, file)
      const changed = change((yield* fs.readFileString(path)).trimEnd().split("\n"))
      yield* changed instanceof Uint8Array
        ? fs.writeFile(path, changed)
        : fs.writeFileString(path, `${changed.join("\n")}\n`)
      const { failures, ...report } = yield* checkWith(directory, Claim)
      assert.strictEqual(failures[0]?.file, file)
      return { report, problem: failures[0]?.problem, checkedCount: failures[0]?.eventCount }
    }).pipe(Effect.scoped, on(Claim))

  const broken: ReadonlyArray<
    readonly [title: string, line: number, change: Parameters<typeof checkChanged>[0], problem: RegExp]
  > = [
    ["no JSON", 4, (lines) => lines.with(3, "{"), /it is not JSON/],
    ["another object", 3, (lines) => lines.with(2, "{}"), /^event does not fit the format of a recorded run/],
    [
      "a field of another kind",
      3,
      (lines) => lines.with(2, lines[2]?.replace(`"position":2`, `"position":"2"`) ?? ""),
      /^event\.position/
    ],
    ["an event left out", 3, (lines) => lines.toSpliced(2, 1), /at position 3, not 2/],
    ["an end that is missing", 5, (lines) => lines.slice(0, 4), /ends here, but its header announces 5 events/],
    [
      "more than its header tells of",
      7,
      (lines) => lines.with(0, lines[0]?.replace(`"eventCount":5`, `"eventCount":4`) ?? ""),
      /its header announces 4/
    ],
    ["no header", 1, (lines) => lines.slice(1), /^history does not fit the format of a recorded run/],
    ["nothing", 1, () => [], /it is not JSON/],
    ["bytes of no text", 1, () => new Uint8Array([0xff, 0xfe]), /not UTF-8/],
    [
      "a depth that no stack holds",
      2,
      (lines) => lines.with(1, `{"event":{"payload":${"[".repeat(200_000)}${"]".repeat(200_000)}}}`),
      /./
    ],
    ["too many bytes", 1, () => new Uint8Array(RecordedRuns.maxFileBytes + 1), /has at most/]
  ]
  it.effect.each(broken)("names the line: %s", ([, line, change, problem]) =>
    Effect.gen(function* () {
      const checked = yield* checkChanged(change)
      assert.strictEqual(checked.problem?._tag, "BrokenLine")
      assert.deepInclude(checked.problem, { line })
      assert.match(checked.problem?._tag === "BrokenLine" ? checked.problem.problem : "", problem)
      assert.deepInclude(checked.report, { failedCount: 1, brokenLineCount: 1, runCount: 1 })
    })
  )

  it.effect("names a workflow that is not registered, and a format that is newer", () =>
    Effect.gen(function* () {
      const unknown = yield* checkChanged((lines) => lines.with(0, lines[0]?.replace(`"claim"`, `"other"`) ?? ""))
      assert.deepStrictEqual(unknown.problem, { _tag: "UnknownWorkflow", name: "other", version: 1 })
      assert.deepInclude(unknown.report, { failedCount: 1, unknownWorkflowCount: 1 })
      const newer = yield* checkChanged((lines) => lines.with(0, `{"history":2,"anything":{}}`))
      assert.deepStrictEqual(newer.problem, { _tag: "NewerFormat", formatVersion: 2, knownVersion: 1 })
      assert.deepInclude(newer.report, { failedCount: 1, newerSchemaCount: 1 })
    })
  )

  it.effect("goes on with the other runs, in order of their names, those below included", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      yield* tell("claim-1", steps)
      const { directory } = yield* recordAll()
      yield* fs.makeDirectory(join(directory, "sub"))
      yield* fs.writeFileString(join(directory, "a.jsonl"), "no run\n")
      yield* fs.writeFileString(join(directory, "sub", "b.jsonl"), "no run\n")
      yield* fs.writeFileString(join(directory, "README.md"), "not looked at\n")
      const report = yield* checkWith(directory, Claim)
      assert.deepInclude(report, { runCount: 3, brokenLineCount: 2, eventCount: 5 })
      assert.deepStrictEqual(
        report.failures.map(({ file }) => file),
        ["a.jsonl", join("sub", "b.jsonl")]
      )
    }).pipe(Effect.scoped, on(Claim))
  )

  it.effect("fails for a directory that is not there, and for one without a run", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped()
      for (const path of [directory, join(directory, "missing")]) {
        const failed = yield* Effect.result(checkWith(path, Claim))
        assert.isTrue(Result.isFailure(failed))
        if (Result.isFailure(failed)) assert.strictEqual(failed.failure._tag, "RecordedRunFilesError")
      }
    }).pipe(Effect.scoped, on(Claim))
  )
})
