/** The one error of every store: the storage failed, not the caller. */
import { Schema } from "effect"

const advice = {
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
 * The store failed; nothing of the call was written, or all of it, where the connection was lost before the answer.
 *
 * **Details**
 *
 * `reason` says what to do, `isRetryable` whether the same call may work later. Since it may have been made, repeat it with
 * the idempotency key that it had. `cause` is the driver's own error: for the log, never for branching.
 */
export class StoreError extends Schema.TaggedError<StoreError>()("StoreError", {
  operation: Schema.String,
  reason: Schema.Literals([
    "Unavailable",
    "ReadOnly",
    "Full",
    "SchemaMissing",
    "SchemaOlder",
    "SchemaNewer",
    "SchemaName",
    "Locked",
    "Refused",
    "Invalid"
  ]),
  isRetryable: Schema.Boolean,
  detail: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `${this.operation} failed: ${advice[this.reason]}${this.detail === undefined ? "" : ` (${this.detail})`}`
  }
}
