/** Entries of a stream: how a wake-up is written, and what one read returns. */
import { type Delivery, Identifier, WakeUpChannelError, type WakeUp } from "@refold/core"
import { Array, Effect, Option, Schema } from "effect"

// --- Fields -----------------------------------------------------------------------------------------------------------

const Entry = Schema.Struct({ tenant: Identifier.Identifier, execution_id: Identifier.Identifier })
const decodeEntry = Schema.decodeUnknownOption(Entry)

export const fieldsOf = ({ executionId, tenant }: WakeUp): ReadonlyArray<string> => [
  "tenant",
  tenant,
  "execution_id",
  executionId
]

/** None for an entry that Refold did not write, or that was deleted. */
const wakeUpOf = (fields: ReadonlyArray<string> | null): Option.Option<Omit<WakeUp, "partition">> =>
  fields === null
    ? Option.none()
    : Option.map(
        decodeEntry(Object.fromEntries(Array.chunksOf(fields, 2))),
        ({ execution_id: executionId, tenant }) => ({
          tenant,
          executionId
        })
      )

// --- Replies ----------------------------------------------------------------------------------------------------------

const Reply = Schema.NullOr(
  Schema.Array(
    Schema.Tuple([
      Schema.String,
      Schema.Array(Schema.Tuple([Schema.String, Schema.NullOr(Schema.Array(Schema.String))]))
    ])
  )
)

/** Entries by the key of their stream. */
export type Entries = ReadonlyMap<string, ReadonlyArray<readonly [id: string, fields: ReadonlyArray<string> | null]>>

export const decodeReply = (operation: string, reply: unknown): Effect.Effect<Entries, WakeUpChannelError> =>
  Schema.decodeUnknownEffect(Reply)(reply).pipe(
    Effect.mapBoth({
      onSuccess: (streams) => new Map(streams ?? []),
      onFailure: () =>
        new WakeUpChannelError({
          operation,
          reason: { _tag: "Refused", isRetryable: false, detail: "an answer of another shape" }
        })
    })
  )

// --- One read ---------------------------------------------------------------------------------------------------------

/** A cursor that reads entries that no reader has got yet. Any other is the id after which pending entries are read. */
export const unread = ">"

/** The cursor before all pending entries. */
export const firstPending = "0"

export interface Sorted {
  readonly deliveries: ReadonlyArray<Delivery>
  /** Entries that Refold did not write, or that were deleted before they were acknowledged. */
  readonly foreign: ReadonlyArray<Pick<Delivery, "partition" | "deliveryId">>
  /** Where the next read continues, by partition. */
  readonly cursors: ReadonlyMap<number, string>
}

/**
 * Sorts the entries of one read. A partition whose pending entries filled the limit continues after the last of them.
 */
export const sortEntries = (
  entries: Entries,
  read: {
    readonly partitions: ReadonlyArray<number>
    /** The cursor of each partition. */
    readonly from: ReadonlyArray<string>
    readonly limit: number
    readonly keyOf: (partition: number) => string
  }
): Sorted => {
  const deliveries: Array<Delivery> = []
  const foreign: Array<Pick<Delivery, "partition" | "deliveryId">> = []
  const cursors = new Map<number, string>()
  for (const [index, partition] of read.partitions.entries()) {
    const own = entries.get(read.keyOf(partition)) ?? []
    for (const [deliveryId, fields] of own) {
      const wakeUp = wakeUpOf(fields)
      if (Option.isSome(wakeUp)) deliveries.push({ ...wakeUp.value, partition, deliveryId })
      else foreign.push({ partition, deliveryId })
    }
    const hasMorePending = read.from[index] !== unread && own.length >= read.limit
    cursors.set(partition, hasMorePending ? (own.at(-1)?.[0] ?? unread) : unread)
  }
  return { deliveries, foreign, cursors }
}
