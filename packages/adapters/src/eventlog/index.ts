export * as EventLog from "./EventLog.ts"
export { EventLogError } from "./EventLogError.ts"
