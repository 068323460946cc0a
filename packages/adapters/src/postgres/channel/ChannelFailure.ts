/** Translates the driver's errors at the edge of the wake-up channel. */
import { WakeUpChannelError, type WakeUpChannelErrorReason } from "@refold/core"
import { Duration, Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { isAccessRefused, reasonOf as storeReasonOf, sqlState } from "../PostgresFailure.ts"

/** Turns a failure of the driver into the port's error, for one operation. */
export const toChannelError =
  (operation: string) =>
  (error: SqlError): WakeUpChannelError =>
    new WakeUpChannelError({ operation, reason: { ...reasonOf(error), cause: error } })

const reasonOf = (error: SqlError): WakeUpChannelErrorReason => {
  const reason = storeReasonOf(error)
  const detail = reason.detail === undefined ? {} : { detail: reason.detail }
  if (isAccessRefused(error)) return { _tag: "AccessDenied", ...detail }
  // The server keeps notifications until the slowest listener has heard them; 54000 says that it has no room for more.
  if (reason._tag === "Full" || sqlState(error) === "54000") return { _tag: "Full", isRetryable: true, ...detail }
  switch (reason._tag) {
    case "Unavailable":
      return { _tag: "Unavailable", isRetryable: reason.isRetryable, ...detail }
    case "ReadOnly":
      return { _tag: "ReadOnly", isRetryable: true, ...detail }
    case "Refused":
      return { _tag: "Refused", isRetryable: reason.isRetryable, ...detail }
    default:
      return { _tag: "Refused", isRetryable: false, ...detail }
  }
}

/** A statement without an answer for so long has failed: its connection may hang without closing. */
const answerTimeout = Duration.seconds(2)

/** Fails if there is no answer in time. */
export const answering = Effect.timeoutOrElse({
  duration: answerTimeout,
  orElse: () =>
    Effect.fail(
      new WakeUpChannelError({
        operation: "Waiting for the wake-up channel",
        reason: { _tag: "Unavailable", isRetryable: true, detail: "the connection does not answer" }
      })
    )
})
