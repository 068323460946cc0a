import { options } from "./options.mjs"

export default options({
  name: "core",
  mutate: [
    "packages/core/src/**/*.ts",
    // The laws are tools of tests; test/laws/Bite.test.ts breaks definitions to see them find it.
    "!packages/core/src/laws/**",
    // Their tests are elsewhere: histories.mjs.
    "!packages/core/src/{History,HistorySample,Redaction}.ts"
  ],
  tests: "test/core",
  least: 92
})
