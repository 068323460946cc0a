/** Commits: all that one step writes, as one value. A store writes a commit whole or not at all. */
import type { Array } from "effect"
import { Schema } from "effect"
import type { DecidedEvent } from "./Decision.ts"
import type { Instant } from "../event/Instant.ts"
import type { ExecutionRef } from "./ExecutionRef.ts"
import type { Settling } from "./Settlement.ts"
import type { WorkflowEvent } from "../event/WorkflowEvent.ts"
import type { WorkflowRef } from "../workflow/WorkflowRef.ts"

interface IdentifiedEvent extends DecidedEvent {
  readonly event_id: string
  /** Stored beside the event, which `findByIdempotencyKey` finds by it. */
  readonly idempotency_key?: string
}

/** An event to append; the store stamps its `created_at`. */
export interface NewEvent extends IdentifiedEvent {
  readonly created_at?: never
}

/** An event to append that brings its own `created_at`. */
export interface ImportedEvent extends IdentifiedEvent {
  readonly created_at: Instant
}

/**
 * **Details**
 *
 * `expectedPosition` is the position that the decision was made at; 0 starts the execution. The events get the positions
 * after it, in order. The state of the header is the last event's `to_state`. A commit without events only settles queued
 * events that were rejected at that position.
 */
export interface Commit extends ExecutionRef {
  readonly workflow: WorkflowRef
  readonly expectedPosition: number
  readonly events: ReadonlyArray<NewEvent> | Array.NonEmptyReadonlyArray<ImportedEvent>
  /** Whether the state after the commit is final. */
  readonly isComplete: boolean
  /** The queued events that it settles. If the queue cursor has moved, the commit fails with {@link PositionConflict}. */
  readonly settles?: Settling
}

/** The result of a commit: its events as the store stamped them, in order. */
export interface Committed {
  readonly events: ReadonlyArray<WorkflowEvent>
}

/** The values that a store adds to a commit. */
export interface Stamp {
  readonly partition: number
  /** The offset before the commit's first event. */
  readonly lastOffset: number
  /** `created_at` of events that bring none: the later of the store's clock and the execution's last event. */
  readonly stampedAt: Instant
  /** The store's clock. */
  readonly now: Instant
}

/** The events of a commit as a store returns them, with positions, offsets and instants. */
export const stamp = (
  commit: Pick<Commit, keyof ExecutionRef | "expectedPosition" | "events">,
  { lastOffset, now, partition, stampedAt }: Stamp
): ReadonlyArray<WorkflowEvent> =>
  eventsOf(commit).map(({ idempotency_key: _key, ...event }, index) => ({
    ...event,
    tenant: commit.tenant,
    execution_id: commit.executionId,
    position: commit.expectedPosition + index + 1,
    created_at: event.created_at ?? stampedAt,
    recorded_at: event.created_at === undefined ? stampedAt : now,
    partition,
    offset: lastOffset + index + 1
  }))

/** The events of a commit, of either kind. */
export const eventsOf = ({ events }: Pick<Commit, "events">): ReadonlyArray<NewEvent | ImportedEvent> => events

/** The execution moved since it was read; nothing was written. Load, decide and commit again. */
export class PositionConflict extends Schema.TaggedError<PositionConflict>()("PositionConflict", {
  tenant: Schema.String,
  executionId: Schema.String,
  expected: Schema.Int,
  actual: Schema.Int
}) {
  override get message(): string {
    const moved =
      this.actual === this.expected
        ? "has settled the queued events already"
        : `is at position ${this.actual}, not ${this.expected}`
    return `Execution "${this.executionId}" ${moved}: load it and try again`
  }
}

/** An imported event is earlier than the one before it; nothing of its commit was written. */
export class TimeReversed extends Schema.TaggedError<TimeReversed>()("TimeReversed", {
  tenant: Schema.String,
  executionId: Schema.String,
  position: Schema.Int,
  createdAt: Schema.String,
  previousCreatedAt: Schema.String
}) {
  override get message(): string {
    return `Event ${this.position} of execution "${this.executionId}" is of ${this.createdAt}, before the event it follows (${this.previousCreatedAt}): import the events of an execution in the order of time`
  }
}

export type CommitRefused = PositionConflict | TimeReversed

/** The first event that is earlier than the one before it, if there is one. `previous` is the instant of the log's last event. */
export const findTimeReversal = (commit: Commit, previous: Instant | undefined): TimeReversed | undefined => {
  let previousCreatedAt = previous
  for (const [index, { created_at: createdAt }] of commit.events.entries()) {
    if (createdAt === undefined) continue
    if (previousCreatedAt !== undefined && createdAt < previousCreatedAt) {
      return new TimeReversed({
        tenant: commit.tenant,
        executionId: commit.executionId,
        position: commit.expectedPosition + index + 1,
        createdAt,
        previousCreatedAt
      })
    }
    previousCreatedAt = createdAt
  }
  return undefined
}
