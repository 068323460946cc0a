/** A worker: owns a share of the partitions and processes what is queued in them, until its scope closes. */
import { type Delivery, type WakeUpReader, WakeUpChannel } from "@refold/core"
import { Cause, Context, Duration, Effect, Fiber, Latch, Layer, Queue, Ref } from "effect"
import { SecureRandom } from "effect/crypto"
import { EventProcessor } from "../queue/EventProcessor.ts"
import { Sweeper } from "../queue/Sweeper.ts"
import * as Batches from "./Batches.ts"
import { Intake } from "./Intake.ts"
import { type Outage, keepTrying } from "./KeepTrying.ts"
import * as PartitionOwner from "./PartitionOwner.ts"

export interface WorkerOptions {
  /** Unique among the workers alive; made up when absent. */
  readonly workerId?: string
  /** How long the partitions of a worker that died stay unowned at most, within two seconds; 10 seconds by default. */
  readonly leaseDuration?: Duration.Input
  /** How long closing waits for work in flight, 20 seconds by default; another worker does again what is not done by then. */
  readonly drainTimeout?: Duration.Input
}

/** Wake-ups of one partition read at a time. */
const readLimit = 256
const readTimeout = Duration.seconds(1)

const sweepInterval = Duration.seconds(2)

/** Least pause between two sweeps, however often one is asked for. */
const sweepPause = Duration.millis(100)
const reportInterval = Duration.seconds(10)

/** Acknowledgements not yet sent; beyond this, wake-ups arrive again and find nothing to do. */
const maxAcknowledgements = 10_000

export class Worker extends Context.Service<
  Worker,
  {
    readonly workerId: string
    /** Partitions it owns now. */
    readonly partitions: Effect.Effect<ReadonlyArray<number>>
  }
>()("@refold/runtime/worker/Worker") {
  /**
   * Works as long as the layer lives.
   *
   * **Details**
   *
   * Closing it drains: it reads no more, finishes what is in flight, and gives its leases back. Without that, as after
   * `kill -9`, other workers take over once its leases have expired. A store or a channel that fails is waited for.
   */
  static readonly layer = (options: WorkerOptions = {}) =>
    Layer.effect(
      Worker,
      Effect.suspend(() => make(options))
    ).pipe(Layer.provide([Sweeper.layer, SecureRandom.layerWebCrypto]))
}

/** Dependencies of the other loops. */
interface Parts extends Batches.Parts {
  readonly owner: PartitionOwner.PartitionOwner
  readonly channel: WakeUpChannel["Service"]
  /** An outage of the channel is reported once, also when each read ends in another error. */
  readonly channelOutage: Outage
}

const make = Effect.fnUntraced(function* (options: WorkerOptions) {
  const random = yield* SecureRandom.SecureRandom
  const workerId = options.workerId ?? (yield* random.uuidV7())
  const common = {
    processor: yield* EventProcessor,
    sweeper: yield* Sweeper,
    intake: new Intake(Batches.batchCount),
    acknowledgements: yield* Queue.dropping<Delivery>(maxAcknowledgements),
    hasEnded: yield* Latch.make(true),
    mustSweep: yield* Latch.make(true),
    isDraining: yield* Ref.make(false),
    keepTrying: keepTrying(workerId),
    scope: yield* Effect.scope,
    delayed: { count: 0 }
  }
  const owner = yield* PartitionOwner.make({
    workerId,
    leaseDuration: Duration.fromInputUnsafe(options.leaseDuration ?? "10 seconds"),
    onRenewed: (change) => renewed(common, change)
  })
  const parts: Parts = { ...common, owner, channel: yield* WakeUpChannel, channelOutage: { isWarned: false } }
  yield* processing(parts, options.drainTimeout ?? "20 seconds")
  yield* Effect.forkScoped(parts.keepTrying("read wake-ups", reading(parts), parts.channelOutage))
  yield* Effect.forkScoped(sweeping(parts))
  yield* Effect.forkScoped(reporting(parts))
  return Worker.of({ workerId, partitions: owner.owned })
})

const renewed = Effect.fnUntraced(function* (
  { acknowledgements, hasEnded, intake, mustSweep }: Batches.Parts,
  { hasGained, hasLost }: PartitionOwner.Change
) {
  // Another worker may own by now what is pending here. It looks into the store itself; the sweep finds again what is ours.
  if (hasLost) yield* Queue.offerAll(acknowledgements, intake.clear())
  if (hasLost || hasGained) mustSweep.openUnsafe()
  // A batch that hangs, as behind a lock that somebody holds, keeps the worker from reading for one heartbeat at most.
  hasEnded.openUnsafe()
})

/** Starts the batch loops; closing the scope drains them. */
const processing = Effect.fnUntraced(function* (parts: Parts, drainTimeout: Duration.Input) {
  const working = yield* Effect.forkDetach(Batches.run(parts))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Ref.set(parts.isDraining, true)
      parts.intake.wake()
      yield* Effect.timeoutOption(Fiber.await(working), drainTimeout)
      yield* Fiber.interrupt(working)
    })
  )
})

const reading = (parts: Parts) =>
  Effect.scoped(
    Effect.gen(function* () {
      const reader = yield* parts.channel.reader
      const acknowledging = Effect.flatMap(Queue.takeAll(parts.acknowledgements), reader.acknowledge)
      yield* Effect.forkScoped(
        Effect.forever(
          acknowledging.pipe(
            // A wake-up that is not acknowledged arrives again, and finds nothing to do.
            Effect.catchTag("WakeUpChannelError", () => Effect.void),
            // A bug of the channel's must not end the acknowledging for good, unnoticed.
            Effect.catchDefect((defect) => Effect.logError("Wake-ups cannot be acknowledged", Cause.die(defect)))
          )
        )
      )
      return yield* Effect.forever(receive(parts, reader))
    })
  )

const receive = Effect.fnUntraced(function* (parts: Parts, reader: WakeUpReader) {
  const { deliveries, hasGap } = yield* reader.read({
    partitions: yield* parts.owner.owned,
    limit: readLimit,
    timeout: readTimeout
  })
  parts.channelOutage.isWarned = false
  if (hasGap) parts.mustSweep.openUnsafe()
  yield* Queue.offerAll(parts.acknowledgements, parts.intake.receive(deliveries))
  // Lets the batch loops take what was read before the next read is assembled.
  yield* Effect.yieldNow
  yield* gathering(parts)
})

/**
 * Waits for the end of a batch, so that wake-ups gather in the channel: one read of many costs little more than one of a
 * few. Not when there is enough for the next batch, nor when a single execution is all there is.
 */
const gathering = ({ hasEnded, intake }: Parts) =>
  Effect.suspend(() => {
    if (intake.underWayCount <= 1 || intake.pendingCount >= Batches.batchSize) return Effect.void
    hasEnded.closeUnsafe()
    return hasEnded.await
  })

/** Looks into the store for work that nobody was woken for: when asked, and every few seconds. */
const sweeping = ({ intake, keepTrying, mustSweep, owner, sweeper }: Parts) => {
  const sweep = Effect.gen(function* () {
    mustSweep.closeUnsafe()
    intake.add(yield* Effect.flatMap(owner.owned, sweeper.find))
  })
  return Effect.forever(
    Effect.timeoutOption(mustSweep.await, sweepInterval).pipe(
      Effect.andThen(keepTrying("look for work", sweep)),
      Effect.andThen(Effect.sleep(sweepPause))
    )
  )
}

const reporting = ({ keepTrying, owner, sweeper }: Parts) =>
  Effect.forever(
    Effect.andThen(
      Effect.sleep(reportInterval),
      keepTrying("measure its lag", Effect.flatMap(owner.owned, sweeper.report))
    )
  )
