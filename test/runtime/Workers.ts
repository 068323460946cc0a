/** Workers as processes of their own on the ports at hand, which can be killed, and whose calls are counted. */
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
 * Starts a worker, on ports that are changed first. `kill` is `kill -9`: from then on nothing that it does reaches the
 * ports, and nothing that they answer reaches it. `close` is its orderly end.
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
  // What is under way at the end of a test may be waiting for the clock.
  yield* Effect.addFinalizer(() =>
    isAlive ? Effect.flatMap(Effect.forkChild(close), (closing) => elapse(closing, "1 minute")) : Effect.void
  )
  return {
    ...Context.get(built, Worker),
    close,
    kill: Effect.sync(() => {
      isAlive = false
    }),
    /** Calls of the ports so far, by name. */
    calls: (call: Call) => calls.get(call) ?? 0,
    callCount: () => [...calls.values()].reduce((total, count) => total + count, 0)
  }
})

/** Fails unless a worker that comes now is given every partition, which it gives back. */
export const everyPartitionIsFree = Effect.gen(function* () {
  const { release, renew } = yield* PartitionLeases
  const { partitionCount } = yield* WorkflowEventModel
  const leases = yield* renew({ workerId: "a worker that comes", duration: Duration.seconds(1) })
  yield* release("a worker that comes")
  assert.strictEqual(leases.length, partitionCount)
})
