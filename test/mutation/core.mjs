import { options } from "./options.mjs"

export default options({
  name: "core",
  mutate: ["packages/core/src/**/*.ts"],
  tests: "test/core",
  least: 92
})
