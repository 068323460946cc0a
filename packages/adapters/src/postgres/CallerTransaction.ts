/**
 * Transactions that callers open on the store's client: the store's calls are part of them, and are rolled back with
 * them.
 */
import { Context, Effect, Option } from "effect"
import type { SqlClient } from "effect/sql"

/** Whether the caller is in a transaction of its own. */
export const isInTransaction = (sql: SqlClient.SqlClient): Effect.Effect<boolean> =>
  Effect.withFiber(({ context }) => Effect.succeed(hasTransaction(sql, context)))

/** Runs one effect in a caller's transaction, and another outside of one. Asks once for the whole call. */
export const whereInTransaction = <A, E, B, F>(
  sql: SqlClient.SqlClient,
  effects: { readonly inside: () => Effect.Effect<A, E>; readonly outside: () => Effect.Effect<B, F> }
): Effect.Effect<A | B, E | F> =>
  Effect.withFiber(({ context }): Effect.Effect<A | B, E | F> =>
    hasTransaction(sql, context) ? effects.inside() : effects.outside()
  )

const hasTransaction = (sql: SqlClient.SqlClient, context: Context.Context<never>): boolean =>
  Option.isSome(Context.getOption(context, sql.transactionService))
