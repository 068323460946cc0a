/**
 * A lock on a data directory: PGlite takes none, and two processes in one directory destroy it.
 *
 * **Details**
 *
 * A file holds the owner's process id. A file whose process is gone is stale, so a killed owner blocks nobody.
 *
 * **Gotchas**
 *
 * Process ids mean nothing to another machine: do not share the directory over a network.
 */
import { StoreError } from "@refold/core"
import { Effect, Result } from "effect"
import { mkdir, open, readFile, rm } from "node:fs/promises"
import { join, resolve } from "node:path"

/** Directories this process holds: its own id in a file does not tell a lock of now from one of an earlier process. */
const held = new Set<string>()

/** Holds the directory, which is made if it is not there, until the scope closes. */
export const acquire = (directory: string) => {
  const path = join(resolve(directory), "lock")
  const failed = (cause: unknown) =>
    new StoreError({
      operation: `Opening the data directory ${directory}`,
      reason: "Unavailable",
      isRetryable: false,
      detail: String(cause),
      cause
    })
  const locked = (owner: string) =>
    new StoreError({
      operation: `Opening the data directory ${directory}`,
      reason: "Locked",
      isRetryable: true,
      detail: `process ${owner}`
    })

  const create = Effect.tryPromise({
    try: async () => {
      const file = await open(path, "wx")
      await file.writeFile(String(process.pid))
      await file.close()
    },
    catch: failed
  })

  const clearStale = Effect.gen(function* () {
    const owner = yield* Effect.tryPromise({ try: () => readFile(path, "utf8"), catch: failed })
    if (held.has(path) || (owner !== String(process.pid) && isAlive(Number(owner)))) return yield* locked(owner)
    yield* Effect.tryPromise({ try: () => rm(path, { force: true }), catch: failed })
  })

  return Effect.acquireRelease(
    Effect.tryPromise({ try: () => mkdir(resolve(directory), { recursive: true }), catch: failed }).pipe(
      Effect.andThen(create),
      Effect.catchIf(
        (error) => error.cause instanceof Error && "code" in error.cause && error.cause.code === "EEXIST",
        () => Effect.andThen(clearStale, create)
      ),
      Effect.tap(() => Effect.sync(() => held.add(path)))
    ),
    () => Effect.promise(() => rm(path, { force: true })).pipe(Effect.tap(() => Effect.sync(() => held.delete(path))))
  )
}

/** Signal 0 reaches a process without touching it; one of another user answers EPERM, and is alive. */
const isAlive = (pid: number): boolean =>
  Number.isInteger(pid) &&
  pid > 0 &&
  Result.match(
    Result.try(() => process.kill(pid, 0)),
    {
      onSuccess: () => true,
      onFailure: (error) => error instanceof Error && "code" in error && error.code === "EPERM"
    }
  )
