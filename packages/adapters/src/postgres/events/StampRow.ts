/** The answer of an append: what the store added to each commit that it wrote. */
import { Commit, Partition, type WorkflowEvent } from "@refold/core"
import { instantText } from "../InstantText.ts"

export interface StampRow {
  /** Which of the commits that were sent, counted from 1. */
  readonly ordinal: number
  /** The offset before the commit's first event. */
  readonly base: bigint
  /** The instant of the execution's last event. */
  readonly updated_at: Date
  /** The server's clock. */
  readonly now: Date
}

/** The events of a commit, as they were written. */
export const stamped = (commit: Commit.Commit, row: StampRow, partitionCount: number): ReadonlyArray<WorkflowEvent> =>
  Commit.stamp(commit, {
    partition: Partition.of(commit.tenant, commit.executionId, partitionCount),
    lastOffset: Number(row.base),
    stampedAt: instantText(row.updated_at),
    now: instantText(row.now)
  })
