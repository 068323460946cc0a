/** Numbers that order events: the position in an execution, the partition, the offset in the partition's feed. */
import { Schema } from "effect"

const WholeNumber = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Position of an event in its execution: 1, 2, 3 … without gaps, the order of replay. 0 is the position of the empty log. */
export const Position = WholeNumber

/** Number of a partition: 0 to the namespace's partition count minus 1. */
export const PartitionNumber = WholeNumber

/** Offset of an event in its partition's feed: 1, 2, 3 … without gaps, in commit order. 0 is before the first event. */
export const Offset = WholeNumber
