/**
 * One run of the whole engine: clients, workers, sweeps, snapshots and wake-ups on the in-memory adapters. First with the
 * faults of its script and seed, then without faults until everything is done.
 */
import type { ExecutionRef, QueuedEvent } from "@refold/core"
import { Array, Cause, Duration, Effect, Exit } from "effect"
import { callersOf } from "./Callers.ts"
import type { Asked, Violation } from "./Invariants.ts"
import { type Process, Processes, leaseDuration } from "./Processes.ts"
import { type Placed, type Request, type Script, nameOf, places, print, workers } from "./Script.ts"
import { type RunOptions, type World, everyPartition, makeWorld, partitionCount } from "./World.ts"

export interface Outcome {
  readonly violation: Violation | undefined
  /** The trace in order, with times in milliseconds. */
  readonly trace: ReadonlyArray<string>
  readonly eventCount: number
  /** The outcome of each queued event. */
  readonly statuses: ReadonlyArray<QueuedEvent.Status["_tag"]>
  readonly taskCount: number
  readonly elapsedMillis: number
}

/** More tasks than any run needs. */
const maxTasks = 400_000

/**
 * Time in which everything is done after the faults end, not counting jumps of the store's clock: hanging calls, leases of
 * dead workers, attempts and their delays, sweeps.
 */
const settlingMillis = 40_000

/** Time in which a running, idle worker answers a wake-up. */
const wakingMillis = 200

export const run = (script: Script, options: RunOptions = {}): Outcome => {
  const world = makeWorld(script, options)
  const { invariants, scheduler } = world
  const processes = new Processes(world)
  const driver = Effect.gen(function* () {
    for (const name of ["c1", "c2", "w1", "w2"] as const) yield* processes.boot(name)
    for (const step of script.steps) yield* perform(world, processes, step)
    yield* comeToRest(world, processes, script)
  })
  const fiber = Effect.runForkWith(world.contextOf("store", 1))(driver, { scheduler })
  const { end, taskCount } = scheduler.run(
    () => invariants.violation !== undefined || fiber.pollUnsafe() !== undefined,
    maxTasks
  )
  if (end !== "Done") invariants.violate("The run comes to rest", end)
  const exit = fiber.pollUnsafe()
  // This is a mistake of the simulation itself.
  if (exit !== undefined && Exit.isFailure(exit) && invariants.violation === undefined) throw Cause.squash(exit.cause)
  return {
    violation: invariants.violation,
    trace: world.trace,
    eventCount: invariants.executions.reduce((total, { log }) => total + log.length, 0),
    statuses: invariants.executions.flatMap(({ entries }) => entries.map(({ status }) => status._tag)),
    taskCount,
    elapsedMillis: world.elapsedMillis()
  }
}

// --- The script ---------------------------------------------------------------------------------------------------------

const refAt = (at: number): ExecutionRef => places[at] ?? places[0]

const askedOf = (at: number, { key, submission }: Request, user: string): Asked => ({
  ref: refAt(at),
  key,
  submission: { user_id: user, ...submission }
})

const perform = Effect.fnUntraced(function* (world: World, processes: Processes, step: Placed) {
  const { enqueue, processNow, start, submit } = callersOf(world)
  const { mishaps, ports, runAtStore, skewOf, tell } = world
  tell(`> ${print(step)}`)
  // A process that is down makes no calls.
  const client = "client" in step ? processes.alive(step.client) : undefined
  switch (step.kind) {
    case "start":
      return client && start(client, refAt(step.at), step.key)
    case "submit":
      return client && submit(client, askedOf(step.at, step.request, `u${step.place}`))
    case "enqueue": {
      const asked = Array.map(step.requests, (each, index) => askedOf(each.at, each.request, `u${step.place}.${index}`))
      return client && enqueue(client, asked)
    }
    case "process":
      return client && processNow(client, refAt(step.at), step.which)
    case "redrive":
    case "discard":
      for (const ref of [...places.slice(step.at), ...places.slice(0, step.at)]) {
        if (giveBack(world, processes, step.kind, ref)) return
      }
      return
    case "wait":
      return yield* Effect.sleep(Duration.millis(step.millis))
    case "fault":
      return mishaps.arm(step.process, step.call, step.after, step.fault)
    case "outage":
      return mishaps.cutOff(step.process, step.of, step.millis)
    case "kill": {
      const process = processes.alive(step.process)
      if (process !== undefined) process.isAlive = false
      return
    }
    case "boot":
      return yield* processes.boot(step.process)
    case "stop":
      yield* Effect.forkDetach(processes.stop(step.process))
      return
    case "stream":
      return runAtStore(disturb(world, step.how))
    case "steal":
      runAtStore(ports.leases.renew({ workerId: `thief of ${step.place}`, duration: leaseDuration }))
      return
    case "clock":
      skewOf(step.of).millis += step.millis
  }
})

/** An operator redrives or discards the execution's first dead or skipped event. Returns whether there is one. */
const giveBack = (
  { invariants, portsOfProcesses, runAtStore }: World,
  processes: Processes,
  how: "redrive" | "discard",
  ref: ExecutionRef
): boolean => {
  const { entries } = invariants.seen(ref)
  const dead = entries.find(({ status: { _tag } }) => _tag === "Dead" || _tag === "Skipped")
  if (dead === undefined) return false
  const { processingId } = dead
  runAtStore(portsOfProcesses.queue[how]({ ...ref, processingId }))
  invariants.givenBack(
    processes.all.map(({ watched }) => watched),
    processingId
  )
  invariants.check(ref)
  return true
}

const disturb = Effect.fnUntraced(function* ({ ports }: World, how: "lose" | "double" | "turn round") {
  const reader = yield* ports.stream.reader
  const { deliveries } = yield* reader.read({ partitions: everyPartition, limit: 1000, timeout: moment })
  if (how !== "double") yield* reader.acknowledge(deliveries)
  const again = how === "turn round" ? deliveries.toReversed() : deliveries
  if (how !== "lose" && Array.isReadonlyArrayNonEmpty(again)) yield* ports.stream.publish(again)
}, Effect.scoped)

const moment = Duration.millis(1)

// --- Peace --------------------------------------------------------------------------------------------------------------

/** Without faults: every accepted event is processed, then one more event for each execution. */
const comeToRest = Effect.fnUntraced(function* (world: World, processes: Processes, script: Script) {
  const { enqueue, look } = callersOf(world)
  const { chance, invariants, mishaps, ports, scheduler, setting, tell } = world

  const sumOf = (countOf: (process: Process) => number) =>
    processes.all.reduce((total, process) => total + (process.isAlive ? countOf(process) : 0), 0)
  const openCalls = () => sumOf(({ openCount }) => openCount)

  /** Whether every pending event is behind a dead one, and no call is open. */
  const isAtRest = () =>
    sumOf(({ lateCount, openCount }) => lateCount + openCount) === 0 &&
    invariants.executions.every(({ entries }) => {
      const next = entries.find(({ status: { _tag } }) => _tag === "Pending" || _tag === "Dead")
      return next === undefined || next.status._tag === "Dead"
    })

  const describeWaiting = () =>
    invariants.executions
      .flatMap(({ entries, ref }) =>
        entries.flatMap(({ attemptCount, queuePosition, status: { _tag } }) =>
          _tag === "Pending" ? `queued event ${queuePosition} of ${nameOf(ref)} (attempt ${attemptCount})` : []
        )
      )
      .join(", ")

  tell("> from here on nothing goes wrong")
  mishaps.clear()
  world.latencyMillis = 0
  scheduler.pace = { ...setting.pace, haste: 0 }
  const wentBackMillis = script.steps.reduce(
    (total, step) => total + (step.kind === "clock" && step.of === "store" ? Math.max(-step.millis, 0) : 0),
    0
  )
  const patienceMillis = settlingMillis + wentBackMillis
  yield* processes.bootAll()
  if (!(yield* waitUntil(isAtRest, patienceMillis, 250, processes.bootAll()))) {
    return invariants.violate("Every pending event is found", `${describeWaiting()}; calls open: ${openCalls()}`)
  }

  tell("> the definitions are mended, and what is dead is redriven")
  const isReplaced = setting.mending === "in new workers"
  if (isReplaced) {
    for (const name of workers) yield* processes.stop(name)
    yield* waitUntil(() => workers.every((name) => processes.alive(name) === undefined), patienceMillis, 100)
  }
  world.isMended = true
  yield* processes.bootAll()
  for (const ref of places) {
    while (invariants.seen(ref).entries.some(({ status }) => status._tag === "Dead")) {
      giveBack(world, processes, "redrive", ref)
    }
  }
  if (!(yield* waitUntil(isAtRest, patienceMillis, 100))) {
    return invariants.violate("Every pending event is found", `${describeWaiting()}, when all is mended`)
  }

  // Waits until each worker reads its new partitions; the read in progress names the old ones.
  const isShared = () => {
    const owners = world.owners()
    return workers.every((name) => owners.has(processes.alive(name)?.workerId ?? ""))
  }
  yield* waitUntil(isShared, patienceMillis, 250)
  yield* Effect.sleep("1100 millis")
  // The next call may hang.
  yield* waitUntil(() => sumOf(({ lateCount }) => lateCount) === 0, patienceMillis, 250)
  yield* Effect.sleep(Duration.millis(1100 + chance.below(1000)))
  tell("> one more event for each")
  const client = processes.alive("c1")
  const last = places.flatMap((ref, at): ReadonlyArray<Asked> => {
    const { log, models } = invariants.seen(ref)
    // If the owner does not know the workflow, the sweep of another worker finds the event.
    const isKnown = isReplaced || ref.executionId !== "rare"
    const isOpen = log.length > 0 && models[log.length]?.isClosed === false
    return isKnown && isOpen ? [askedOf(at, lastRequest, `last ${at}`)] : []
  })
  if (client !== undefined && Array.isReadonlyArrayNonEmpty(last)) enqueue(client, last)
  if (!(yield* waitUntil(isAtRest, wakingMillis, 20))) {
    return invariants.violate("A wake-up is enough", `${describeWaiting()}, after ${wakingMillis} ms`)
  }

  for (const { entries, ref } of invariants.executions) {
    const dead = entries.find(({ status }) => status._tag === "Dead")
    if (dead !== undefined) {
      invariants.violate("Nothing is given up for good", `queued event ${dead.queuePosition} of ${nameOf(ref)} is dead`)
    }
  }

  // Wake-ups are acknowledged a little after they are read.
  yield* Effect.sleep(Duration.millis(200))
  invariants.checkAll(partitionCount)
  for (const { log, ref } of invariants.executions) if (client !== undefined && log.length > 0) look(client, ref)
  yield* waitUntil(() => openCalls() === 0, 1000, 20)
  const { deliveries } = yield* Effect.scoped(
    Effect.flatMap(ports.stream.reader, (reader) =>
      reader.read({ partitions: everyPartition, limit: 1000, timeout: moment })
    )
  )
  // A wake-up that could not be acknowledged comes again, but only to the next reader.
  if (isReplaced && deliveries.length > 0) {
    invariants.violate("The channel is empty at the end", deliveries.map(nameOf).join(", "))
  }
  for (const name of workers) yield* processes.stop(name)
})

const lastRequest: Request = { submission: { event_name: "Added", payload: { by: 1 } }, key: undefined }

/** Polls the condition; returns whether it became true. */
const waitUntil = Effect.fnUntraced(function* (
  isDone: () => boolean,
  millis: number,
  slice: number,
  meanwhile: Effect.Effect<void> = Effect.void
) {
  for (let waited = 0; waited < millis; waited += slice) {
    if (isDone()) return true
    yield* Effect.sleep(Duration.millis(slice))
    yield* meanwhile
  }
  return isDone()
})
