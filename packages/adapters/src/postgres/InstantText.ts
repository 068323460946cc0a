import { Instant } from "@refold/core"

/** An instant of the client as text. */
export const instantText = (date: Date): Instant.Instant => Instant.fromEpochMillis(date.getTime())
