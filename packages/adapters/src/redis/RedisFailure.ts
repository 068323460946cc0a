/** Translates the answers of Redis and the errors of its driver at the adapter's edge. */
import { WakeUpChannelError, type WakeUpChannelErrorReason } from "@refold/core"

/**
 * Turns a failure of the driver into the port's error, for one operation.
 *
 * **Gotchas**
 *
 * Only the first word of the server's answer is kept. The driver attaches the whole command to its error, which for
 * AUTH holds the password.
 */
export const toChannelError =
  (operation: string) =>
  (cause: unknown): WakeUpChannelError =>
    cause instanceof Error && cause.name === "ReplyError"
      ? new WakeUpChannelError({ operation, reason: classifyReply(cause.message) })
      : new WakeUpChannelError({ operation, reason: { _tag: "Unavailable", isRetryable: true, cause } })

const classifyReply = (message: string): WakeUpChannelErrorReason => {
  const code = /^[A-Z]+/.exec(message)?.[0] ?? "ERR"
  switch (code) {
    case "NOAUTH":
    case "WRONGPASS":
    case "NOPERM":
    case "DENIED":
      return { _tag: "AccessDenied", detail: code }
    case "OOM":
      return { _tag: "Full", isRetryable: false }
    case "READONLY":
      return { _tag: "ReadOnly", isRetryable: false }
    case "WRONGTYPE":
      return { _tag: "WrongType" }
    // The server is starting, failing over, or running a long script.
    case "LOADING":
    case "BUSY":
    case "MASTERDOWN":
    case "CLUSTERDOWN":
    case "TRYAGAIN":
    case "NOREPLICAS":
    // The streams or the groups are gone, for example by FLUSHALL: the next read creates the groups again.
    case "UNBLOCKED":
    case "NOGROUP":
      return { _tag: "Unavailable", isRetryable: true, detail: code }
  }
  return message.includes("max number of clients")
    ? { _tag: "Unavailable", isRetryable: true, detail: "maxclients is reached" }
    : { _tag: "Refused", isRetryable: false, detail: code }
}
