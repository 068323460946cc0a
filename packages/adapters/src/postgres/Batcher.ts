/** Calls that come at once go together: one statement, one wait for the disk, for many callers. */
import { StoreError } from "@refold/core"
import { Array, Cause, Context, Deferred, Effect, Exit, Option, Queue } from "effect"
import type { SqlClient } from "effect/sql"

/** Calls that wait for a group; more callers wait to be let in. */
const maxWaiting = 256

/** Groups under way at once: while one is at the server, the callers of the other have their answers, and come again. */
const groupCount = 2

interface Operation<Item, A, E> {
  /** Calls that all go together: smaller groups end sooner, and cost more commits. */
  readonly leastShare: number
  /**
   * Whether a call that is alone waits for those of the same moment, as the answers of a batch bring them: a hundredth of a
   * millisecond, for which one commit serves them all.
   */
  readonly gathers: boolean
  readonly run: (items: Array.NonEmptyReadonlyArray<Item>) => Effect.Effect<Array.NonEmptyReadonlyArray<A>, E>
}

interface Call<Item, A, E> {
  readonly items: Array.NonEmptyReadonlyArray<Item>
  readonly answer: Deferred.Deferred<Array.NonEmptyReadonlyArray<A>, E>
}

/**
 * The same operation, of which calls that come while others are under way are made together.
 *
 * **Details**
 *
 * `run` does all of its items or none, and answers in their order. Where the store refuses a group, each call of the group
 * is made by itself, so that it fails for its own faults alone; a store that cannot be used would fail each in the same way.
 * A call in a transaction of the caller's, of which a group of many callers cannot be part, is made by itself as well.
 *
 * **Gotchas**
 *
 * A call that is interrupted may have been made.
 */
export const grouped = <Item, A, E>(sql: SqlClient.SqlClient, { gathers, leastShare, run }: Operation<Item, A, E>) =>
  Effect.gen(function* () {
    const waiting = yield* Queue.bounded<Call<Item, A, E>>(maxWaiting)
    /** Calls that have no answer yet. */
    let openCount = 0

    const alone = ({ answer, items }: Call<Item, A, E>) =>
      Effect.flatMap(Effect.exit(run(items)), (exit) => Deferred.done(answer, exit))

    const giveUp = (calls: ReadonlyArray<Call<Item, A, E>>) =>
      Effect.forEach(calls, ({ answer }) => Deferred.interrupt(answer), { discard: true })

    const together = Effect.fnUntraced(function* (calls: Array.NonEmptyReadonlyArray<Call<Item, A, E>>) {
      const [first, ...others] = calls
      if (others.length === 0) return yield* alone(first)
      const exit = yield* Effect.exit(run(Array.flatMap(calls, ({ items }) => items)))
      if (Exit.isFailure(exit)) {
        const error = Cause.findErrorOption(exit.cause)
        return yield* error._tag === "Some" && isForAll(error.value)
          ? Effect.forEach(calls, ({ answer }) => Deferred.done(answer, Exit.fail(error.value)), { discard: true })
          : Effect.forEach(calls, alone, { discard: true })
      }
      let from = 0
      for (const { answer, items } of calls) {
        const own = exit.value.slice(from, from + items.length)
        from += items.length
        Deferred.doneUnsafe(
          answer,
          Array.isReadonlyArrayNonEmpty(own)
            ? Exit.succeed(own)
            : Exit.die(new Error("A group answered less than it was asked"))
        )
      }
    })

    // Nobody waits for a group that is closed.
    yield* Effect.addFinalizer(() => Effect.flatMap(Queue.clear(waiting), giveUp))
    // A fair share for each: callers that all went together would all come again together, with nothing to do meanwhile.
    const others = Effect.suspend(() => {
      const share = Math.max(leastShare, Math.ceil(openCount / groupCount))
      return Queue.sizeUnsafe(waiting) > 0 ? Queue.takeBetween(waiting, 1, share - 1) : Effect.succeed([])
    })
    const group = Effect.gen(function* () {
      const first = yield* Queue.take(waiting)
      const calls = [first, ...(yield* others)] as const
      yield* Effect.onInterrupt(together(calls), () => giveUp(calls))
    })
    for (let place = 0; place < groupCount; place++) yield* Effect.forkScoped(Effect.forever(group))

    const withOthers = (items: Array.NonEmptyReadonlyArray<Item>) => {
      const answer = Deferred.makeUnsafe<Array.NonEmptyReadonlyArray<A>, E>()
      return Effect.andThen(Queue.offer(waiting, { items, answer }), Deferred.await(answer))
    }

    // Where nothing is under way there is nobody to go with, and another fiber is not worth the way.
    const made = (items: Array.NonEmptyReadonlyArray<Item>) => (openCount === 1 ? run(items) : withOthers(items))

    const counted = (items: Array.NonEmptyReadonlyArray<Item>) => {
      // Who is interrupted before it is counted must not be counted down. `acquireUseRelease` would take twice as long.
      let isCounted = false
      return Effect.ensuring(
        Effect.suspend(() => {
          isCounted = true
          openCount++
          return gathers && openCount === 1 ? Effect.flatMap(Effect.yieldNow, () => made(items)) : made(items)
        }),
        Effect.sync(() => {
          if (isCounted) openCount--
        })
      )
    }

    return (items: Array.NonEmptyReadonlyArray<Item>) =>
      Effect.withFiber(({ context }) => (hasTransaction(sql, context) ? run(items) : counted(items)))
  })

const isForAll = (error: unknown): boolean => error instanceof StoreError && error.reason._tag !== "Refused"

/** Whether the caller has a transaction of its own. */
export const isInTransaction = (sql: SqlClient.SqlClient): Effect.Effect<boolean> =>
  Effect.withFiber(({ context }) => Effect.succeed(hasTransaction(sql, context)))

const hasTransaction = (sql: SqlClient.SqlClient, context: Context.Context<never>): boolean =>
  Option.isSome(Context.getOption(context, sql.transactionService))
