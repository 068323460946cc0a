import { options } from "./options.mjs"

export default options({
  name: "histories",
  mutate: ["packages/core/src/{History,HistorySample,Redaction}.ts"],
  tests: "test/histories",
  least: 92
})
