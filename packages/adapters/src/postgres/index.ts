export * as PostgresEventStream from "./PostgresEventStream.ts"
export * as PostgresStore from "./PostgresStore.ts"
