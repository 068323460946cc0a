/** Sessions of a real server, one statement at a time, in an order that fast-check chooses. A seed repeats a failure. */
import { assert, layer } from "@effect/vitest"
import {
  type WorkflowEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel
} from "@refold/core"
import { Array, Effect, Exit, Result, Stream } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import { actorOf, allStill, finish, holdsForAll, kill, tell } from "./actors.ts"
import { type At, commitOf } from "./commits.ts"
import { ownSchema, uniqueName } from "./ownSchema.ts"

const partitionCount = 2
const { layer: store, schema } = ownSchema("interleavings", { partitionCount })

const writers = [0, 1, 2]
const executionIds = ["a", "b", "c", "d"]

type Step =
  /** One call with events for several executions. */
  | { readonly _tag: "Commit"; readonly executions: ReadonlyArray<number>; readonly eventCount: number }
  /** One call with an event for each execution. */
  | { readonly _tag: "Enqueue"; readonly executions: ReadonlyArray<number> }

interface Transaction {
  readonly steps: ReadonlyArray<Step>
  readonly isRolledBack: boolean
}

type Turn =
  /** A writer runs one step, unless it waits for another. */
  | { readonly _tag: "Write"; readonly writer: number }
  /** The server ends a writer's session, while it waits or between two steps. */
  | { readonly _tag: "Kill"; readonly writer: number }
  /** A follower reads the new events of the feeds. */
  | { readonly _tag: "Follow" }
  /** A reader asks for an execution, or for the list of all, as of some milliseconds from now. */
  | { readonly _tag: "Ask"; readonly execution: number | undefined; readonly millis: number }

interface Run {
  /** The tasks of each writer, in order. */
  readonly scripts: ReadonlyArray<ReadonlyArray<Transaction>>
  readonly turns: ReadonlyArray<Turn>
}

const execution = fc.nat({ max: executionIds.length - 1 })
const writer = fc.nat({ max: writers.length - 1 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      _tag: fc.constant("Commit"),
      executions: fc.uniqueArray(execution, { minLength: 1, maxLength: 3 }),
      eventCount: fc.integer({ min: 1, max: 2 })
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      _tag: fc.constant("Enqueue"),
      executions: fc.uniqueArray(execution, { minLength: 1, maxLength: 2 })
    })
  }
)
const transaction: fc.Arbitrary<Transaction> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 3 }),
  isRolledBack: fc.nat({ max: 3 }).map((n) => n === 3)
})
const turn: fc.Arbitrary<Turn> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ _tag: fc.constant("Write"), writer }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("Kill"), writer }) },
  { weight: 2, arbitrary: fc.constant({ _tag: "Follow" }) },
  {
    weight: 4,
    arbitrary: fc.record({
      _tag: fc.constant("Ask"),
      execution: fc.option(execution, { nil: undefined }),
      millis: fc.constantFrom(-3, 0, 1)
    })
  }
)
const run: fc.Arbitrary<Run> = fc.record({
  scripts: fc.array(fc.array(transaction, { minLength: 1, maxLength: 4 }), {
    minLength: writers.length,
    maxLength: writers.length
  }),
  turns: fc.array(turn, { minLength: 20, maxLength: 60, size: "max" })
})

/** The writes that callers were told of: event ids and processing ids. */
interface Written {
  readonly events: Array<string>
  readonly queued: Array<string>
}

/** Answers within a transaction that was not confirmed as committed do not count. */
const writing = (tenant: string, name: string, script: ReadonlyArray<Transaction>, written: Written) =>
  Effect.fnUntraced(function* (next: Effect.Effect<void>) {
    const sql = yield* SqlClient.SqlClient
    const model = yield* WorkflowEventModel
    const headers = yield* WorkflowExecutionModel
    const queue = yield* WorkflowEventProcessingModel
    const at = (place: number): At => ({ tenant, executionId: executionIds[place] ?? assert.fail("no execution") })

    const perform = Effect.fnUntraced(function* (step: Step, tag: string, own: Written) {
      if (step._tag === "Enqueue") {
        const events = step.executions.map((place) => {
          const id = `${tag} ${place}`
          return { ...at(place), processingId: id, eventId: id, submission: { event_name: "x" } }
        })
        if (!Array.isReadonlyArrayNonEmpty(events)) return
        own.queued.push(...(yield* queue.enqueue(events)).map((entry) => entry.processingId))
        return
      }
      const commits = yield* Effect.forEach(step.executions, (place) =>
        Effect.map(headers.find(at(place)), (header) =>
          commitOf(
            at(place),
            header._tag === "Some" ? header.value.position : 0,
            step.eventCount === 1 ? ["x"] : ["x", "y"],
            ` ${tag}`
          )
        )
      )
      const results = Array.isReadonlyArrayNonEmpty(commits) ? yield* model.commit(commits) : []
      for (const result of results) {
        if (Result.isSuccess(result)) own.events.push(...result.success.events.map((event) => event.event_id))
      }
    })

    for (const [number, { isRolledBack, steps }] of script.entries()) {
      const own: Written = { events: [], queued: [] }
      const exit = yield* Effect.gen(function* () {
        for (const [place, step] of steps.entries()) {
          yield* next
          yield* perform(step, `${name} ${number} ${place}`, own)
        }
        yield* next
        if (isRolledBack) yield* Effect.fail("rolled back")
      }).pipe(sql.withTransaction, Effect.exit)
      if (Exit.isFailure(exit)) continue
      written.events.push(...own.events)
      written.queued.push(...own.queued)
    }
  })

interface Question {
  readonly executionId: string | undefined
  readonly until: string
}

const answerTo = Effect.fnUntraced(function* (tenant: string, { executionId, until }: Question) {
  const events = yield* WorkflowEventModel
  const headers = yield* WorkflowExecutionModel
  return executionId === undefined
    ? yield* Stream.runCollect(headers.list({ tenant, asOf: until }))
    : yield* Stream.runCollect(events.read({ tenant, executionId, until }))
})

interface Given {
  readonly question: Question
  readonly answer: Effect.Success<ReturnType<typeof answerTo>>
}

/** A read that is refused because of a deadlock gives no answer. */
const asking = (tenant: string, given: Array<Given>) =>
  Effect.fnUntraced(function* (next: Effect.Effect<Question>) {
    for (;;) {
      const question = yield* next
      const exit = yield* Effect.exit(answerTo(tenant, question))
      if (Exit.isSuccess(exit)) given.push({ question, answer: exit.value })
    }
  })

/** A partition's feed as a follower has read it, from its end at the start of the run. */
interface Followed {
  readonly partition: number
  readonly begin: number
  readonly events: Array<WorkflowEvent>
}

/** Separates this run from what an earlier run has broken. */
const startFollowing = Effect.forEach(
  Array.range(0, partitionCount - 1),
  Effect.fnUntraced(function* (partition) {
    const model = yield* WorkflowEventModel
    const last = (yield* model.readFeed({ partition, after: 0, limit: 1_000_000 })).at(-1)
    return { partition, begin: last?.offset ?? 0, events: [] } satisfies Followed
  })
)

const follow = Effect.fnUntraced(function* (feeds: ReadonlyArray<Followed>) {
  const model = yield* WorkflowEventModel
  for (const { begin, events, partition } of feeds) {
    events.push(...(yield* model.readFeed({ partition, after: begin + events.length, limit: 1000 })))
    assert.deepStrictEqual(
      events.map((event) => event.offset),
      events.map((_, place) => begin + place + 1)
    )
  }
})

const holds = Effect.fnUntraced(function* ({ scripts, turns }: Run) {
  const sql = yield* SqlClient.SqlClient
  const model = yield* WorkflowEventModel
  const queue = yield* WorkflowEventProcessingModel
  const tenant = uniqueName("interleaved")
  const feeds = yield* startFollowing
  const firsts = Array.map(executionIds, (executionId) => commitOf({ tenant, executionId }, 0, ["first"]))
  assert(Array.isReadonlyArrayNonEmpty(firsts))
  const begun = (yield* model.commit(firsts)).flatMap((result) => Result.getOrThrow(result).events)
  const written: Written = { events: begun.map((event) => event.event_id), queued: [] }
  const given: Array<Given> = []
  const writers = yield* Effect.forEach(scripts, (script, place) => {
    const name = `${tenant} ${place}`
    return actorOf(schema, name, writing(tenant, name, script, written))
  })
  const asker = yield* actorOf(schema, `${tenant} asks`, asking(tenant, given))
  const actors = [...writers, asker]

  for (const turn of turns) {
    yield* allStill(actors)
    switch (turn._tag) {
      case "Follow":
        yield* follow(feeds)
        break
      case "Kill":
        yield* kill({ name: `${tenant} ${turn.writer}` })
        break
      case "Write": {
        const writer = writers[turn.writer]
        if (writer !== undefined) yield* tell(writer, undefined)
        break
      }
      case "Ask": {
        const [clock] = yield* sql<{ now: Date }>`
          select date_trunc('milliseconds', clock_timestamp()) + ${turn.millis}::int * interval '1 millisecond' as now`
        const executionId = turn.execution === undefined ? undefined : executionIds[turn.execution]
        yield* tell(asker, { executionId, until: clock?.now.toISOString() ?? "" })
        break
      }
    }
  }
  yield* finish(writers, follow(feeds))
  yield* allStill(actors)
  yield* follow(feeds)

  for (const { begin, events, partition } of feeds) {
    assert.deepStrictEqual(yield* model.readFeed({ partition, after: begin, limit: 1_000_000 }), events)
  }
  for (const { answer, question } of given) {
    assert.deepStrictEqual(yield* answerTo(tenant, question), answer, JSON.stringify(question))
  }
  const events = yield* Stream.runCollect(model.readTenant({ tenant }))
  assert.sameMembers(
    events.map((event) => event.event_id),
    written.events
  )
  const queued = yield* Stream.runCollect(queue.list({ tenant, statuses: ["Pending"] }))
  assert.sameMembers(
    queued.map((entry) => entry.processingId),
    written.queued
  )
  for (const executionId of executionIds) {
    for (const places of [
      events.flatMap((event) => (event.execution_id === executionId ? event.position : [])),
      queued.flatMap((entry) => (entry.executionId === executionId ? entry.queuePosition : []))
    ]) {
      assert.deepStrictEqual(
        places,
        places.map((_, place) => place + 1)
      )
    }
  }
})

layer(store, { excludeTestServices: true })("sessions in any order of their statements", (it) => {
  it.effect(
    "lose nothing that was answered and keep nothing that was not, leave no gap, pass no feed, and change no answer of the past",
    () => holdsForAll(run, 20, (each) => Effect.scoped(holds(each))),
    150_000
  )
})
