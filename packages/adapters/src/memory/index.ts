export * as MemoryStore from "./MemoryStore.ts"
export * as MemoryEventStream from "./MemoryEventStream.ts"
