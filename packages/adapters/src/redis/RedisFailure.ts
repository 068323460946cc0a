/** Translates what Redis and its driver say at the adapter's edge. */
import { WakeUpChannelError } from "@refold/core"

/**
 * Turns a failure of the driver into the port's error, for one operation.
 *
 * **Gotchas**
 *
 * Of what the server answers, only the first word is kept. The driver hangs the whole command on its error: of AUTH that
 * is the password.
 */
export const toChannelError =
  (operation: string) =>
  (cause: unknown): WakeUpChannelError =>
    cause instanceof Error && cause.name === "ReplyError"
      ? new WakeUpChannelError({ operation, ...classifyReply(cause.message) })
      : new WakeUpChannelError({ operation, reason: "Unavailable", isRetryable: true, cause })

const classifyReply = (message: string): Pick<WakeUpChannelError, "reason" | "isRetryable" | "detail"> => {
  const code = /^[A-Z]+/.exec(message)?.[0] ?? "ERR"
  switch (code) {
    case "NOAUTH":
    case "WRONGPASS":
    case "NOPERM":
    case "DENIED":
      return { reason: "AccessDenied", isRetryable: false, detail: code }
    case "OOM":
      return { reason: "Full", isRetryable: false }
    case "READONLY":
      return { reason: "ReadOnly", isRetryable: false }
    case "WRONGTYPE":
      return { reason: "WrongType", isRetryable: false }
    // It starts, fails over, or runs somebody's long script.
    case "LOADING":
    case "BUSY":
    case "MASTERDOWN":
    case "CLUSTERDOWN":
    case "TRYAGAIN":
    case "NOREPLICAS":
    // What it held is gone, by FLUSHALL for one: the next read makes the groups anew.
    case "UNBLOCKED":
    case "NOGROUP":
      return { reason: "Unavailable", isRetryable: true, detail: code }
  }
  return message.includes("max number of clients")
    ? { reason: "Unavailable", isRetryable: true, detail: "maxclients is reached" }
    : { reason: "Refused", isRetryable: false, detail: code }
}
