/** The one error of every store: the storage failed, not the caller. */
import { Schema } from "effect"
import { errorMessage, errorReason } from "./ErrorReason.ts"

/** Why a store failed. A reason that is temporary in some cases only has the field `isRetryable`. */
export const StoreErrorReason = Schema.Union([
  errorReason("Unavailable", { isRetryable: Schema.Boolean }),
  errorReason("ReadOnly", {}),
  errorReason("Full", {}),
  errorReason("SchemaMissing", {}),
  errorReason("SchemaOlder", {}),
  errorReason("SchemaNewer", {}),
  errorReason("SchemaName", {}),
  errorReason("Locked", {}),
  errorReason("Refused", { isRetryable: Schema.Boolean }),
  errorReason("Invalid", {})
])
export type StoreErrorReason = typeof StoreErrorReason.Type

const advice: Readonly<Record<StoreErrorReason["_tag"], string>> = {
  Unavailable: "the database cannot be reached: check that it runs and that the address is right, then try again",
  ReadOnly: "the database is read-only: connect to one that accepts writes",
  Full: "the database has no room left: free some, then try again",
  SchemaMissing: "the schema is not there: run `refold migrate`",
  SchemaOlder: "the schema is older than this version of Refold: run `refold migrate`",
  SchemaNewer: "the schema is newer than this version of Refold: update Refold",
  SchemaName: "PostgreSQL does not keep a schema's name like this one: give 1 to 63 bytes without a full stop",
  Locked: "another process holds the data directory: stop it, or choose another directory",
  Refused: "the database refused the statement",
  Invalid: "the stored data cannot be read: it was not written by Refold"
}

/**
 * The store failed. The call wrote nothing; or it wrote everything, if the connection was lost before the answer.
 *
 * **Details**
 *
 * `reason` says what to do: `Effect.catchReason("StoreError", "ReadOnly", …)` handles one of them. `isRetryable` says
 * whether the same call may work later. The call may have taken effect, so repeat it with the same idempotency key.
 * `cause` is the driver's own error.
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  operation: Schema.String,
  reason: StoreErrorReason
}) {
  override readonly cause: unknown = this.reason.cause

  get isRetryable(): boolean {
    return "isRetryable" in this.reason ? this.reason.isRetryable : this.reason._tag === "Locked"
  }

  override get message(): string {
    return errorMessage(this.operation, advice[this.reason._tag], this.reason.detail)
  }
}
