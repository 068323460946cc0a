/** Translates the driver's errors at the adapter's edge: no `SqlError` leaves it. */
import { StoreError } from "@refold/core"
import { Predicate } from "effect"
import type { SqlError } from "effect/sql/SqlError"

/** Turns a failure of the driver into the port's error, for one operation. */
export const toStoreError =
  (operation: string) =>
  (error: SqlError): StoreError =>
    new StoreError({ operation, ...classify(error), cause: error })

/** SQLSTATE of the error, where the server sent one. */
export const sqlState = (error: SqlError): string | undefined => {
  const cause: unknown = error.reason.cause
  return Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : undefined
}

const classify = (error: SqlError): Pick<StoreError, "reason" | "isRetryable" | "detail"> => {
  const code = sqlState(error)
  switch (code) {
    case "25006":
      return { reason: "ReadOnly", isRetryable: false }
    case "53100":
    case "53200":
      return { reason: "Full", isRetryable: false }
    case "3F000":
    case "42P01":
    case "42703":
      return { reason: "SchemaMissing", isRetryable: false }
    case "3D000":
    case "28P01":
    case "28000":
      return {
        reason: "Unavailable",
        isRetryable: false,
        detail: "it refused the database name, the user or the password"
      }
    case undefined:
      break
    default:
      // Class 08 is a lost connection, 53 too few resources, 57 an operator's intervention such as a shutdown; 25P03 ends
      // a session that sat idle in a transaction.
      if (/^(08|53|57|25P03)/.test(code)) return { reason: "Unavailable", isRetryable: true }
  }
  if (error.reason._tag === "ConnectionError") return { reason: "Unavailable", isRetryable: true }
  return {
    reason: "Refused",
    isRetryable: error.isRetryable,
    ...(code === undefined ? {} : { detail: `SQLSTATE ${code}` })
  }
}
