/** `@refold/adapters/pglite` as it is published. */
import { load } from "./Drivers.ts"

export const { PgliteStore } = await load("pglite", () => import("../pglite/index.ts"))
