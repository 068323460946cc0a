import { options } from "./options.mjs"

export default options({
  name: "recording",
  mutate: ["packages/testing/src/recording/{RecordedRun,RunSample,Redaction}.ts"],
  tests: "test/recording",
  least: 92
})
