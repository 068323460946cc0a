export * as RedisWakeUpChannel from "./RedisWakeUpChannel.ts"
