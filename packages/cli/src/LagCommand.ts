/** The command lag: how much waits in the queue, and since when. */
import { Instant, type PartitionLag, WorkflowEventProcessingModel } from "@refold/core"
import { Clock, Effect, Stream } from "effect"
import { Command } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as Output from "./Output.ts"
import * as Store from "./Store.ts"

export const lag = Command.make(
  "lag",
  { json: Flags.json },
  Effect.fnUntraced(function* ({ json }) {
    const queue = yield* WorkflowEventProcessingModel
    const lags = yield* queue.lag
    const now = yield* Clock.currentTimeMillis
    const partitions = lags.map((each) => ({ ...each, ...ageOf(each, now) }))
    const total = totalOf(partitions)
    if (json) return yield* Output.printJson({ ...total, partitions })
    yield* Output.printLines(
      ...Output.pairs([
        ["pending", String(total.pendingCount)],
        ["oldest", describeOldest(total)],
        ["dead or skipped", String(total.deadCount)],
        ["unclaimed", String(total.unclaimedCount)]
      ])
    )
    if (partitions.length === 0) return
    yield* Output.printTable(Stream.fromIterable(partitions), {
      head: ["partition", "pending", "oldest", "dead or skipped", "unclaimed"],
      cells: (each) => [
        String(each.partition),
        String(each.pendingCount),
        describeOldest(each),
        String(each.deadCount),
        String(each.unclaimedCount)
      ],
      noun: ["partition", "partitions"]
    })
  }, Effect.provide(Store.layer))
).pipe(
  Command.withDescription(
    "Show the queue: how many events are pending, since when, and how many no running worker can process"
  ),
  Command.withExamples([
    { command: "refold lag", description: "A table, by partition" },
    { command: "refold lag --json", description: "JSON, for monitoring" }
  ])
)

interface AgedLag extends PartitionLag {
  readonly oldestAgeSeconds?: number
}

const totalOf = (partitions: ReadonlyArray<AgedLag>) => {
  const sum = (count: (lag: AgedLag) => number) => partitions.reduce((total, each) => total + count(each), 0)
  const [oldest] = partitions
    .filter(({ oldestQueuedAt }) => oldestQueuedAt !== undefined)
    .toSorted((left, right) => (right.oldestAgeSeconds ?? 0) - (left.oldestAgeSeconds ?? 0))
  return {
    pendingCount: sum(({ pendingCount }) => pendingCount),
    ...(oldest?.oldestQueuedAt === undefined
      ? {}
      : { oldestQueuedAt: oldest.oldestQueuedAt, oldestAgeSeconds: oldest.oldestAgeSeconds ?? 0 }),
    deadCount: sum(({ deadCount }) => deadCount),
    unclaimedCount: sum(({ unclaimedCount }) => unclaimedCount)
  }
}

/** Whole seconds, never negative: the clock of the database may be ahead of this machine's. */
const ageOf = ({ oldestQueuedAt }: PartitionLag, now: number) =>
  oldestQueuedAt === undefined
    ? {}
    : { oldestAgeSeconds: Math.max(0, Math.round((now - Instant.toEpochMillis(oldestQueuedAt)) / 1000)) }

const describeOldest = (lag: { readonly oldestQueuedAt?: string; readonly oldestAgeSeconds?: number }): string =>
  lag.oldestQueuedAt === undefined ? "-" : `${lag.oldestQueuedAt} (${lag.oldestAgeSeconds ?? 0} s ago)`
