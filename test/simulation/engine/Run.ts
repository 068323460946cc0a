/**
 * One run of the whole engine: clients, workers, sweeps, snapshots and wake-ups on the adapters in memory, with all that its
 * script and its seed say, and then in peace until everything is done.
 */
import { MemoryEventStream, MemoryStore } from "@refold/adapters/memory"
import {
  EventStream,
  PartitionLeases,
  type QueuedEvent,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { TypeScriptWorkflowRuntime, Worker, Workflows, maxAttempts as submitAttempts } from "@refold/runtime"
import {
  Array,
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Layer,
  Random,
  References,
  Scheduler,
  Scope
} from "effect"
import { WebCrypto } from "effect/crypto"
import type { webcrypto } from "node:crypto"
import { breaks, make as makeWorkflow } from "../Counter.ts"
import { servicesWith } from "../../runtime/Services.ts"
import { Chance } from "./Chance.ts"
import { type Life, Mishaps, type Ports, type World, portsOf } from "./FaultyPorts.ts"
import { type Asked, Invariants, type Violation, watch } from "./Invariants.ts"
import {
  type Placed,
  type ProcessName,
  type Request,
  type Script,
  type WorkerName,
  clients,
  nameOf,
  places,
  print,
  workers
} from "./Script.ts"
import { SeededScheduler } from "./SeededScheduler.ts"

export interface Outcome {
  readonly violation: Violation | undefined
  /** What happened, in order, with the time in milliseconds. */
  readonly trace: ReadonlyArray<string>
  readonly eventCount: number
  /** What became of each queued event. */
  readonly standings: ReadonlyArray<QueuedEvent.Standing["_tag"]>
  readonly taskCount: number
  readonly elapsedMillis: number
}

export interface RunOptions {
  /** Another order of the tasks, and other delays, for the same script. */
  readonly schedule?: number
  /** Changes the ports of the store and of the stream, for all: a bug that is planted. */
  readonly bug?: (ports: Ports) => Partial<Ports>
}

const partitionCount = 3
const maxAttempts = 3
const leaseDuration = Duration.seconds(3)

/** More than any run takes. */
const maxTasks = 400_000

/**
 * Time in which everything is done once nothing goes wrong any more, beside what the clock of the store went back: calls that
 * hang, leases of the dead, attempts and their delays, sweeps.
 */
const settlingMillis = 40_000

/** Time in which a worker that is awake, and has nothing else to do, answers a wake-up. */
const wakingMillis = 200

const everyPartition = Array.range(0, partitionCount - 1)

/** A process that runs. */
interface Process extends Life {
  readonly workerId: string
  readonly context: Context.Context<TypeScriptWorkflowRuntime>
  readonly scope: Scope.Closeable
  isStopping: boolean
  /** Calls of callers that have no answer yet. */
  openCount: number
}

export const run = (script: Script, { bug, schedule = 0 }: RunOptions = {}): Outcome => {
  const { setting } = script
  const chanceOf = (stream: string) => new Chance(`${script.seed}/${stream}/${schedule}`)
  const scheduler = new SeededScheduler(chanceOf("schedule"), setting.pace)
  const skews = new Map<ProcessName | "store", { millis: number }>()
  const skewOf = (name: ProcessName | "store") => {
    const skew = skews.get(name) ?? { millis: 0 }
    skews.set(name, skew)
    return skew
  }
  const startedAtMillis = scheduler.nowMillis
  const trace: globalThis.Array<string> = []
  const tell = (line: string) => {
    trace.push(`${String(scheduler.nowMillis - startedAtMillis).padStart(6)}  ${line}`)
  }

  const contextOf = (name: ProcessName | "store", life: number) => {
    const chance = chanceOf(`${name} ${life}`)
    return Context.empty().pipe(
      Context.add(Clock.Clock, scheduler.clock(skewOf(name))),
      Context.add(Random.Random, chance.service),
      Context.add(WebCrypto.WebCrypto, cryptoOf(chance)),
      Context.add(Scheduler.Scheduler, scheduler),
      Context.add(References.MinimumLogLevel, "None"),
      Context.add(References.TracerEnabled, false)
    )
  }
  const storeContext = contextOf("store", 0)
  const runAtStore = Effect.runSyncWith(storeContext)
  const ports = runAtStore(makePorts)
  const invariants = new Invariants({
    ports,
    runSync: runAtStore,
    maxAttempts,
    nowMillis: () => scheduler.nowMillis,
    afterwardsMillis: setting.pace.haste > 0 ? Infinity : 100
  })
  const world: World = {
    ports: { ...ports, ...bug?.(ports) },
    mishaps: new Mishaps(() => scheduler.nowMillis),
    invariants,
    chance: chanceOf("latency"),
    latencyMillis: setting.latencyMillis,
    atStore: (effect, seen) =>
      Effect.suspend(() => {
        const exit = Effect.runSyncExitWith(storeContext)(effect)
        if (Exit.isSuccess(exit)) seen?.(exit.value)
        return exit
      }),
    tell
  }

  // --- Processes -------------------------------------------------------------------------------------------------------

  const processes = new Map<ProcessName, Process>()
  let lifeCount = 0
  let isMended = false

  const boot = Effect.fnUntraced(function* (name: ProcessName) {
    lifeCount++
    const isWorker = name.startsWith("w")
    // One that is known by the name of the dead has its leases at once; another waits until they are over.
    const workerId = setting.burst === "kills" ? name : `${name}#${lifeCount}`
    tell(`${workerId} starts`)
    const life: Life = { watched: watch(name, isWorker), isAlive: true, faultCount: 0, refusedCount: 0, lateCount: 0 }
    onBurst.set(name, () => {
      if (isMended) return
      if (setting.burst === "kills") life.isAlive = false
      tell(`${workerId} meets a Burst`)
      breaks()
    })
    const isHarmless = isMended || !isWorker
    const known = isHarmless || name !== "w1" ? [counterOf, rareOf] : [counterOf]
    const scope = yield* Scope.make()
    const services = servicesWith({
      registry: Workflows.layer(...known.map((definitionOf) => definitionOf(isHarmless ? undefined : name))),
      failurePolicy: {
        maxAttempts,
        firstDelay: Duration.millis(500),
        maxDelay: Duration.seconds(1),
        afterLast: setting.afterLast
      },
      policy: { _tag: "Every", eventCount: 3 },
      retention: { _tag: "KeepLast", count: 2 }
    })
    const all = Layer.provideMerge(isWorker ? Worker.layer({ workerId, leaseDuration }) : Layer.empty, services)
    const own = contextOf(name, lifeCount)
    const built = yield* Layer.build(
      Layer.fresh(all).pipe(Layer.provide(Layer.succeedContext(portsOf(world, life))))
    ).pipe(Scope.provide(scope), Effect.provideContext(own))
    processes.set(
      name,
      Object.assign(life, { workerId, scope, isStopping: false, openCount: 0, context: Context.merge(own, built) })
    )
  })

  const alive = (name: ProcessName): Process | undefined => {
    const process = processes.get(name)
    return process?.isAlive === true ? process : undefined
  }

  /** Its leases are the others' when it has stopped, unless something went wrong. */
  const stop = Effect.fnUntraced(function* (name: WorkerName) {
    const process = alive(name)
    if (process === undefined || process.isStopping) return
    process.isStopping = true
    const { faultCount, scope, workerId } = process
    tell(`${workerId} stops`)
    yield* Effect.provideContext(Scope.close(scope, Exit.void), process.context)
    if (!process.isAlive) return
    process.isAlive = false
    tell(`${workerId} has stopped`)
    const isHeld = runAtStore(ports.leases.list).some((lease) => lease.owner === workerId)
    if (isHeld && process.faultCount === faultCount) {
      invariants.violate("Leases are given back", `${workerId} has stopped and still holds some`)
    }
    if (process.faultCount === 0 && process.watched.attempts.size > 0) {
      invariants.violate("Closing drains", `${workerId} has stopped in the middle of its work`)
    }
  })

  // --- Callers ---------------------------------------------------------------------------------------------------------

  /** Calls without waiting for the answer. What the store failed at may have been done. */
  const calling = <A, E extends { readonly _tag: string; readonly message: string }>(
    process: Process,
    text: string,
    call: (runtime: TypeScriptWorkflowRuntime["Service"]) => Effect.Effect<A, E>,
    told: { readonly answer: (answer: A) => void; readonly refusal: (tag: string) => boolean }
  ) => {
    const { faultCount, refusedCount } = process
    const answered = Effect.exit(call(Context.get(process.context, TypeScriptWorkflowRuntime))).pipe(
      Effect.map((exit) => {
        process.openCount--
        if (Exit.isSuccess(exit)) {
          tell(`${text}: done`)
          return told.answer(exit.value)
        }
        const error = Cause.squash(exit.cause)
        const tag = error instanceof Error && "_tag" in error ? String(error._tag) : "a defect"
        tell(`${text}: ${tag}`)
        const isRefused = error instanceof Error && "reason" in error && error.reason === "Refused"
        const hasCause = isRefused ? process.refusedCount > refusedCount : process.faultCount > faultCount
        if (tag === "StoreError" ? hasCause : told.refusal(tag)) return
        invariants.violate("No failure without a cause", `${text}: ${Cause.pretty(exit.cause)}`)
      })
    )
    process.openCount++
    Effect.runForkWith(process.context)(answered, { scheduler })
  }

  const askedOf = (at: number, request: Request, user: string): Asked => {
    const { tenant, executionId } = places[at] ?? places[0]
    const { key, submission } = request
    return { ref: { tenant, executionId }, key, submission: { user_id: user, ...submission } }
  }

  const optionsOf = ({ key, ref, submission }: Asked) => ({
    ...ref,
    submission,
    ...(key === undefined ? {} : { idempotencyKey: key })
  })

  const start = (process: Process, at: number, key: string | undefined) => {
    const ref = places[at] ?? places[0]
    const text = `${process.watched.name} starts ${nameOf(ref)}`
    calling(
      process,
      text,
      (runtime) =>
        runtime.startWorkflow({
          ...ref,
          workflow: { name: ref.executionId === "rare" ? "rare" : "counter" },
          idempotencyKey: key
        }),
      {
        answer: (state) => invariants.started(ref, state),
        refusal: (tag) => tag === "ExecutionAlreadyExists" && invariants.isTaken(ref, key)
      }
    )
  }

  const lengthOf = ({ ref }: Asked) => invariants.seen(ref).log.length
  const isThere = (asked: Asked) => lengthOf(asked) > 0

  const submit = (process: Process, asked: Asked) => {
    const before = invariants.knownOf(asked)
    const length = lengthOf(asked)
    calling(
      process,
      `${process.watched.name} submits ${asked.submission.event_name} to ${nameOf(asked.ref)}`,
      (runtime) => runtime.submitEvent(optionsOf(asked)),
      {
        answer: (state) => invariants.submitted(asked, before, state),
        refusal: (tag) => {
          invariants.refused(asked, { before, error: tag })
          if (tag === "ExecutionNotFound") return length === 0
          if (tag === "TransitionRejected" || tag === "ExecutionComplete") invariants.checkRejection(asked, length)
          // Somebody was faster each time.
          if (tag === "ExecutionContended") return lengthOf(asked) - length >= submitAttempts
          return refusals.submit.has(tag)
        }
      }
    )
  }

  const enqueue = (process: Process, requests: Array.NonEmptyReadonlyArray<Asked>) => {
    const before = requests.map((asked) => invariants.entryOf(asked))
    const wereThere = requests.every(isThere)
    calling(
      process,
      `${process.watched.name} enqueues ${requests.map((asked) => `${asked.submission.event_name} to ${nameOf(asked.ref)}`).join(", ")}`,
      (runtime) => runtime.enqueueEvents(Array.map(requests, optionsOf)),
      {
        answer: (answers) => {
          for (const [index, asked] of requests.entries()) {
            const answer = answers[index]
            if (answer !== undefined) invariants.enqueued(asked, before[index], answer)
          }
        },
        refusal: (tag) => {
          for (const [index, asked] of requests.entries()) {
            // Of many, another may be to blame.
            invariants.refused(asked, { before: requests.length > 1 ? undefined : before[index], error: tag })
          }
          return tag === "ExecutionNotFound" ? !wereThere : refusals.enqueue.has(tag)
        }
      }
    )
  }

  const processNow = (process: Process, at: number, which: number) => {
    const ref = places[at] ?? places[0]
    const entry = invariants.seen(ref).entries[which]
    if (entry === undefined) return
    const { eventId, processingId } = entry
    calling(
      process,
      `${process.watched.name} processes ${nameOf(ref)} ${entry.queuePosition}`,
      (runtime) => runtime.processQueuedEvent({ ...ref, eventId, processingId, workerId: process.workerId }),
      {
        answer: (result) => invariants.processed(ref, processingId, result),
        refusal: (tag) => tag === "ExecutionBusy"
      }
    )
  }

  const giveBack = (kind: "redrive" | "discard", at: number) => {
    const ref = places[at] ?? places[0]
    const { entries } = invariants.seen(ref)
    const dead = entries.find(({ standing: { _tag } }) => _tag === "Dead" || _tag === "Skipped")
    if (dead === undefined) return
    const { processingId } = dead
    runAtStore(world.ports.queue[kind]({ ...ref, processingId }))
    invariants.givenBack(
      [...processes.values()].map(({ watched }) => watched),
      processingId
    )
    invariants.check(ref)
  }

  // --- The script ------------------------------------------------------------------------------------------------------

  const disturb = Effect.fnUntraced(function* (how: "lose" | "double" | "turn round") {
    const reader = yield* ports.stream.reader
    const { deliveries } = yield* reader.read({ partitions: everyPartition, limit: 1000, timeout: Duration.millis(1) })
    if (how !== "double") yield* reader.acknowledge(deliveries)
    const again = how === "turn round" ? deliveries.toReversed() : deliveries
    if (how !== "lose" && Array.isReadonlyArrayNonEmpty(again)) yield* ports.stream.publish(again)
  }, Effect.scoped)

  const perform = Effect.fnUntraced(function* (step: Placed) {
    tell(`> ${print(step)}`)
    switch (step.kind) {
      case "start": {
        const client = alive(step.client)
        return client === undefined ? undefined : start(client, step.at, step.key)
      }
      case "submit": {
        const client = alive(step.client)
        return client === undefined ? undefined : submit(client, askedOf(step.at, step.request, `u${step.place}`))
      }
      case "enqueue": {
        const client = alive(step.client)
        if (client === undefined) return
        const asked = Array.map(step.requests, (each, index) =>
          askedOf(each.at, each.request, `u${step.place}.${index}`)
        )
        return enqueue(client, asked)
      }
      case "process": {
        const client = alive(step.client)
        return client === undefined ? undefined : processNow(client, step.at, step.which)
      }
      case "redrive":
      case "discard":
        return giveBack(step.kind, step.at)
      case "wait":
        return yield* Effect.sleep(Duration.millis(step.millis))
      case "fault":
        return world.mishaps.arm(step.process, step.call, step.after, step.fault)
      case "outage":
        return world.mishaps.cutOff(step.process, step.of, step.millis)
      case "kill": {
        const process = alive(step.process)
        if (process !== undefined) process.isAlive = false
        return
      }
      case "boot":
        return alive(step.process) === undefined ? yield* boot(step.process) : undefined
      case "stop":
        return void (yield* Effect.forkDetach(stop(step.process)))
      case "stream":
        return runAtStore(disturb(step.how))
      case "steal":
        return void runAtStore(ports.leases.renew({ workerId: `thief of ${step.place}`, duration: leaseDuration }))
      case "clock":
        skewOf(step.of).millis += step.millis
    }
  })

  // --- Peace -----------------------------------------------------------------------------------------------------------

  const sumOf = (countOf: (process: Process) => number) =>
    [...processes.values()].reduce((total, process) => total + (process.isAlive ? countOf(process) : 0), 0)
  const openCalls = () => sumOf(({ openCount }) => openCount)

  /** Whether nothing waits but behind what is dead, and no answer is still to come. */
  const isAtRest = () =>
    sumOf(({ lateCount, openCount }) => lateCount + openCount) === 0 &&
    invariants.executions.every(({ entries }) => {
      const next = entries.find(({ standing: { _tag } }) => _tag === "Waiting" || _tag === "Dead")
      return next === undefined || next.standing._tag === "Dead"
    })

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

  const describeWaiting = () =>
    invariants.executions
      .flatMap(({ entries, ref }) =>
        entries.flatMap(({ attemptCount, queuePosition, standing: { _tag } }) =>
          _tag === "Waiting" ? `queued event ${queuePosition} of ${nameOf(ref)} (attempt ${attemptCount})` : []
        )
      )
      .join(", ")

  const supervise = Effect.gen(function* () {
    for (const name of [...clients, ...workers]) if (alive(name) === undefined) yield* boot(name)
  })

  const peace = Effect.gen(function* () {
    tell("> from here on nothing goes wrong")
    world.mishaps.clear()
    world.latencyMillis = 0
    scheduler.pace = { ...setting.pace, haste: 0 }
    yield* supervise
    const wentBackMillis = script.steps.reduce(
      (total, step) => total + (step.kind === "clock" && step.of === "store" ? Math.max(-step.millis, 0) : 0),
      0
    )
    if (!(yield* waitUntil(isAtRest, settlingMillis + wentBackMillis, 250, supervise))) {
      return invariants.violate("Something wakes what is queued", `${describeWaiting()}; calls open: ${openCalls()}`)
    }

    tell("> the definitions are mended, and what is dead is redriven")
    const isReplaced = setting.mending === "in new workers"
    if (isReplaced) {
      for (const name of workers) yield* stop(name)
      yield* waitUntil(() => workers.every((name) => alive(name) === undefined), settlingMillis, 100)
    }
    isMended = true
    yield* supervise
    for (const [at] of places.entries()) {
      while (invariants.seen(places[at] ?? places[0]).entries.some(({ standing }) => standing._tag === "Dead")) {
        giveBack("redrive", at)
      }
    }
    if (!(yield* waitUntil(isAtRest, settlingMillis + wentBackMillis, 100))) {
      return invariants.violate("Something wakes what is queued", `${describeWaiting()}, when all is mended`)
    }

    // When each has its partition, and reads it: the read that is under way names those that it had before.
    const isShared = () => {
      const owners = new Set(runAtStore(ports.leases.list).map(({ owner }) => owner))
      return workers.every((name) => owners.has(alive(name)?.workerId ?? ""))
    }
    yield* waitUntil(isShared, settlingMillis + wentBackMillis, 250)
    yield* Effect.sleep(Duration.millis(1100 + world.chance.below(1000)))
    tell("> one more event for each")
    const client = alive("c1")
    const open = Array.filter(
      Array.map(places, (_, at) => at),
      (at) => {
        const { log, models, ref } = invariants.seen(places[at] ?? places[0])
        // Where its worker does not know the workflow, another one's sweep finds it.
        const isKnown = isReplaced || ref.executionId !== "rare"
        return isKnown && log.length > 0 && models[log.length]?.isClosed === false
      }
    )
    const last = open.map((at) =>
      askedOf(at, { submission: { event_name: "Added", payload: { by: 1 } }, key: undefined }, `last ${at}`)
    )
    if (client !== undefined && Array.isReadonlyArrayNonEmpty(last)) enqueue(client, last)
    if (!(yield* waitUntil(isAtRest, wakingMillis, 20))) {
      return invariants.violate("A wake-up is enough", `${describeWaiting()}, after ${wakingMillis} ms`)
    }

    // What was read is acknowledged a little later.
    yield* Effect.sleep(Duration.millis(200))
    invariants.checkAll(partitionCount)
    for (const { log, ref } of invariants.executions) {
      if (client === undefined || log.length === 0) continue
      calling(client, `the state of ${nameOf(ref)}`, (runtime) => runtime.getExecutionState(ref), {
        answer: (state) => invariants.atRest(ref, state),
        refusal: () => false
      })
    }
    yield* waitUntil(() => openCalls() === 0, 1000, 20)
    const left = runAtStore(
      Effect.scoped(
        Effect.flatMap(ports.stream.reader, (reader) =>
          reader.read({ partitions: everyPartition, limit: 1000, timeout: Duration.millis(1) })
        )
      )
    )
    // What could not be acknowledged comes again to the next reader.
    if (isReplaced && left.deliveries.length > 0) {
      invariants.violate("The stream is left empty", left.deliveries.map(nameOf).join(", "))
    }
    for (const name of workers) yield* stop(name)
  })

  const driver = Effect.gen(function* () {
    for (const name of [...clients, "w1", "w2"] as const) yield* boot(name)
    for (const step of script.steps) yield* perform(step)
    yield* peace
  })

  const fiber = Effect.runForkWith(contextOf("store", 1))(driver, { scheduler })
  const { end, taskCount } = scheduler.run(
    () => invariants.violation !== undefined || fiber.pollUnsafe() !== undefined,
    maxTasks
  )
  if (end !== "Done") invariants.violate("The run comes to rest", end)
  const exit = fiber.pollUnsafe()
  // A mistake of the simulation itself.
  if (exit !== undefined && Exit.isFailure(exit) && invariants.violation === undefined) throw Cause.squash(exit.cause)
  return {
    violation: invariants.violation,
    trace,
    eventCount: invariants.executions.reduce((total, { log }) => total + log.length, 0),
    standings: invariants.executions.flatMap(({ entries }) => entries.map(({ standing }) => standing._tag)),
    taskCount,
    elapsedMillis: scheduler.nowMillis - startedAtMillis
  }
}

/** What happens in a process that folds a Burst: definitions are made once, since each takes longer than a whole commit. */
const onBurst = new Map<ProcessName, () => void>()

/** A definition by the process that it does harm to, or the harmless one. */
const definitionsOf = (workflow: string) => {
  const harmful = new Map(workers.map((name) => [name, makeWorkflow(workflow, () => onBurst.get(name)?.())] as const))
  const harmless = makeWorkflow(workflow, () => {})
  return (name: ProcessName | undefined) => [...harmful].find(([harmed]) => harmed === name)?.[1] ?? harmless
}
const counterOf = definitionsOf("counter")
const rareOf = definitionsOf("rare")

/** What a caller may be refused, with nothing written. */
const refusals = {
  submit: new Set(["TransitionRejected", "ExecutionComplete", "IdempotencyConflict"]),
  enqueue: new Set(["ExecutionComplete", "IdempotencyConflict"])
}

const makePorts = Effect.gen(function* () {
  const built = yield* Layer.build(Layer.merge(MemoryStore.layerWith({ partitionCount }), MemoryEventStream.layer))
  const ports: Ports = {
    events: Context.get(built, WorkflowEventModel),
    executions: Context.get(built, WorkflowExecutionModel),
    snapshots: Context.get(built, WorkflowSnapshotModel),
    queue: Context.get(built, WorkflowEventProcessingModel),
    stream: Context.get(built, EventStream),
    leases: Context.get(built, PartitionLeases)
  }
  return ports
}).pipe(Effect.scoped)

/** Random bytes from the seed; nothing else of it is used. */
const cryptoOf = (chance: Chance): webcrypto.Crypto => ({
  getRandomValues: (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let index = 0; index < bytes.length; index++) bytes[index] = chance.below(256)
    return array
  },
  randomUUID: () => "00000000-0000-4000-8000-000000000000",
  subtle: globalThis.crypto.subtle
})
