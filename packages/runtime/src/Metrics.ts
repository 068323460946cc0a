/** What the runtime counts. */
import { Metric } from "effect"

export const eventsAppended = Metric.counter("refold_events_appended", { incremental: true })
export const submissionsRejected = Metric.counter("refold_submissions_rejected", { incremental: true })
export const positionConflicts = Metric.counter("refold_position_conflicts", { incremental: true })
export const eventsReplayed = Metric.counter("refold_events_replayed", { incremental: true })
export const replayDuration = Metric.timer("refold_replay_duration")
/** Replays that began at a snapshot; the others began at the first event. */
export const snapshotHits = Metric.counter("refold_snapshot_hits", { incremental: true })
export const snapshotsStored = Metric.counter("refold_snapshots_stored", { incremental: true })
export const snapshotFailures = Metric.counter("refold_snapshot_failures", { incremental: true })
