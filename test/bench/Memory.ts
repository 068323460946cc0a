/** Peak memory of a process that imports or replays a log, and of one that does it with a log ten times as long. */
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { onServer, writeLedger } from "./Database.ts"
import { alternate, figureOf } from "./Measure.ts"
import type { Run } from "./Run.ts"
import { Servers } from "./Servers.ts"

const schema = "refold_bench_memory"

const child = fileURLToPath(new URL("MemoryChild.ts", import.meta.url))

/** Peak RSS in MiB. Through a shell: a child begins with the peak of whoever starts it, and a shell's is small. */
const peakOf = (url: string, work: "import" | "replay", eventCount: number) =>
  Effect.sync(() => {
    const { status, stderr, stdout } = spawnSync(
      "sh",
      ["-c", '"$0" "$@"; exit $?', process.execPath, child, work, String(eventCount)],
      {
        encoding: "utf8",
        env: { ...process.env, NODE_OPTIONS: "--conditions=@refold/source", DATABASE_URL: url, BENCH_SCHEMA: schema }
      }
    )
    if (status !== 0) throw new Error(`The child failed: ${stderr}`)
    return Number(stdout) / 1024
  })

/**
 * Events of the shorter log: they fill every buffer, so that ten times as many can only add what is not bounded.
 *
 * **Details**
 *
 * V8 collects its old objects when they are about four times those alive, and there memory levels off; an import of
 * 40,000 rows is over by then. Peaks in MiB by thousands of rows, medians of three: 40: 261, 100: 294, 200: 353,
 * 400: 362, 1000: 349.
 */
const lengths = { import: 100_000, replay: 20_000 }

/** Fewer of what takes a minute each. */
const turns = { import: 3, replay: 5 }

const memory = (work: "import" | "replay"): Run => ({
  names: [`memory/${work}`],
  figures: Effect.gen(function* () {
    const url = yield* (yield* Servers).databaseUrl
    const short = lengths[work]
    if (work === "replay") {
      yield* writeLedger(`memory ${short}`, 0, short)
      yield* writeLedger(`memory ${short * 10}`, 0, short * 10)
    }
    const taken = yield* alternate(peakOf(url, work, short * 10), peakOf(url, work, short), turns[work])
    return [figureOf(`memory/${work}`, "MiB", 1 / 1.3, taken, "less")]
  }).pipe(Effect.provide(onServer({ schema })))
})

export const memories: ReadonlyArray<Run> = [memory("import"), memory("replay")]
