/**
 * The kits of an adapter in one call: each promise of each port that a layer provides, as a test, as data, or at once.
 *
 * **Details**
 *
 * Every check builds the layer anew, and closes it after. A store that is slow to open may be opened once, and given as
 * `Layer.succeedContext` of its services: checks leave each other alone, also in a store that holds data. The kit of
 * `PartitionLeases` wants a store in which nobody else takes leases meanwhile, and its checks one after another.
 */
import {
  WakeUpChannel,
  type WakeUpChannelError,
  PartitionLeases,
  type StoreError,
  WorkflowEventModel,
  WorkflowEventProcessingModel,
  WorkflowExecutionModel,
  WorkflowSnapshotModel
} from "@refold/core"
import { Array, Cause, type Context, Duration, Effect, type Layer, Option, Schema } from "effect"
import { type Check, ConformanceFailure } from "./Check.ts"
import { durableWakeUpChannelSuite, wakeUpChannelSuite } from "./WakeUpChannelSuite.ts"
import { partitionLeasesSuite } from "./PartitionLeasesSuite.ts"
import { eventModelSuite } from "./WorkflowEventModelSuite.ts"
import { processingModelSuite } from "./WorkflowEventProcessingModelSuite.ts"
import { executionModelSuite } from "./WorkflowExecutionModelSuite.ts"
import { snapshotModelSuite } from "./WorkflowSnapshotModelSuite.ts"

/** A kit of each port; `DurableEventStream` is of streams that keep what was not acknowledged, and runs when named alone. */
export const KitName = Schema.Literals([
  "WorkflowEventModel",
  "WorkflowSnapshotModel",
  "WorkflowExecutionModel",
  "WorkflowEventProcessingModel",
  "PartitionLeases",
  "WakeUpChannel",
  "DurableEventStream"
])
export type KitName = typeof KitName.Type

export interface KitOptions {
  /** By default the kit of every port that the layer provides. */
  readonly kits?: Array.NonEmptyReadonlyArray<KitName>
}

/** One promise, with all that it needs. */
export interface AdapterCheck {
  readonly kit: KitName
  readonly title: string
  readonly check: Effect.Effect<void, PromiseBroken>
  /** The same for runners that know promises. */
  readonly run: () => Promise<void>
}

/** The adapter breaks the promise; the message says what was expected and what was found. */
export class PromiseBroken extends Schema.TaggedError<PromiseBroken>()("PromiseBroken", {
  kit: KitName,
  promise: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    const found = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return [`${this.kit} promises: ${this.promise}`, ...found.split("\n")].join("\n    ")
  }
}

/** Some of the promises are broken. */
export class AdapterUnfit extends Schema.TaggedError<AdapterUnfit>()("AdapterUnfit", {
  checkCount: Schema.Int,
  broken: Schema.Array(Schema.instanceOf(PromiseBroken))
}) {
  override get message(): string {
    const broken = this.broken.map(({ message }) => message)
    return [`${broken.length} of ${this.checkCount} promises are broken`, ...broken].join("\n\n")
  }
}

/** A kit cannot run on the layer. */
export class PortMissing extends Schema.TaggedError<PortMissing>()("PortMissing", {
  kit: KitName,
  port: Schema.String
}) {
  override get message(): string {
    return `The layer does not provide ${this.port}, which the kit ${this.kit} needs: merge a layer that does, or name other kits`
  }
}

/** No kit is of a port that the layer provides, so that nothing would be checked. */
export class NothingToCheck extends Schema.TaggedError<NothingToCheck>()("NothingToCheck", {}) {
  override get message(): string {
    return `The layer provides none of the ports that have a kit: ${defaultKits.join(", ")}`
  }
}

/**
 * Every promise of the layer's ports, as data: for a runner of one's own.
 *
 * **Errors**
 *
 * `PortMissing`, `NothingToCheck`, and the layer's own: it is built once to see which ports it provides.
 */
export const adapterChecks = <Provided, E>(
  layer: Layer.Layer<Provided, E>,
  options: KitOptions = {}
): Effect.Effect<ReadonlyArray<AdapterCheck>, PortMissing | NothingToCheck | E> => {
  const checkOf = (kit: KitName, { check, title }: Kit["checks"][number]): AdapterCheck => {
    const whole = Effect.provide(check, layer, { local: true }).pipe(
      Effect.timeoutOrElse({ duration: longest, orElse: () => Effect.fail(tooLong) }),
      Effect.catchCause((cause) =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.interrupt
          : Effect.fail(new PromiseBroken({ kit, promise: title, cause: Cause.squash(cause) }))
      )
    )
    return { kit, title, check: whole, run: () => Effect.runPromise(whole) }
  }
  return Effect.provide(chosen(options), layer, { local: true }).pipe(
    Effect.map((names) => names.flatMap((name) => kits[name].checks.map((each) => checkOf(name, each))))
  )
}

/**
 * Registers one test per promise with a test runner: `test` of `node:test`, `it` of Vitest, or another such function.
 *
 * **Details**
 *
 * To be awaited, at the top of a test file or in `describe`. Rejects as `adapterChecks` fails.
 */
export const testAdapter = async <Provided, E>(
  layer: Layer.Layer<Provided, E>,
  test: (title: string, run: () => Promise<void>) => unknown,
  options?: KitOptions
): Promise<void> => {
  for (const { kit, run, title } of await Effect.runPromise(adapterChecks(layer, options))) {
    await test(`${kit}: ${title}`, run)
  }
}

/** Checks every promise, one after another; answers with how many each kit has, or fails with those that are broken. */
export const checkAdapter = Effect.fn("checkAdapter")(function* <Provided, E>(
  layer: Layer.Layer<Provided, E>,
  options?: KitOptions
) {
  const checks = yield* adapterChecks(layer, options)
  const results = yield* Effect.forEach(checks, ({ check }) => Effect.result(check))
  const broken = Array.getFailures(results)
  if (broken.length > 0) return yield* new AdapterUnfit({ checkCount: checks.length, broken })
  return [...new Set(checks.map(({ kit }) => kit))].map((kit) => ({
    kit,
    promiseCount: checks.filter((check) => check.kit === kit).length
  }))
})

/** The kits asked for, or those of the ports that are provided around. */
const chosen = Effect.fnUntraced(function* ({ kits: asked }: KitOptions) {
  const names = asked ?? (yield* Effect.filter(defaultKits, (name) => kits[name].isProvided))
  if (names.length === 0) return yield* new NothingToCheck()
  for (const kit of names) {
    yield* Effect.mapError(kits[kit].isReady, ({ port }) => new PortMissing({ kit, port }))
  }
  return names
})

/** Longer than any check takes; some wait twenty seconds for what never comes. */
const longest = Duration.minutes(2)
const tooLong = new ConformanceFailure({
  what: `the check to end within ${Duration.format(longest)}`,
  actual: "no end"
})

type Failure = ConformanceFailure | StoreError | WakeUpChannelError

interface NoPort {
  readonly _tag: "NoPort"
  readonly port: string
}

interface Kit {
  /** Whether the port is there that the kit is of. */
  readonly isProvided: Effect.Effect<boolean>
  /** Fails unless all is there that the checks need. */
  readonly isReady: Effect.Effect<void, NoPort>
  readonly checks: ReadonlyArray<{ readonly title: string; readonly check: Effect.Effect<void, Failure | NoPort> }>
}

/** A port from whatever is provided around: no type says what a layer to be checked provides. */
const from =
  <Port, Service>(key: Context.Key<Port, Service>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | NoPort, Exclude<R, Port>> =>
    Effect.flatMap(Effect.serviceOption(key), (found): Effect.Effect<A, E | NoPort, Exclude<R, Port>> => {
      const port = key.key.slice(key.key.lastIndexOf("/") + 1)
      return Option.isSome(found)
        ? Effect.provideService(effect, key, found.value)
        : Effect.fail({ _tag: "NoPort", port })
    })

const kitOf = <Own, Service, R>(
  own: Context.Key<Own, Service>,
  suite: ReadonlyArray<Check<R>>,
  provide: <E>(check: Effect.Effect<void, E, R>) => Effect.Effect<void, E | NoPort>
): Kit => ({
  isProvided: Effect.map(Effect.serviceOption(own), Option.isSome),
  isReady: provide(Effect.void),
  checks: suite.map(({ check, title }) => ({ title, check: provide(check) }))
})

const kits: Readonly<Record<KitName, Kit>> = {
  WorkflowEventModel: kitOf(WorkflowEventModel, eventModelSuite, (check) => check.pipe(from(WorkflowEventModel))),
  WorkflowSnapshotModel: kitOf(WorkflowSnapshotModel, snapshotModelSuite, (check) =>
    check.pipe(from(WorkflowSnapshotModel), from(WorkflowEventModel))
  ),
  WorkflowExecutionModel: kitOf(WorkflowExecutionModel, executionModelSuite, (check) =>
    check.pipe(from(WorkflowExecutionModel), from(WorkflowEventModel))
  ),
  WorkflowEventProcessingModel: kitOf(WorkflowEventProcessingModel, processingModelSuite, (check) =>
    check.pipe(from(WorkflowEventProcessingModel), from(WorkflowExecutionModel), from(WorkflowEventModel))
  ),
  PartitionLeases: kitOf(PartitionLeases, partitionLeasesSuite, (check) =>
    check.pipe(from(PartitionLeases), from(WorkflowEventModel))
  ),
  WakeUpChannel: kitOf(WakeUpChannel, wakeUpChannelSuite, (check) => check.pipe(from(WakeUpChannel))),
  DurableEventStream: kitOf(WakeUpChannel, durableWakeUpChannelSuite, (check) => check.pipe(from(WakeUpChannel)))
}

/** No layer tells whether its stream keeps what was not acknowledged. */
const defaultKits = KitName.literals.filter((name) => name !== "DurableEventStream")
