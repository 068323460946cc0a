export * as PostgresWakeUpChannel from "./PostgresWakeUpChannel.ts"
export * as PostgresStore from "./PostgresStore.ts"
