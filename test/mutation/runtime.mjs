import { options } from "./options.mjs"

const mutated = ["WorkList", "Sweeper", "WakeUps", "ExecutionCache", "SnapshotWriter", "ExternalSort", "Turns"]

export default options({
  name: "runtime",
  mutate: mutated.map((module) => `packages/runtime/src/${module}.ts`),
  tests: "test/runtime"
})
