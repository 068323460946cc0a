export * as MemoryStore from "./MemoryStore.ts"
export * as MemoryWakeUpChannel from "./MemoryWakeUpChannel.ts"
