/**
 * Recorded runs as files: `record` writes a sample of a store's executions to a directory; `check` replays such files with the
 * definitions of this process. Before a deploy, a team sees how its change reads past events.
 *
 * Each file is JSON Lines: a header, then a line per event. `RecordedRun` defines both.
 */
export * from "./Recorder.ts"
export * from "./RunChecker.ts"
export { RecordedRunFilesError, maxEventCount, maxFileBytes } from "./RunFiles.ts"
