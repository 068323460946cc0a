/**
 * The conformance kits of an adapter: every promise of every port that a layer provides, as tests, as data, or in one run.
 *
 * **Details**
 *
 * Every check builds the layer, and closes it afterwards. A store that opens slowly can be opened once and passed as
 * `Layer.succeedContext` of its services, because checks do not affect each other, even in a store with data. The kit of
 * `PartitionLeases` is the exception: it needs a store in which nothing else takes leases, and runs its checks one by one.
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

/** One kit per port. `DurableWakeUpChannel` is for channels that keep unacknowledged wake-ups, and runs only when named. */
export const KitName = Schema.Literals([
  "WorkflowEventModel",
  "WorkflowSnapshotModel",
  "WorkflowExecutionModel",
  "WorkflowEventProcessingModel",
  "PartitionLeases",
  "WakeUpChannel",
  "DurableWakeUpChannel"
])
export type KitName = typeof KitName.Type

export interface KitOptions {
  /** The kits to run; by default those of every port that the layer provides. */
  readonly kits?: Array.NonEmptyReadonlyArray<KitName>
}

/** One promise, with everything that its check needs. */
export interface AdapterCheck {
  readonly kit: KitName
  readonly title: string
  readonly check: Effect.Effect<void, PromiseBroken>
  /** The same check, for runners that expect a promise. */
  readonly run: () => Promise<void>
}

/** The adapter breaks a promise. The message contains the expected and the actual value. */
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

/** The adapter breaks some promises. */
export class AdapterUnfit extends Schema.TaggedError<AdapterUnfit>()("AdapterUnfit", {
  checkCount: Schema.Int,
  broken: Schema.Array(Schema.instanceOf(PromiseBroken))
}) {
  override get message(): string {
    const broken = this.broken.map(({ message }) => message)
    return [`${broken.length} of ${this.checkCount} promises are broken`, ...broken].join("\n\n")
  }
}

/** The layer lacks a port that a kit needs. */
export class PortMissing extends Schema.TaggedError<PortMissing>()("PortMissing", {
  kit: KitName,
  port: Schema.String
}) {
  override get message(): string {
    return `The layer does not provide ${this.port}, which the kit ${this.kit} needs: merge a layer that does, or name other kits`
  }
}

/** The layer provides no port that has a kit, so nothing would be checked. */
export class NothingToCheck extends Schema.TaggedError<NothingToCheck>()("NothingToCheck", {}) {
  override get message(): string {
    return `The layer provides none of the ports that have a kit: ${defaultKits.join(", ")}`
  }
}

/**
 * Every promise of the layer's ports, as data, for a runner of your own.
 *
 * **Errors**
 *
 * Fails with `PortMissing`, `NothingToCheck`, or an error of the layer, which is built once to find the ports it provides.
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
 * Await it at the top of a test file or in `describe`. Rejects where `adapterChecks` fails.
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

/** Checks all promises, one by one. Returns the number of promises of each kit; fails with the broken ones. */
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

/** The requested kits, or those of the ports in the context. */
const chosen = Effect.fnUntraced(function* ({ kits: asked }: KitOptions) {
  const names = asked ?? (yield* Effect.filter(defaultKits, (name) => kits[name].isProvided))
  if (names.length === 0) return yield* new NothingToCheck()
  for (const kit of names) {
    yield* Effect.mapError(kits[kit].isReady, ({ port }) => new PortMissing({ kit, port }))
  }
  return names
})

/** Longer than any check takes: some wait twenty seconds for something that must not happen. */
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
  /** Whether the context has the port of the kit. */
  readonly isProvided: Effect.Effect<boolean>
  /** Fails unless the context has every port that the checks need. */
  readonly isReady: Effect.Effect<void, NoPort>
  readonly checks: ReadonlyArray<{ readonly title: string; readonly check: Effect.Effect<void, Failure | NoPort> }>
}

/** Provides a port from the context at run time: the type of an unknown layer does not say which ports it provides. */
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
  DurableWakeUpChannel: kitOf(WakeUpChannel, durableWakeUpChannelSuite, (check) => check.pipe(from(WakeUpChannel)))
}

/** A layer does not show whether its channel keeps unacknowledged wake-ups, so that kit is not a default. */
const defaultKits = KitName.literals.filter((name) => name !== "DurableWakeUpChannel")
