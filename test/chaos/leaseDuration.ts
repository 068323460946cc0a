/** Short, so that many leases expire in a run. */
import { Duration } from "effect"

export const leaseDuration = Duration.seconds(4)
