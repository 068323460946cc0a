import { options } from "./options.mjs"

export default {
  ...options({
    name: "histories",
    mutate: ["packages/core/src/{History,HistorySample,Redaction}.ts"],
    tests: "test/histories"
  }),
  thresholds: { high: 95, low: 92, break: 92 }
}
