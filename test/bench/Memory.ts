/**
 * Peak memory of a process that reads, writes or works, and of a process that does it with many times as much data. Both
 * should be the same, except for what the garbage collector leaves.
 */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { onServer } from "./Database.ts"
import { alternate, figureOf, median } from "./Measure.ts"
import type { Run } from "./Run.ts"
import { type Size, seed, seedWaiting } from "./Seed.ts"
import { Servers } from "./Servers.ts"

const child = fileURLToPath(new URL("MemoryChild.ts", import.meta.url))

type Work = "import" | "replay" | "export" | "feed" | "cache"

/** Descriptor on which the child reports its peak, because its standard output is the export. */
const peakDescriptor = 3

/** Peak RSS in MiB. Runs through a shell: a child inherits the peak of its parent, and a shell's is small. */
const peakOf = (url: string, schema: string, work: Work, count: number) =>
  Effect.sync(() => {
    const { output, status, stderr } = spawnSync(
      "sh",
      ["-c", '"$0" "$@"; exit $?', process.execPath, child, work, String(count)],
      {
        encoding: "utf8",
        stdio: ["ignore", "ignore", "pipe", "pipe"],
        env: { ...process.env, NODE_OPTIONS: "--conditions=@refold/source", DATABASE_URL: url, BENCH_SCHEMA: schema }
      }
    )
    if (status !== 0) throw new Error(`The child failed: ${stderr}`)
    return Number(output[peakDescriptor]) / 1024
  })

interface Amounts {
  readonly less: number
  readonly more: number
}

interface Preparation {
  /** Runs once for each schema. */
  readonly schema: (schema: string, amount: number) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>
  /** Runs before each measurement. */
  readonly measurement: (schema: string) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>
}

/** Peaks in MiB for an amount of work in its own schema. */
const peakIn = Effect.fnUntraced(function* (schema: string, work: Work, amount: number, preparation: Preparation) {
  const url = yield* (yield* Servers).databaseUrl
  const services = yield* Layer.build(onServer({ schema }))
  yield* Effect.provide(preparation.schema(schema, amount), services)
  return Effect.andThen(Effect.provide(preparation.measurement(schema), services), peakOf(url, schema, work, amount))
})

const nothing: Preparation = { schema: () => Effect.void, measurement: () => Effect.void }

const memory = (work: Work, turnCount: number, amounts: Amounts, preparation: Preparation): Run => ({
  names: [`memory/${work}`],
  diskGiB: 4,
  figures: Effect.gen(function* () {
    const more = yield* peakIn("refold_bench_more", work, amounts.more, preparation)
    const less = yield* peakIn("refold_bench_less", work, amounts.less, preparation)
    return [figureOf(`memory/${work}`, "MiB", 1 / 1.3, yield* alternate(more, less, turnCount), "less")]
  })
})

const oneExecution = (eventsPerExecution: number): Size => ({
  tenantCount: 1,
  executionCount: 1,
  eventsPerExecution,
  settledCount: 0
})

const log: Amounts = { less: 100_000, more: 1_000_000 }

const ofLog: Preparation = { ...nothing, schema: (schema, eventCount) => seed(schema, oneExecution(eventCount)) }

/**
 * The shorter log fills every buffer, so three times as many rows can only add unbounded memory.
 *
 * **Details**
 *
 * V8 collects old objects when they are about four times the live ones, and there memory levels off. An import of 40,000
 * rows ends before that. Peaks in MiB by thousands of rows, medians of three: 40: 261, 100: 294, 200: 353,
 * 400: 362, 1000: 349.
 */
const imported: Amounts = { less: 100_000, more: 300_000 }

/** The same for a feed: 100: 185, 300: 218, 1000: 253, 2000: 244. */
const feed: Amounts = { less: 300_000, more: 1_000_000 }

/** Executions that a worker processes, with one queued event each. It caches as many as its bound allows. */
const met: Amounts = { less: 10_000, more: 100_000 }

const oneEventEach = (executionCount: number): Size => ({
  tenantCount: 1,
  executionCount,
  eventsPerExecution: 1,
  settledCount: 0
})

export const memories: ReadonlyArray<Run> = [
  memory("import", 5, imported, nothing),
  memory("replay", 5, log, ofLog),
  memory("export", 5, log, ofLog),
  memory("feed", 5, feed, ofLog),
  memory("cache", 5, met, {
    schema: (schema, executionCount) => seed(schema, oneEventEach(executionCount)),
    measurement: seedWaiting
  })
]

/** Peaks in MiB of readers and writers of logs of these lengths. */
export const peaks = (work: "import" | "replay" | "export" | "feed", lengths: ReadonlyArray<number>) =>
  Effect.forEach(lengths, (eventCount) =>
    Effect.scoped(
      Effect.gen(function* () {
        const peak = yield* peakIn("refold_bench_memory", work, eventCount, work === "import" ? nothing : ofLog)
        const taken = [yield* peak, yield* peak, yield* peak]
        return { eventCount, peakMiB: median(taken) }
      })
    )
  )
