/** Batches concurrent calls into one (group commit), so that they share a round trip and a wait for the disk. */
import { Array, Cause, Deferred, Effect, Exit, Queue } from "effect"

/** Calls that wait for a batch; further callers wait until they may join them. */
const maxWaiting = 256

/** Batches in flight at once: while one is at the server, the callers of the other get their answers and call again. */
const maxInFlight = 2

export interface Options<Item, A, E> {
  /** Does all of its items or none, and answers in their order. */
  readonly run: (items: Array.NonEmptyReadonlyArray<Item>) => Effect.Effect<Array.NonEmptyReadonlyArray<A>, E>
  /** A batch takes half of the open calls, or up to this many if that is more: smaller batches end sooner, and cost more commits. */
  readonly minShare: number
  /**
   * Whether a lone call first yields once, so that calls of the same tick join it: the answers of one batch bring many
   * callers at once. The yield takes a hundredth of a millisecond, and saves their commits.
   */
  readonly yieldsFirst: boolean
  /**
   * Whether every call would fail in the same way by itself. Otherwise, each call of a failed batch runs again alone.
   */
  readonly isEverybodys: (error: E) => boolean
}

/**
 * A function that does the same as `run`. Calls that are made while others are in flight are batched.
 *
 * **Gotchas**
 *
 * An interrupted call may have been made.
 */
export const make = <Item, A, E>(options: Options<Item, A, E>) =>
  Effect.gen(function* () {
    const waiting = yield* Queue.bounded<Call<Item, A, E>>(maxWaiting)
    const batcher: Batcher<Item, A, E> = { ...options, waiting, openCount: 0 }
    yield* Effect.addFinalizer(() => Effect.flatMap(Queue.clear(waiting), interruptAll))
    const runBatches = Effect.forever(runNextBatch(batcher))
    for (let index = 0; index < maxInFlight; index++) yield* Effect.forkScoped(runBatches)
    return (items: Array.NonEmptyReadonlyArray<Item>) => countedCall(batcher, items)
  })

// --- Decisions --------------------------------------------------------------------------------------------------------

/**
 * Whether a call runs directly, in the fiber of its caller: no other call is open, so there is none to share a batch
 * with.
 */
export const runsDirectly = (openCount: number): boolean => openCount === 1

/**
 * How many of the open calls make a batch: an equal share for each batch in flight. If all calls went in one batch, all
 * callers would return together, and the server would have nothing to do meanwhile.
 */
export const batchSize = (openCount: number, minShare: number): number =>
  Math.max(minShare, Math.ceil(openCount / maxInFlight))

/** The part of a batch's answers that belongs to each call, given how many items each call has. */
export const split = <A>(
  answers: ReadonlyArray<A>,
  itemCounts: ReadonlyArray<number>
): ReadonlyArray<ReadonlyArray<A>> => {
  let from = 0
  return itemCounts.map((count) => {
    from += count
    return answers.slice(from - count, from)
  })
}

// --- State ------------------------------------------------------------------------------------------------------------

interface Call<Item, A, E> {
  readonly items: Array.NonEmptyReadonlyArray<Item>
  readonly answer: Deferred.Deferred<Array.NonEmptyReadonlyArray<A>, E>
}

interface Batcher<Item, A, E> extends Options<Item, A, E> {
  readonly waiting: Queue.Queue<Call<Item, A, E>>
  /** Calls that have no answer yet. */
  openCount: number
}

/** Counts the call as open until it ends. `acquireUseRelease` would take twice as long. */
const countedCall = <Item, A, E>(batcher: Batcher<Item, A, E>, items: Array.NonEmptyReadonlyArray<Item>) => {
  // A call that is interrupted before it was counted must not be counted down.
  let isCounted = false
  return Effect.ensuring(
    Effect.suspend(() => {
      isCounted = true
      batcher.openCount++
      return batcher.yieldsFirst && runsDirectly(batcher.openCount)
        ? Effect.flatMap(Effect.yieldNow, () => call(batcher, items))
        : call(batcher, items)
    }),
    Effect.sync(() => {
      if (isCounted) batcher.openCount--
    })
  )
}

const call = <Item, A, E>(batcher: Batcher<Item, A, E>, items: Array.NonEmptyReadonlyArray<Item>) => {
  if (runsDirectly(batcher.openCount)) return batcher.run(items)
  const answer = Deferred.makeUnsafe<Array.NonEmptyReadonlyArray<A>, E>()
  return Effect.andThen(Queue.offer(batcher.waiting, { items, answer }), Deferred.await(answer))
}

const runNextBatch = <Item, A, E>(batcher: Batcher<Item, A, E>) =>
  Effect.gen(function* () {
    const first = yield* Queue.take(batcher.waiting)
    const calls = [first, ...(yield* takeOthers(batcher))] as const
    yield* Effect.onInterrupt(runBatch(batcher, calls), () => interruptAll(calls))
  })

const takeOthers = <Item, A, E>({ minShare, openCount, waiting }: Batcher<Item, A, E>) =>
  Queue.sizeUnsafe(waiting) > 0 ? Queue.takeBetween(waiting, 1, batchSize(openCount, minShare) - 1) : Effect.succeed([])

const runBatch = Effect.fnUntraced(function* <Item, A, E>(
  batcher: Batcher<Item, A, E>,
  calls: Array.NonEmptyReadonlyArray<Call<Item, A, E>>
) {
  const [first, ...others] = calls
  if (others.length === 0) return yield* runAlone(batcher, first)
  const exit = yield* Effect.exit(batcher.run(Array.flatMap(calls, ({ items }) => items)))
  if (Exit.isSuccess(exit)) return answerAll(calls, exit.value)
  const error = Cause.findErrorOption(exit.cause)
  return yield* error._tag === "Some" && batcher.isEverybodys(error.value)
    ? Effect.forEach(calls, ({ answer }) => Deferred.done(answer, Exit.fail(error.value)), { discard: true })
    : Effect.forEach(calls, (each) => runAlone(batcher, each), { discard: true })
})

const runAlone = <Item, A, E>({ run }: Batcher<Item, A, E>, { answer, items }: Call<Item, A, E>) =>
  Effect.flatMap(Effect.exit(run(items)), (exit) => Deferred.done(answer, exit))

const answerAll = <Item, A, E>(calls: Array.NonEmptyReadonlyArray<Call<Item, A, E>>, answers: ReadonlyArray<A>) => {
  const own = split(
    answers,
    calls.map(({ items }) => items.length)
  )
  for (const [index, { answer }] of calls.entries()) {
    const ownAnswers = own[index] ?? []
    Deferred.doneUnsafe(
      answer,
      Array.isReadonlyArrayNonEmpty(ownAnswers)
        ? Exit.succeed(ownAnswers)
        : Exit.die(new Error("A batch answered fewer items than it was given"))
    )
  }
}

const interruptAll = <Item, A, E>(calls: ReadonlyArray<Call<Item, A, E>>) =>
  Effect.forEach(calls, ({ answer }) => Deferred.interrupt(answer), { discard: true })
