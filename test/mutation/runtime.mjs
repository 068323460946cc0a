import { options } from "./options.mjs"

const mutated = [
  "worker/FairQueue",
  "queue/Sweeper",
  "queue/WakeUps",
  "execution/LruCache",
  "execution/KeyedLock",
  "replay/SnapshotWriter",
  "import/ExternalSort"
]

export default options({
  name: "runtime",
  mutate: mutated.map((module) => `packages/runtime/src/${module}.ts`),
  tests: "test/runtime"
})
