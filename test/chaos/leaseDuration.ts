/** Short, so that a run sees many of them expire. */
import { Duration } from "effect"

export const leaseDuration = Duration.seconds(4)
