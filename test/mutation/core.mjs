import { options } from "./options.mjs"

export default {
  ...options({
    name: "core",
    // The laws are tools of tests; test/laws/Bite.test.ts breaks definitions to see them find it.
    mutate: ["packages/core/src/**/*.ts", "!packages/core/src/laws/**"],
    tests: "test/core"
  }),
  thresholds: { high: 95, low: 92, break: 92 }
}
