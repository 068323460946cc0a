/** Commits: which statement writes them, which of them run together, and what each answers. */
import { Commit, type StoreError, executionKey } from "@refold/core"
import { Array, Effect, Result } from "effect"
import * as Batcher from "../../internal/Batcher.ts"
import { whereInTransaction } from "../CallerTransaction.ts"
import type { Database } from "../Database.ts"
import { isStoreUnusable, toStoreError } from "../PostgresFailure.ts"
import { appendMany } from "./AppendMany.ts"
import { appendOne } from "./AppendOne.ts"
import { explainRefusals } from "./Refusal.ts"
import { stamped } from "./StampRow.ts"

type Commits = Array.NonEmptyReadonlyArray<Commit.Commit>
type CommitResult = Result.Result<Commit.Committed, Commit.CommitRefused>

const operation = "Appending events"

/** A commit of more events runs alone: it gains nothing in a batch. */
const maxBatchedEvents = 16

/** A submission waits for its own commit: of sixteen in flight, half decide while the others are at the server. */
const minShare = 8

/** The port's `commit`: single small commits are batched, but for those in a caller's transaction. */
export const makeCommit = (database: Database) =>
  Effect.map(
    Batcher.make({
      run: (commits: Commits) => commitBatch(database, commits),
      minShare,
      yieldsFirst: false,
      isEverybodys: isStoreUnusable
    }),
    (batched) => (commits: Commits) =>
      whereInTransaction(database.sql, {
        // In a savepoint: a failed statement must not abort the caller's whole transaction.
        inside: () => inTransaction(database, commitAll(database, commits)),
        outside: () => (isBatched(commits) ? batched(commits) : commitAll(database, commits))
      })
  )

const isBatched = (commits: Commits): boolean => commits.length === 1 && commits[0].events.length <= maxBatchedEvents

/**
 * The commits of a batch: in one transaction where it takes several rounds. When the store fails in one of them, the batcher
 * makes each commit again alone, so none may have been written.
 */
const commitBatch = (database: Database, commits: Commits) =>
  new Set(commits.map(executionKey)).size === commits.length
    ? commitAll(database, commits)
    : inTransaction(database, commitInRounds(database, commits))

/**
 * Commits of one execution follow each other, in their order: each round takes the first remaining one of each
 * execution.
 */
const commitInRounds = Effect.fnUntraced(function* (
  database: Database,
  commits: Commits
): Effect.fn.Return<Array.NonEmptyReadonlyArray<CommitResult>, StoreError> {
  const results = new Map<Commit.Commit, CommitResult>()
  let round = nextRound(commits, results)
  while (Array.isReadonlyArrayNonEmpty(round)) {
    for (const [each, result] of Array.zip(round, yield* commitAll(database, round))) results.set(each, result)
    round = nextRound(commits, results)
  }
  return yield* Effect.forEach(commits, (each) => Effect.orDie(Effect.fromNullishOr(results.get(each))))
})

/** The first commit of each execution that has no result yet. */
const nextRound = (
  commits: Commits,
  results: ReadonlyMap<Commit.Commit, CommitResult>
): ReadonlyArray<Commit.Commit> => {
  const remaining = commits.filter((each) => !results.has(each))
  const firsts = new Map(remaining.toReversed().map((each) => [executionKey(each), each]))
  return remaining.filter((each) => firsts.get(executionKey(each)) === each)
}

/**
 * Commits of different executions, each written or refused. A commit whose own events are out of time order is not sent.
 */
const commitAll = Effect.fnUntraced(
  function* (database: Database, commits: Commits) {
    const sent = commits.filter((each) => Commit.findTimeReversal(each, undefined) === undefined)
    const rows = Array.isReadonlyArrayNonEmpty(sent) ? yield* append(database, sent) : []
    const written = new Map(rows.map((row) => [sent[row.ordinal - 1], row]))
    const refusalOf = yield* explainRefusals(
      database,
      commits.filter((each) => !written.has(each))
    )
    return Array.map(commits, (each): CommitResult => {
      const row = written.get(each)
      return row === undefined
        ? Result.fail(refusalOf(each))
        : Result.succeed({ events: stamped(each, row, database.partitionCount) })
    })
  },
  Effect.mapError(toStoreError(operation))
)

const append = (database: Database, commits: Commits) => {
  const [first, ...others] = commits
  const [event, ...following] = first.events
  return others.length === 0 && following.length === 0 && first.expectedPosition > 0 && isNew(event)
    ? appendOne(database, first, event)
    : appendMany(database, commits)
}

const isNew = (event: Commit.NewEvent | Commit.ImportedEvent | undefined): event is Commit.NewEvent =>
  event !== undefined && event.created_at === undefined

const inTransaction = <A>({ sql }: Database, effect: Effect.Effect<A, StoreError>): Effect.Effect<A, StoreError> =>
  Effect.catchTag(sql.withTransaction(effect), "SqlError", (error) => Effect.fail(toStoreError(operation)(error)))
