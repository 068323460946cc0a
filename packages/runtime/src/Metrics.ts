/** Metrics of the runtime: counts of this process since it started. Timers are in milliseconds. */
import { Metric } from "effect"

export const eventsAppended = Metric.counter("refold_events_appended", { incremental: true })
export const submissionsRejected = Metric.counter("refold_submissions_rejected", { incremental: true })
export const positionConflicts = Metric.counter("refold_position_conflicts", { incremental: true })
export const eventsReplayed = Metric.counter("refold_events_replayed", { incremental: true })
export const replayDuration = Metric.timer("refold_replay_duration")
/** Replays that started at a snapshot; the other replays started at the first event. */
export const snapshotHits = Metric.counter("refold_snapshot_hits", { incremental: true })
export const snapshotsStored = Metric.counter("refold_snapshots_stored", { incremental: true })
export const snapshotFailures = Metric.counter("refold_snapshot_failures", { incremental: true })
export const eventsQueued = Metric.counter("refold_events_queued", { incremental: true })
export const queuedEventsApplied = Metric.counter("refold_queued_events_applied", { incremental: true })
export const queuedEventsRejected = Metric.counter("refold_queued_events_rejected", { incremental: true })
export const attemptsFailed = Metric.counter("refold_attempts_failed", { incremental: true })
export const deadLetters = Metric.counter("refold_dead_letters", { incremental: true })
/** Time from enqueue to append, by the store's clock, for the first event of each pass over a queue. */
export const processingLag = Metric.timer("refold_processing_lag")
/** Wake-ups that were not published; the sweep finds their work later. */
export const wakeUpsDropped = Metric.counter("refold_wake_ups_dropped", { incremental: true })
/** Pending events in this worker's partitions, as last measured. */
export const eventsPending = Metric.gauge("refold_events_pending")
export const partitionsOwned = Metric.gauge("refold_partitions_owned")
