export * as RecordedRun from "./RecordedRun.ts"
export * as RecordedRuns from "./RecordedRuns.ts"
export * as Redaction from "./Redaction.ts"
export * as RunSample from "./RunSample.ts"
