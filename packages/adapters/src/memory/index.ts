export * as MemoryStore from "./MemoryStore.ts"
export * as MemoryPartitionLeases from "./MemoryPartitionLeases.ts"
export { MemoryTables } from "./MemoryTables.ts"
export * as MemoryEventStream from "./MemoryEventStream.ts"
