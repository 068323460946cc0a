import { Instant } from "@refold/core"

/** The text of an instant that the client returned. */
export const instantText = (date: Date): Instant.Instant => Instant.fromEpochMillis(date.getTime())
