/** `@refold/adapters/eventlog` as it is published. */
import { load } from "./Drivers.ts"

export const { EventLog, EventLogError } = await load("eventlog", () => import("../eventlog/index.ts"))
