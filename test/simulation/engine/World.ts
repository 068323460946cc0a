/** What one run uses: its seed, its time, its store and its channel, and the checks that watch them. */
import { MemoryWakeUpChannel, MemoryStore } from "@refold/adapters/memory"
import {
  WakeUpChannel,
  Instant,
  type Lease,
  PartitionLeases,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Array, Clock, Context, Effect, Exit, Layer, Random, References, Scheduler } from "effect"
import { WebCrypto } from "effect/crypto"
import type { webcrypto } from "node:crypto"
import { Chance } from "./Chance.ts"
import { Invariants, type Ports } from "./Invariants.ts"
import { Mishaps } from "./Mishaps.ts"
import type { ProcessName, Script, Setting } from "./Script.ts"
import { SeededScheduler } from "./SeededScheduler.ts"

export const partitionCount = 3
export const everyPartition = Array.range(0, partitionCount - 1)
export const maxAttempts = 3

export interface World {
  readonly setting: Setting
  readonly scheduler: SeededScheduler
  readonly invariants: Invariants
  readonly mishaps: Mishaps
  /** The real ports, and the ports of the processes, where a bug may be planted. */
  readonly ports: Ports
  readonly portsOfProcesses: Ports
  /** Draws delays. */
  readonly chance: Chance
  /** The present bound of random delays, in milliseconds. */
  latencyMillis: number
  /** Whether a Burst is harmless now. */
  isMended: boolean
  /** How far a wall clock is ahead. */
  readonly skewOf: (name: ProcessName | "store") => { millis: number }
  /** Clock, randomness and scheduler for one life of a process. */
  readonly contextOf: (name: ProcessName | "store", life: number) => Context.Context<never>
  /** Workers that hold a lease, by the store's clock. */
  readonly owners: () => ReadonlySet<string>
  /** Runs an operation of the store in one step. */
  readonly runAtStore: <A, E>(effect: Effect.Effect<A, E>) => A
  /** An operation of the store in one step, by the store's clock, and its observers. */
  readonly atStore: <A, E>(effect: Effect.Effect<A, E>, seen?: (answer: A) => void) => Effect.Effect<A, E>
  readonly trace: ReadonlyArray<string>
  readonly tell: (line: string) => void
  readonly elapsedMillis: () => number
}

export interface RunOptions {
  /** Another task order and other delays for the same script. */
  readonly schedule?: number
  /** Plants a bug: changes the ports of the store and of the channel for all processes. */
  readonly bug?: (ports: Ports) => Partial<Ports>
}

export const makeWorld = ({ seed, setting }: Script, { bug, schedule = 0 }: RunOptions): World => {
  const chanceOf = (stream: string) => new Chance(`${seed}/${stream}/${schedule}`)
  const scheduler = new SeededScheduler(chanceOf("schedule"), setting.pace)
  const startedAtMillis = scheduler.nowMillis
  const elapsedMillis = () => scheduler.nowMillis - startedAtMillis
  const skews = new Map<ProcessName | "store", { millis: number }>()
  const skewOf = (name: ProcessName | "store") => {
    const skew = skews.get(name) ?? { millis: 0 }
    skews.set(name, skew)
    return skew
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
  const bare = runAtStore(makePorts)
  const { leases, ownersAt } = watchedLeases(bare.leases)
  const ports = { ...bare, leases }
  const trace: globalThis.Array<string> = []
  return {
    setting,
    scheduler,
    invariants: new Invariants({
      ports,
      runSync: runAtStore,
      maxAttempts,
      nowMillis: () => scheduler.nowMillis,
      // If time passes while there is work, nothing can be said about it.
      afterwardsMillis: setting.pace.haste > 0 ? Infinity : 100
    }),
    mishaps: new Mishaps(() => scheduler.nowMillis),
    ports,
    portsOfProcesses: { ...ports, ...bug?.(ports) },
    chance: chanceOf("latency"),
    latencyMillis: setting.latencyMillis,
    isMended: false,
    skewOf,
    contextOf,
    owners: () => ownersAt(runAtStore(Clock.currentTimeMillis)),
    runAtStore,
    atStore: (effect, seen) =>
      Effect.suspend(() => {
        const exit = Effect.runSyncExitWith(storeContext)(effect)
        if (Exit.isSuccess(exit)) seen?.(exit.value)
        return exit
      }),
    trace,
    tell: (line) => {
      trace.push(`${String(elapsedMillis()).padStart(6)}  ${line}`)
    },
    elapsedMillis
  }
}

const makePorts = Effect.gen(function* () {
  const built = yield* Layer.build(Layer.merge(MemoryStore.layerWith({ partitionCount }), MemoryWakeUpChannel.layer))
  const ports: Ports = {
    events: Context.get(built, WorkflowEventModel),
    executions: Context.get(built, WorkflowExecutionModel),
    snapshots: Context.get(built, WorkflowSnapshotModel),
    queue: Context.get(built, WorkflowEventProcessingModel),
    stream: Context.get(built, WakeUpChannel),
    leases: Context.get(built, PartitionLeases)
  }
  return ports
}).pipe(Effect.scoped)

/** The leases and their holders: the last answer to each worker, until it expires or is released. */
const watchedLeases = ({ release, renew }: Ports["leases"]) => {
  const held = new Map<string, ReadonlyArray<Lease.Lease>>()
  const leases: Ports["leases"] = {
    renew: (options) =>
      Effect.tap(renew(options), (answer) =>
        Effect.sync(() => {
          held.set(options.workerId, answer)
        })
      ),
    release: (workerId) =>
      Effect.tap(release(workerId), () =>
        Effect.sync(() => {
          held.delete(workerId)
        })
      )
  }
  const ownersAt = (millis: number) => {
    const now = Instant.fromEpochMillis(millis)
    return new Set([...held].flatMap(([owner, own]) => (own.some(({ expiresAt }) => expiresAt > now) ? owner : [])))
  }
  return { leases, ownersAt }
}

/** Random bytes from the seed; no other method of the service is used. */
const cryptoOf = (chance: Chance): webcrypto.Crypto => ({
  getRandomValues: (array) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let index = 0; index < bytes.length; index++) bytes[index] = chance.below(256)
    return array
  },
  randomUUID: () => "00000000-0000-4000-8000-000000000000",
  subtle: globalThis.crypto.subtle
})
