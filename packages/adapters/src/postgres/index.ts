export * as PostgresEventStream from "./PostgresEventStream.ts"
export * as PostgresStore from "./PostgresStore.ts"
export * as PostgresPartitionLeases from "./PostgresPartitionLeases.ts"
