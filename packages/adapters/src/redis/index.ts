export * as RedisEventStream from "./RedisEventStream.ts"
