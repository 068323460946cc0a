/** Actors: fibers with one session of a real server each. They run one step at a time, and only on demand. */
import { assert } from "@effect/vitest"
import type { WorkflowEventModel, WorkflowEventProcessingModel, WorkflowExecutionModel } from "@refold/core"
import { Effect, Layer, Queue } from "effect"
import { SqlClient } from "effect/sql"
import fc from "fast-check"
import { blockedSessions, layerSession } from "./sessions.ts"

export type Ports = SqlClient.SqlClient | WorkflowEventModel | WorkflowExecutionModel | WorkflowEventProcessingModel

export interface Actor<Task> {
  readonly name: string
  readonly tasks: Queue.Queue<Task>
  /** Otherwise the actor runs, or waits for a lock. */
  isAtRest: boolean
  hasEnded: boolean
}

/** Short, so that the server resolves a deadlock soon. */
const startupParameters = { deadlock_timeout: "20ms" }

/** Starts the work. It pauses each time that it asks for its next task. The name is unique on the server. */
export const actorOf = Effect.fnUntraced(function* <Task>(
  schema: string,
  name: string,
  work: (next: Effect.Effect<Task>) => Effect.Effect<void, never, Ports>
) {
  const tasks = yield* Queue.unbounded<Task>()
  const actor: Actor<Task> = { name, tasks, isAtRest: false, hasEnded: false }
  const next = Effect.suspend(() => {
    actor.isAtRest = true
    return Queue.take(tasks)
  })
  const end = Effect.sync(() => Object.assign(actor, { isAtRest: true, hasEnded: true }))
  const own = yield* Layer.build(layerSession(schema, name, startupParameters))
  yield* work(next).pipe(Effect.ensuring(end), Effect.provide(own), Effect.forkScoped)
  return actor
})

/** Gives a paused actor its next task. */
export const tell = <Task>(actor: Actor<Task>, task: Task) =>
  Effect.suspend(() => {
    if (!actor.isAtRest || actor.hasEnded) return Effect.void
    actor.isAtRest = false
    return Effect.asVoid(Queue.offer(actor.tasks, task))
  })

/** Ends an actor's session, while it waits or between two steps. The actor continues with another session. */
export const kill = ({ name }: Pick<Actor<never>, "name">) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = ${name}`
  )

/** Returns when each actor is paused or waits for a lock. Polls the server a bounded number of times instead of sleeping. */
export const allStill = Effect.fnUntraced(function* (actors: ReadonlyArray<Pick<Actor<never>, "name" | "isAtRest">>) {
  for (let asked = 0; asked < 5000; asked++) {
    if (actors.every((actor) => actor.isAtRest)) return
    const names = yield* blockedSessions
    if (actors.every((actor) => actor.isAtRest || names.has(actor.name))) return
  }
  assert.fail("a session neither came to rest nor waited for a lock")
})

/** Lets all actors finish, in rounds, with a check after each round. The server resolves deadlocks. */
export const finish = Effect.fnUntraced(function* <E, R>(
  actors: ReadonlyArray<Actor<void>>,
  look: Effect.Effect<void, E, R>
) {
  for (let round = 0; !actors.every((actor) => actor.hasEnded); round++) {
    assert.isBelow(round, 1000)
    yield* allStill(actors)
    for (const actor of actors) yield* tell(actor, undefined)
    yield* look
  }
})

/** Checks a property of runs. A run takes up to half a second, so there are fewer: this many per hundred cases of other properties. */
export const holdsForAll = Effect.fnUntraced(function* <Run, E, R>(
  runs: fc.Arbitrary<Run>,
  perHundred: number,
  holds: (run: Run) => Effect.Effect<void, E, R>
) {
  const context = yield* Effect.context<R>()
  const property = fc.asyncProperty(runs, (each) => Effect.runPromiseWith(context)(holds(each)))
  const numRuns = Math.ceil(((fc.readConfigureGlobal().numRuns ?? 100) * perHundred) / 100)
  // Shrinking ends early enough to print the seed.
  yield* Effect.promise(() =>
    Promise.resolve(fc.assert(property, { numRuns, interruptAfterTimeLimit: 100_000, markInterruptAsFailure: true }))
  )
})
