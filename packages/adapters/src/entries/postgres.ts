/** `@refold/adapters/postgres` as it is published. */
import { load } from "./Drivers.ts"

export const { PostgresStore, PostgresWakeUpChannel } = await load("postgres", () => import("../postgres/index.ts"))
