/** `@refold/adapters/redis` as it is published. */
import { load } from "./Drivers.ts"

export const { RedisWakeUpChannel } = await load("redis", () => import("../redis/index.ts"))
