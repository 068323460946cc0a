/** Worker processes that are loaded and connected, and wait for the go signal. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Effect, Schedule } from "effect"
import { Servers } from "./Servers.ts"

const file = fileURLToPath(new URL("WorkerProcess.ts", import.meta.url))

/** A worker process that waits for the go signal; it ends with the scope. */
export const startProcess = Effect.fnUntraced(function* (schema: string, kind: "ours" | "by hand", stream = "") {
  const servers = yield* Servers
  const env = {
    ...process.env,
    DATABASE_URL: yield* servers.databaseUrl,
    REDIS_URL: yield* servers.redisUrl,
    BENCH_SCHEMA: schema,
    BENCH_STREAM: stream
  }
  return yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, ["--conditions=@refold/source", file, kind], {
        env,
        stdio: ["ignore", "ignore", "inherit", "ipc"]
      })
      await once(child, "message")
      return child
    }),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        const exited = once(child, "exit")
        child.kill("SIGTERM")
        await exited
      })
  )
})

/** Sends the go signal. */
export const go = (children: ReadonlyArray<ChildProcess>) =>
  Effect.sync(() => {
    for (const child of children) child.send("go")
  })

/** Polls every 10 milliseconds. */
export const until = <E, R>(isDone: Effect.Effect<boolean, E, R>) =>
  Effect.repeat(isDone, { until: (done) => done, schedule: Schedule.spaced("10 millis") })
