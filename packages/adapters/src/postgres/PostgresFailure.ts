/** Translates the driver's errors at the adapter's edge: no `SqlError` leaves it. */
import { StoreError, type StoreErrorReason } from "@refold/core"
import { Predicate } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/** Turns a failure of the driver into the port's error, for one operation. */
export const toStoreError =
  (operation: string) =>
  (error: SqlError): StoreError =>
    new StoreError({ operation, reason: { ...reasonOf(error), cause: error } })

/** SQLSTATE of the error, where the server sent one. Only for codes that `SqlError.reason` does not tell apart. */
export const sqlState = (error: SqlError): string | undefined => {
  const cause: unknown = error.reason.cause
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : undefined
}

/** Whether the server refused the user, the password, or the name of the database. */
export const isAccessRefused = (error: SqlError): boolean =>
  error.reason._tag === "AuthenticationError" || sqlState(error) === "3D000"

/** Whether the store as a whole failed: every other call would fail in the same way. */
export const isStoreUnusable = (error: unknown): boolean =>
  error instanceof StoreError && error.reason._tag !== "Refused"

/** Why the statement failed. */
export const reasonOf = (error: SqlError): StoreErrorReason => {
  if (isAccessRefused(error)) {
    // Without a code the driver gave up by itself, as where no password was given: then its own words tell why.
    const detail =
      sqlState(error) === undefined ? error.reason.message : "it refused the database name, the user or the password"
    return { _tag: "Unavailable", isRetryable: false, detail }
  }
  if (error.reason._tag === "ConnectionError" || error.reason._tag === "StatementTimeoutError") {
    return { _tag: "Unavailable", isRetryable: true }
  }
  const code = sqlState(error)
  switch (code) {
    // A read-only transaction, as on a standby.
    case "25006":
      return { _tag: "ReadOnly" }
    // The disk is full; there is no memory left.
    case "53100":
    case "53200":
      return { _tag: "Full" }
    // No such schema, table, or column.
    case "3F000":
    case "42P01":
    case "42703":
      return { _tag: "SchemaMissing" }
  }
  // Class 53 is a lack of resources, 57 an operator's intervention such as a shutdown; 25P03 ends a session that was
  // idle in a transaction.
  if (code !== undefined && /^(53|57|25P03)/.test(code)) return { _tag: "Unavailable", isRetryable: true }
  return {
    _tag: "Refused",
    isRetryable: error.isRetryable,
    ...(code === undefined ? {} : { detail: `SQLSTATE ${code}` })
  }
}
