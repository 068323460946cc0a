/** A worker: owns a share of the partitions and processes what is queued in them, until its scope closes. */
import {
  type Delivery,
  WakeUpChannel,
  type WakeUpChannelError,
  type WakeUpReader,
  type ExecutionRef,
  PartitionLeases,
  type StoreError,
  executionKey
} from "@refold/core"
import {
  Array,
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Fiber,
  Latch,
  Layer,
  Metric,
  Queue,
  Ref,
  Schedule
} from "effect"
import { SecureRandom } from "effect/crypto"
import { EventProcessor, type ExecutionTurn } from "../queue/EventProcessor.ts"
import * as Metrics from "../Metrics.ts"
import { Sweeper } from "../queue/Sweeper.ts"
import { FairQueue } from "./FairQueue.ts"

export interface WorkerOptions {
  /** Unique among the workers alive; made up when absent. */
  readonly workerId?: string
  /** How long the partitions of a worker that is gone stay unattended at most, within two seconds. */
  readonly leaseDuration?: Duration.Input
  /** How long closing waits for the work under way; what is not done by then is done again by another worker. */
  readonly drainTimeout?: Duration.Input
}

/** Executions in one commit. */
const batchSize = 64

/**
 * Batches under way at once: while one is at the store, the other is decided on. The second is begun where there is enough
 * for a whole one: what comes while the first is under way otherwise makes the next one larger.
 */
const batchCount = 2

/** Queued events in one commit, about: a single event of another execution waits for no more than these in each batch. */
const eventsPerBatch = 256

/** For giving the leases back, which otherwise expire. */
const releaseTimeout = Duration.seconds(5)

/** Wake-ups of one partition read at a time. */
const readLimit = 256

const readTimeout = Duration.seconds(1)
const sweepInterval = Duration.seconds(2)

/** Between two sweeps at least, however often one is called for. */
const sweepPause = Duration.millis(100)
const reportInterval = Duration.seconds(10)

/** Acknowledgements waiting to be sent; of more, the wake-ups come again and find nothing to do. */
const maxAcknowledgements = 10_000

/** Wake-ups of one execution held until its turn. */
const maxHeld = 64

/** Retries waiting in this process; those of others are found by the sweep. */
const maxDelayed = 1000

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
   * Closing it drains: it reads no more, finishes what is under way (20 seconds by default), and gives its leases back.
   * Without that, as after `kill -9`, others take over once its lease (10 seconds by default) has expired. A store or a
   * stream that fails is waited for.
   */
  static readonly layer = (options: WorkerOptions = {}) =>
    Layer.effect(
      Worker,
      Effect.suspend(() => make(options))
    ).pipe(Layer.provide([Sweeper.layer, SecureRandom.layerWebCrypto]))
}

const make = Effect.fnUntraced(function* (options: WorkerOptions) {
  const leases = yield* PartitionLeases
  const processor = yield* EventProcessor
  const stream = yield* WakeUpChannel
  const sweeper = yield* Sweeper
  const random = yield* SecureRandom.SecureRandom
  const workerId = options.workerId ?? (yield* random.uuidV7())
  const duration = Duration.fromInputUnsafe(options.leaseDuration ?? "10 seconds")
  const drainTimeout = options.drainTimeout ?? "20 seconds"
  // Whoever dies is noticed by the renewal of another.
  const heartbeat = Duration.min(Duration.divideUnsafe(duration, 3), Duration.seconds(1))

  const work = new FairQueue()
  const unacknowledged = new Map<string, ReadonlyArray<Delivery>>()
  const acknowledgements = yield* Queue.dropping<Delivery>(maxAcknowledgements)
  /** One for each batch: whoever has looked in vain closes its own. */
  const hasWork = Array.makeBy(batchCount, () => Latch.makeUnsafe(false))
  const wake = () => {
    for (const latch of hasWork) latch.openUnsafe()
  }
  /** Whether a batch has ended since reading last waited for one. */
  const hasEnded = yield* Latch.make(true)
  const mustSweep = yield* Latch.make(true)
  const streamOutage = { isWarned: false }
  const isDraining = yield* Ref.make(false)
  let partitions: ReadonlyArray<number> = []
  let ownedUntilMillis = 0
  let delayedCount = 0

  const add = (refs: ReadonlyArray<ExecutionRef>) =>
    Effect.sync(() => {
      for (const ref of refs) work.add(ref)
      wake()
    })

  const owned = Effect.map(Clock.currentTimeMillis, (now) => (now < ownedUntilMillis ? partitions : []))

  const renew = Effect.gen(function* () {
    const askedAt = yield* Clock.currentTimeMillis
    const held = (yield* leases.renew({ workerId, duration })).map((lease) => lease.partition)
    const before = new Set(yield* owned)
    const after = new Set(held)
    partitions = held
    ownedUntilMillis = askedAt + Duration.toMillis(duration)
    yield* Metric.update(Metrics.partitionsOwned, held.length)
    const hasLost = [...before].some((partition) => !after.has(partition))
    // What waits here may be another's by now. It looks into the queue itself, and the sweep finds again what is ours.
    if (hasLost) {
      work.clear()
      yield* Queue.offerAll(acknowledgements, [...unacknowledged.values()].flat())
      unacknowledged.clear()
    }
    if (hasLost || held.some((partition) => !before.has(partition))) mustSweep.openUnsafe()
    // A batch that hangs, as behind somebody's lock, keeps nobody from reading for longer than a heartbeat.
    hasEnded.openUnsafe()
  })

  const sweep = Effect.gen(function* () {
    mustSweep.closeUnsafe()
    yield* Effect.flatMap(Effect.flatMap(owned, sweeper.find), add)
  })

  /**
   * While a batch is under way wake-ups gather in the stream, since one read of many costs little more than one of a few.
   * Not where there is enough for the next batch, nor where a single event is all there is: of that nothing would be saved.
   */
  const gathering = Effect.suspend(() => {
    if (work.underWayCount <= 1 || work.pendingCount >= batchSize) return Effect.void
    hasEnded.closeUnsafe()
    return hasEnded.await
  })

  /**
   * Takes in what was read. Wake-ups are held until the turn that answers them: many of one execution would be answered
   * by those that are held, and for those that the list has no room for the queue itself is looked into when it has.
   */
  const receive = Effect.fnUntraced(function* (reader: WakeUpReader) {
    const { deliveries, hasGap } = yield* reader.read({
      partitions: yield* owned,
      limit: readLimit,
      timeout: readTimeout
    })
    streamOutage.isWarned = false
    if (hasGap) mustSweep.openUnsafe()
    const answered = deliveries.flatMap((delivery) => {
      if (!work.add(delivery)) return [delivery]
      const key = executionKey(delivery)
      const held = unacknowledged.get(key) ?? []
      // One that comes again, since it has not been acknowledged for a while, is the same.
      if (held.some(({ deliveryId }) => deliveryId === delivery.deliveryId)) return []
      if (held.length >= maxHeld) return [delivery]
      unacknowledged.set(key, [...held, delivery])
      return []
    })
    wake()
    yield* Queue.offerAll(acknowledgements, answered)
    // What was read is taken up before the next read is put together.
    yield* Effect.yieldNow
    yield* gathering
  })

  const reading = Effect.scoped(
    Effect.gen(function* () {
      const reader = yield* stream.reader
      const acknowledging = Effect.flatMap(Queue.takeAll(acknowledgements), reader.acknowledge)
      yield* Effect.forkScoped(
        Effect.forever(
          // What is not acknowledged comes again, and finds nothing to do.
          Effect.catchTag(acknowledging, "WakeUpChannelError", () => Effect.void)
        )
      )
      return yield* Effect.forever(receive(reader))
    })
  )

  const after = Effect.fnUntraced(function* (ref: ExecutionRef, turn: ExecutionTurn["turn"] | undefined) {
    work.done(ref)
    if (turn === undefined) return
    switch (turn._tag) {
      case "Settled":
        if (turn.hasMore) work.add(ref)
        return
      case "Left":
        return yield* sweeper.skipWorkflow(turn.workflow)
      case "Failed": {
        if (turn.retryAfter === undefined || delayedCount >= maxDelayed) return
        delayedCount++
        yield* Effect.forkIn(
          Effect.andThen(Effect.sleep(turn.retryAfter), add([ref])).pipe(
            Effect.ensuring(
              Effect.sync(() => {
                delayedCount--
              })
            )
          ),
          scope
        )
      }
    }
  })

  /** A defect is of one execution: the others have their turns without it, and it is left to the next sweep. */
  const turnsOf = (
    executions: Array.NonEmptyReadonlyArray<ExecutionRef>
  ): Effect.Effect<ReadonlyArray<ExecutionTurn>, StoreError> =>
    processor.process({ executions, limit: Math.ceil(eventsPerBatch / executions.length) }).pipe(
      Effect.catchDefect((defect) =>
        executions.length > 1
          ? Effect.map(
              Effect.forEach(executions, (ref) => turnsOf([ref])),
              Array.flatten
            )
          : Effect.logError("An execution cannot be worked on", Cause.die(defect)).pipe(
              Effect.annotateLogs({ ...executions[0] }),
              Effect.as([])
            )
      )
    )

  const processBatch = Effect.fnUntraced(function* (refs: Array.NonEmptyReadonlyArray<ExecutionRef>) {
    const turns = yield* turnsOf(refs)
    const turnOf = new Map(turns.map((each) => [executionKey(each), each.turn]))
    yield* Effect.forEach(refs, (ref) => after(ref, turnOf.get(executionKey(ref))), { discard: true })
    if (work.takeForgotten()) mustSweep.openUnsafe()
    wake()
    hasEnded.openUnsafe()
  })

  /** The wake-ups that a turn of these executions answers: what arrives from here on is for the next. */
  const takeDeliveries = (refs: ReadonlyArray<ExecutionRef>): ReadonlyArray<Delivery> =>
    refs.flatMap((ref) => {
      const key = executionKey(ref)
      const held = unacknowledged.get(key) ?? []
      unacknowledged.delete(key)
      return held
    })

  const processing = Effect.fnUntraced(function* (latch: Latch.Latch, least: number) {
    while (!(yield* Ref.get(isDraining))) {
      const refs = work.pendingCount >= least ? work.take(batchSize) : []
      if (Array.isReadonlyArrayNonEmpty(refs)) {
        const answered = takeDeliveries(refs)
        yield* waitingFor("process queued events", processBatch(refs))
        yield* Queue.offerAll(acknowledgements, answered)
      } else {
        latch.closeUnsafe()
        yield* latch.await
      }
    }
  })

  const scope = yield* Effect.scope
  yield* Effect.addFinalizer(() =>
    leases.release(workerId).pipe(
      Effect.timeoutOrElse({ duration: releaseTimeout, orElse: () => Effect.fail({ message: "no answer" }) }),
      Effect.catch((error) => Effect.logWarning(`The leases were not given back and will expire: ${error.message}`))
    )
  )
  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(waitingFor("renew its leases", renew), Effect.sleep(heartbeat)))
  )
  const working = yield* Effect.forkDetach(
    Effect.forEach(hasWork, (latch, place) => processing(latch, place === 0 ? 1 : batchSize), {
      concurrency: batchCount,
      discard: true
    })
  )
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* Ref.set(isDraining, true)
      wake()
      yield* Effect.timeoutOption(Fiber.await(working), drainTimeout)
      yield* Fiber.interrupt(working)
    })
  )
  yield* Effect.forkScoped(waitingFor("read wake-ups", reading, streamOutage))
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.timeoutOption(mustSweep.await, sweepInterval).pipe(
        Effect.andThen(waitingFor("look for work", sweep)),
        Effect.andThen(Effect.sleep(sweepPause))
      )
    )
  )
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(Effect.sleep(reportInterval), waitingFor("measure its lag", Effect.flatMap(owned, sweeper.report)))
    )
  )

  return Worker.of({ workerId, partitions: owned })

  /**
   * Tries until it works: whatever fails here is mended by waiting or by an operator. Warns once an outage. A defect is
   * treated alike, since a worker that holds partitions must not stand still unnoticed.
   */
  function waitingFor<A>(
    what: string,
    effect: Effect.Effect<A, StoreError | WakeUpChannelError>,
    outage: { isWarned: boolean } = { isWarned: false }
  ) {
    return effect.pipe(
      Effect.catchDefect((defect) => Effect.fail({ message: String(defect) })),
      Effect.tapError((error) => {
        if (outage.isWarned) return Effect.void
        outage.isWarned = true
        return Effect.logWarning(`Worker ${workerId} waits to ${what}: ${error.message}`)
      }),
      Effect.retry(backOff),
      Effect.tap(() =>
        Effect.sync(() => {
          outage.isWarned = false
        })
      )
    )
  }
})

const backOff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(Schedule.jittered)
