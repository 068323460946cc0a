/** Workers that behave as separate processes on the current ports. They can be killed, and their calls are counted. */
import { assert } from "@effect/vitest"
import { PartitionLeases, type WakeUpReader, WorkflowEventModel } from "@refold/core"
import { Worker, type WorkerOptions } from "@refold/runtime"
import { Context, Duration, Effect, Exit, Layer, Scope } from "effect"
import { type Changes, type Options, changed, elapse, servicesWith } from "./Services.ts"

type Call =
  | "claim"
  | "commit"
  | "fail"
  | "findReady"
  | "lag"
  | "publish"
  | "reader"
  | "read"
  | "acknowledge"
  | "renew"
  | "release"

/**
 * Starts a worker on changed ports. `kill` acts as `kill -9`: after it, no call reaches the ports, and no answer reaches
 * the worker. `close` ends the worker in order.
 */
export const startWorker = Effect.fnUntraced(function* (
  options: WorkerOptions & { readonly services?: Options; readonly ports?: Changes } = {}
) {
  const { ports = {}, services = {}, ...ofWorker } = options
  const calls = new Map<Call, number>()
  let isAlive = true
  const watched = <A, E, R>(call: Call, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => {
      calls.set(call, (calls.get(call) ?? 0) + 1)
      return isAlive
        ? Effect.flatMap(effect, (answer) => (isAlive ? Effect.succeed(answer) : Effect.never))
        : Effect.never
    })
  const process = changed({
    events: ({ commit }) => ({ commit: (commits) => watched("commit", commit(commits)) }),
    queue: ({ claim, fail, findReady, lag }) => ({
      claim: (claimed) => watched("claim", claim(claimed)),
      fail: (failed) => watched("fail", fail(failed)),
      findReady: (sought) => watched("findReady", findReady(sought)),
      lag: watched("lag", lag)
    }),
    stream: ({ publish, reader }) => ({
      publish: (wakeUps) => watched("publish", publish(wakeUps)),
      reader: watched(
        "reader",
        Effect.map(reader, (opened): WakeUpReader => ({
          read: (wanted) => watched("read", opened.read(wanted)),
          acknowledge: (deliveries) => watched("acknowledge", opened.acknowledge(deliveries))
        }))
      )
    }),
    leases: ({ release, renew }) => ({
      renew: (lease) => watched("renew", renew(lease)),
      release: (workerId) => watched("release", release(workerId))
    })
  })
  const scope = yield* Scope.make()
  const built = yield* Layer.fresh(Worker.layer(ofWorker).pipe(Layer.provideMerge(servicesWith(services)))).pipe(
    Layer.provide(process),
    Layer.provide(changed(ports)),
    Layer.build,
    Scope.provide(scope)
  )
  const close = Scope.close(scope, Exit.void)
  // Work in progress at the end of a test may be waiting for the clock.
  yield* Effect.addFinalizer(() =>
    isAlive ? Effect.flatMap(Effect.forkChild(close), (closing) => elapse(closing, "1 minute")) : Effect.void
  )
  return {
    ...Context.get(built, Worker),
    close,
    kill: Effect.sync(() => {
      isAlive = false
    }),
    /** Number of port calls so far, by name. */
    calls: (call: Call) => calls.get(call) ?? 0,
    callCount: () => [...calls.values()].reduce((total, count) => total + count, 0)
  }
})

/** Fails unless a new worker gets every partition; it releases them afterwards. */
export const everyPartitionIsFree = Effect.gen(function* () {
  const { release, renew } = yield* PartitionLeases
  const { partitionCount } = yield* WorkflowEventModel
  const leases = yield* renew({ workerId: "a worker that comes", duration: Duration.seconds(1) })
  yield* release("a worker that comes")
  assert.strictEqual(leases.length, partitionCount)
})
