/** Clients and workers as processes: they start, stop in order, or are killed. */
import { type TypeScriptWorkflowRuntime, Worker, Workflows } from "@refold/runtime"
import { Context, Duration, Effect, Exit, Layer, Scope } from "effect"
import { servicesWith } from "../../runtime/Services.ts"
import { breaks, make as makeWorkflow } from "../Counter.ts"
import { type Life, portsOf } from "./FaultyPorts.ts"
import { watch } from "./Invariants.ts"
import { type ProcessName, type WorkerName, clients, workers } from "./Script.ts"
import { type World, maxAttempts } from "./World.ts"

export const leaseDuration = Duration.seconds(3)

/** A running process. */
export interface Process extends Life {
  readonly workerId: string
  readonly context: Context.Context<TypeScriptWorkflowRuntime>
  readonly scope: Scope.Closeable
  isStopping: boolean
  /** Callers' calls without an answer yet. */
  openCount: number
}

export class Processes {
  readonly #world: World
  readonly #running = new Map<ProcessName, Process>()
  #lifeCount = 0

  constructor(world: World) {
    this.#world = world
  }

  get all(): ReadonlyArray<Process> {
    return [...this.#running.values()]
  }

  alive(name: ProcessName): Process | undefined {
    const process = this.#running.get(name)
    return process?.isAlive === true ? process : undefined
  }

  /** Starts the process if it is down. */
  readonly boot = Effect.fnUntraced({ self: this }, function* (name: ProcessName) {
    if (this.alive(name) !== undefined) return
    const world = this.#world
    const { isMended, setting, tell } = world
    const lifeCount = ++this.#lifeCount
    const isWorker = name.startsWith("w")
    // A worker with the name of a dead one gets its leases at once; a worker with another name waits until they expire.
    const workerId = setting.burst === "kills" ? name : `${name}#${lifeCount}`
    tell(`${workerId} starts`)
    const life: Life = { watched: watch(name, isWorker), isAlive: true, faultCount: 0, refusedCount: 0, lateCount: 0 }
    onBurst.set(name, () => {
      if (world.isMended) return
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
    const own = world.contextOf(name, lifeCount)
    const built = yield* Layer.build(
      Layer.fresh(all).pipe(Layer.provide(Layer.succeedContext(portsOf(world, life))))
    ).pipe(Scope.provide(scope), Effect.provideContext(own))
    this.#running.set(
      name,
      Object.assign(life, { workerId, scope, isStopping: false, openCount: 0, context: Context.merge(own, built) })
    )
  })

  /** All processes that are down. */
  readonly bootAll = Effect.fnUntraced({ self: this }, function* () {
    for (const name of [...clients, ...workers]) yield* this.boot(name)
  })

  /** A stopped worker has released its leases, unless a call failed. */
  readonly stop = Effect.fnUntraced({ self: this }, function* (name: WorkerName) {
    const { invariants, owners, tell } = this.#world
    const process = this.alive(name)
    if (process === undefined || process.isStopping) return
    process.isStopping = true
    const { faultCount, scope, workerId } = process
    tell(`${workerId} stops`)
    yield* Effect.provideContext(Scope.close(scope, Exit.void), process.context)
    if (!process.isAlive) return
    process.isAlive = false
    tell(`${workerId} has stopped`)
    if (owners().has(workerId) && process.faultCount === faultCount) {
      invariants.violate("Leases are released", `${workerId} has stopped and still holds some`)
    }
    if (process.faultCount === 0 && process.watched.attempts.size > 0) {
      invariants.violate("Closing drains", `${workerId} has stopped in the middle of its work`)
    }
  })
}

/** The effect of a Burst on the process that folds it. Definitions are made once, because one takes longer than a commit. */
const onBurst = new Map<ProcessName, () => void>()

/** The definition that harms a process, by process, or the harmless definition. */
const definitionsOf = (workflow: string) => {
  const harmful = new Map(workers.map((name) => [name, makeWorkflow(workflow, () => onBurst.get(name)?.())] as const))
  const harmless = makeWorkflow(workflow, () => {})
  return (name: ProcessName | undefined) => [...harmful].find(([harmed]) => harmed === name)?.[1] ?? harmless
}
const counterOf = definitionsOf("counter")
const rareOf = definitionsOf("rare")
