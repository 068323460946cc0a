/** The port's `enqueue`: which calls run together, and what each answers. */
import { QueuedEvent } from "@refold/core"
import { type Array, Effect } from "effect"
import * as Batcher from "../../internal/Batcher.ts"
import { whereInTransaction } from "../CallerTransaction.ts"
import type { Database } from "../Database.ts"
import { isStoreUnusable, toStoreError } from "../PostgresFailure.ts"
import { type InsertedRow, insert } from "./Insert.ts"
import { toNewEntry, toQueueEntry } from "./QueueRow.ts"

type Events = Array.NonEmptyReadonlyArray<QueuedEvent.NewQueuedEvent>

/** A call of more events runs alone: it gains nothing in a batch. */
const maxBatchedEvents = 64

/** For few calls at a time, the commits that smaller batches cost are worth more than the time they save. */
const minShare = 32

/** Two writers with one idempotency key: the slower one tries again, and finds the key. */
const maxAttempts = 3

/** Small calls are batched, but for those in a caller's transaction. */
export const makeEnqueue = (database: Database) =>
  Effect.map(
    Batcher.make({
      run: (events: Events) => enqueueAll(database, events, false),
      minShare,
      yieldsFirst: true,
      isEverybodys: isStoreUnusable
    }),
    (batched) => (events: Events) =>
      whereInTransaction(database.sql, {
        inside: () => enqueueAll(database, events, true),
        outside: () => (events.length > maxBatchedEvents ? enqueueAll(database, events, false) : batched(events))
      })
  )

const enqueueAll = Effect.fnUntraced(
  function* (database: Database, events: Events, isInCallersTransaction: boolean) {
    const { firsts, placeOf } = yield* Effect.fromResult(QueuedEvent.dedupeByKey(events))
    const inserting = insert(database, firsts)
    // In a savepoint: a failed statement must not abort the caller's whole transaction.
    const rows = yield* Effect.retry(isInCallersTransaction ? database.sql.withTransaction(inserting) : inserting, {
      times: maxAttempts - 1,
      while: (error) => error.reason._tag === "UniqueViolation"
    })
    const refused = rows.find((row) => row.refusal !== null)
    if (refused !== undefined) return yield* refusalOf(firsts[refused.ordinal - 1] ?? firsts[0], refused)
    const entries = new Map<number, QueuedEvent.QueueEntry>()
    for (const row of rows) {
      const event = firsts[row.ordinal - 1]
      if (event !== undefined) {
        entries.set(row.ordinal - 1, row.is_new ? toNewEntry(event, row) : yield* toQueueEntry(row))
      }
    }
    return yield* Effect.forEach(placeOf, (index) => Effect.orDie(Effect.fromNullishOr(entries.get(index))))
  },
  Effect.catchTag("SqlError", (error) => Effect.fail(toStoreError("Queueing events")(error)))
)

const refusalOf = (
  { executionId, idempotencyKey = "", tenant }: QueuedEvent.NewQueuedEvent,
  { final_state: finalState, refusal }: InsertedRow
): QueuedEvent.IdempotencyConflict | QueuedEvent.QueueClosed =>
  refusal === "conflict"
    ? new QueuedEvent.IdempotencyConflict({ executionId, idempotencyKey })
    : new QueuedEvent.QueueClosed({ tenant, executionId, ...(finalState === null ? {} : { finalState }) })
