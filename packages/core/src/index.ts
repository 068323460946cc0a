export * as Instant from "./Instant.ts"
export type { ImportedRow } from "./ImportedRow.ts"
